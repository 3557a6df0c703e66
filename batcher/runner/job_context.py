"""A job with everything that is needed to ask what it asks: input, requests, prices, paths."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import partial
from itertools import accumulate, islice, repeat

from batcher.core.cache.prefix import Namer
from batcher.core.estimate.context_fitting import Fitting
from batcher.core.estimate.context_window import Room
from batcher.core.estimate.prompt import PromptRule
from batcher.core.job import SIMULATOR
from batcher.core.labels.repair import most_growth
from batcher.core.money.bound import Bound, UnboundedError, WorstCase, worst_case
from batcher.core.money.exact import total
from batcher.core.money.prices import PriceTable
from batcher.core.quality.gold import Gold
from batcher.core.request.attachment import Attachment
from batcher.core.request.build import Request, RequestBuilder, Unsendable
from batcher.core.request.refusals import Refusal, refusals
from batcher.core.row import BadRow, Row
from batcher.core.template.template import Template
from batcher.errors import Problem
from batcher.inputs.attachments.attached_file import BadAttachment
from batcher.inputs.attachments.documents import load_document, load_text
from batcher.inputs.attachments.images import load_image
from batcher.inputs.job_file.load import LoadedJob
from batcher.inputs.price_table import load_price_table
from batcher.inputs.source import Source
from batcher.runner.workspace import Workspace


@dataclass(frozen=True, slots=True)
class JobContext:
    """One job, ready to be planned; ``prefixes`` is None when the prompt cache is left alone."""

    loaded: LoadedJob
    workspace: Workspace
    source: Source
    prices: PriceTable
    builder: RequestBuilder
    bound: Bound | None
    prefixes: Namer | None
    today: date
    prompt_rules: dict[str, PromptRule] = field(default_factory=dict, repr=False)

    @property
    def samples(self) -> int:
        """How many answers each row gets."""
        return self.loaded.job.request.samples

    @property
    def gold(self) -> Gold | None:
        """The right labels that answers are compared with; None when the job has none."""
        labels, said = self.loaded.labels, self.loaded.job.labels
        if labels is None or said.gold is None:
            return None
        classes = self.source.classes.get(said.gold, ())
        return Gold.of(labels, said.gold, said.gold_field, classes)

    @property
    def asks_simulator(self) -> bool:
        """Whether the embedded simulator answers: nothing is paid for, and no key is needed."""
        return self.workspace.is_simulated or self.loaded.job.api.base_url == SIMULATOR

    @property
    def origin(self) -> str:
        """The server that answers, as the checkpoint names it."""
        return SIMULATOR if self.asks_simulator else self.loaded.job.api.base_url.rstrip("/")

    def request_of(self, row: Row) -> Request | Unsendable:
        """Make a row's request, reading what is attached; never raises for what a row holds.

        One that cannot fit into its model's context is cut, or is no request, as the job says.
        """
        request = self._made_of(row.values)
        if isinstance(request, Unsendable):
            return request
        facts = self.prices.facts(request.model)
        if facts is None:
            return request
        room = Room.of(facts, request.max_tokens, self.loaded.job.input.max_prompt_tokens)
        if room.surely_holds(request.body):
            return request
        rule, builder = self.prompt_rule(request.model), self.builder
        fitting = Fitting(room, rule, self._made_of, builder.texts, builder.whole)
        if self.loaded.job.input.on_too_long == "truncate":
            return fitting.cut(request, row.values)
        return fitting.checked(request)

    def _made_of(self, values: Mapping[str, object]) -> Request | Unsendable:
        attached = self._attached(values)
        if isinstance(attached, Unsendable):
            return attached
        return self.builder.build(values, attached)

    def _attached(self, values: Mapping[str, object]) -> list[Attachment] | Unsendable:
        """Load documents, then images: what rows share comes first."""
        spec, root = self.loaded.job.request, self.source.root
        loads: list[tuple[str, str, Callable[[object], Attachment]]] = [
            *((name, "client.bad_document", load_text) for name in spec.text_documents),
            *(
                (name, "client.bad_document", partial(load_document, root=root))
                for name in spec.documents
            ),
            *((name, "client.bad_image", partial(load_image, root=root)) for name in spec.images),
        ]
        attached: list[Attachment] = []
        for column, error_type, load in loads:
            try:
                attached.append(load(values.get(column)))
            except BadAttachment as error:
                return Unsendable(error_type, f"the column '{column}': {error}")
        return attached

    def refusals_of(self, request: Request) -> Sequence[Refusal]:
        """What the request's model and the API's version are known to refuse of it."""
        facts = self.prices.facts(request.model)
        if facts is None:
            return ()
        api = self.loaded.job.api
        betas = frozenset(
            beta.strip()
            for name, value in api.headers.items()
            if name.lower() == "anthropic-beta"
            for beta in value.split(",")
        )
        return refusals(request.fields, facts, api.version, today=self.today, betas=betas)

    def placed(self, refusal: Refusal) -> Problem:
        """Say where in the job file, or on the command line, the cause of a refusal stands."""
        loaded, key = self.loaded, f"request.{refusal.key}"
        message = f"{key}: {refusal.message}"
        while key not in loaded.sources and "." in key:
            key = key.rpartition(".")[0]
        source = loaded.sources.get(key, "default")
        _, _, line = source.rpartition(":")
        if line.isdigit():
            return Problem(message, str(loaded.path), int(line), refusal.hint)
        place = str(loaded.path) if source == "default" else source
        return Problem(message, place, None, refusal.hint)

    def bound_of(self, request: Request, *, is_marked: bool) -> WorstCase | None:
        """The most that one attempt can cost, and have tokens; None when nothing bounds it.

        ``is_marked`` says that it may be sent with marks for the prompt cache besides its own.
        """
        marks = (self.loaded.job.cache.ttl or "1h") if is_marked else None
        body, fields = request.body, request.fields
        try:
            if self.bound is not None:
                return self.bound.of(body, fields, marks)
            return worst_case(body, fields, self.prices.model(request.model), marks)
        except UnboundedError:
            return None

    def repairs_of(self, one: WorstCase) -> Decimal | None:
        """The most that asking a request again with complaints adds, in USD; None when it is not.

        ``one`` bounds its first attempt.
        """
        labels, said = self.loaded.labels, self.loaded.job.labels
        if labels is None or self.bound is None or said.on_invalid != "retry" or not said.repairs:
            return None
        growth = most_growth(int(self.builder.settings["max_tokens"]), labels.via)
        grown = accumulate(repeat(growth, said.repairs), self.bound.grown, initial=one)
        return total(repair.usd for repair in islice(grown, 1, None))

    def prompt_rule(self, model: str) -> PromptRule:
        """How the prompts of requests to a model are estimated."""
        if model not in self.prompt_rules:
            self.prompt_rules[model] = PromptRule(model, self.prices.facts(model))
        return self.prompt_rules[model]

    def row_id(self, row: Row | BadRow) -> str | Unsendable:
        """What the row is called in the output: its id column, without one its position."""
        job = self.loaded.job
        column = "custom_id" if job.input.format == "messages-batch" else job.input.id
        if column is None:
            return str(row.ordinal + 1)
        if isinstance(row, BadRow):
            return Unsendable(row.error_type, row.reason)
        value = row.values.get(column)
        if isinstance(value, str):
            return value
        if isinstance(value, int | Decimal) and not isinstance(value, bool):
            return str(value)
        kind = "null" if value is None else f"a {type(value).__name__}"
        return Unsendable("client.bad_id", f"the id column '{column}' is {kind}")


def open_job(loaded: LoadedJob, *, is_simulated: bool, today: date) -> JobContext:
    """Open everything a job names; raises ConfigurationError for what is wrong with any of it."""
    job = loaded.job
    system = loaded.system
    builder = RequestBuilder(
        job,
        system=Template(system, loaded.system_name) if isinstance(system, str) else system,
        prompt=None if loaded.prompt is None else Template(loaded.prompt, loaded.prompt_name),
        labels=loaded.labels,
    )
    source = Source.open(job.input, loaded.folder)
    prices = load_price_table().with_overrides(job.prices.overrides)
    context = JobContext(
        loaded=loaded,
        workspace=Workspace.of(loaded, is_simulated=is_simulated),
        source=source,
        prices=prices,
        builder=builder,
        bound=_shared_bound(builder, prices),
        prefixes=Namer(prices, job.cache.ttl or "5m") if job.cache.mode == "auto" else None,
        today=today,
    )
    source.require(sorted(_named_columns(context)))
    folder = loaded.folder / job.input.path
    context.workspace.check_apart(folder, (stamp.path for stamp in source.files))
    if job.request.model is not None:
        context.prices.model(job.request.model)
    return context


def _shared_bound(builder: RequestBuilder, prices: PriceTable) -> Bound | None:
    """The bound that all requests share; None when each has its own settings, or none has one."""
    if not builder.is_fixed:
        return None
    try:
        return Bound(builder.settings, prices.model(str(builder.settings["model"])))
    except UnboundedError:
        return None


def _named_columns(context: JobContext) -> frozenset[str]:
    """The columns the job file names; all have to be there."""
    job = context.loaded.job
    names = set(context.builder.columns or ())
    names.update(job.output.keep or ())
    names.update(name for name in (job.input.id, job.labels.gold) if name is not None)
    return frozenset(names)
