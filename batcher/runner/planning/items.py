"""What each row of an input asks for: its requests, named, bounded and measured for the plan."""

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal

from batcher.core.answers.outcome import Status
from batcher.core.digest import Digest
from batcher.core.estimate.pricing import group_of
from batcher.core.estimate.tokens import NO_TEXT
from batcher.core.money.bound import WorstCase
from batcher.core.request.build import Request, Unsendable
from batcher.core.row import BadRow, Row
from batcher.errors import Problem
from batcher.runner.job_context import JobContext
from batcher.runner.planning.long_rows import LongRows
from batcher.runner.planning.shared_prefixes import prefix_records
from batcher.store.records import PlanRecord, PrefixRecord

_LOOKED_AT = 2_000
NAME_BYTES = 16


class Items:
    """Makes the plan's records from rows, and notes on the way what is known only from all of them.

    ``models`` counts the requests of each model; ``rows_digest`` names the values that requests are
    made from, ``requests_digest`` the requests, both whatever the order. ``refused`` is what every
    request would be refused for, ``warnings`` what is worth a word, by its text. ``long_rows`` are
    those that hardly fit into their model's context. ``names`` are the fingerprints of all items,
    one after another, where rows name files.
    """

    def __init__(self, context: JobContext) -> None:
        self._context = context
        self._files = {stamp.name: index for index, stamp in enumerate(context.source.files)}
        self._prefixes: list[PrefixRecord] = []
        self._is_checked = False
        self._text = NO_TEXT
        self._tokens = 0.0
        self.models: Counter[str] = Counter()
        self.warnings: dict[str, Problem] = {}
        self.refused: list[Problem] = []
        self.rows_digest = Digest()
        self.requests_digest = Digest()
        self.long_rows = LongRows()
        # What lies in files may change between two looks at them, and is paid for as it is then.
        spec = context.job.request
        self.names: bytearray | None = bytearray() if spec.images or spec.documents else None
        self.largest_body = 0
        self.body_bytes = 0
        self.count = 0

    def of(self, row: Row | BadRow) -> Iterator[PlanRecord]:
        """Yield one record for each answer that a row asks for."""
        row_id = self._context.maker.row_id(row)
        request = self._request_of(row, row_id)
        samples = self._context.samples
        names: tuple[bytes | None, ...] = (None,) * samples
        content = group = predicted = most = bound = repairs = None
        why: tuple[str | None, str | None, str | None] = (None, None, None)
        if isinstance(request, Request):
            names, content, most = request.fingerprints, request.content, request.max_tokens
            prompt = self._context.maker.prompt_rule(request.model).of(request.fields)
            predicted = prompt.total
            prices = self._context.prices
            group = group_of(prices.model(request.model), request.model, predicted)
            self.long_rows.see(row.place, request, prompt, prices.facts(request.model))
            if request.note is not None:
                why = (None, "client.cut", request.note)
            if self.models.total() <= _LOOKED_AT:
                self._text += prompt.text
                self._tokens += predicted
            bound, repairs = self._note(request, row.ordinal * samples)
        else:
            status = Status.SKIPPED if request.is_skipped else Status.ERRORED
            why = (status.value, request.error_type, request.reason)
        for sample, name in enumerate(names):
            self.count = row.ordinal * samples + sample + 1
            self._keep(name)
            yield PlanRecord(
                self.count - 1,
                row.ordinal,
                sample,
                self._files[row.place.file],
                row.place.line,
                row_id if isinstance(row_id, str) else None,
                name,
                content,
                None if bound is None else bound.usd,
                *why,
                group,
                predicted,
                None if bound is None else bound.prompt_tokens,
                most,
                repairs,
            )

    @property
    def sigma(self) -> float:
        """How far the estimated prompts may be off as a whole, going by the first ones."""
        return self._text.sigma * self._text.total / self._tokens if self._tokens else 0.0

    def take_prefixes(self) -> list[PrefixRecord]:
        """What the requests made since the last call begin with."""
        taken, self._prefixes = self._prefixes, []
        return taken

    def _keep(self, name: bytes | None) -> None:
        """Remember how an item's request is called, where files may change that."""
        if self.names is not None:
            self.names += bytes(NAME_BYTES * (self.count - 1) - len(self.names))
            self.names += name or bytes(NAME_BYTES)

    def _note(self, request: Request, first_item: int) -> tuple[WorstCase | None, Decimal | None]:
        """Note what a request adds to the whole; return its bounds, and that of its repairs."""
        self.largest_body = max(self.largest_body, len(request.body))
        self.body_bytes += len(request.body)
        self.rows_digest.add(request.content)
        for name in request.fingerprints:
            self.requests_digest.add(name)
        records = prefix_records(self._context, request, first_item)
        self._prefixes += records
        bound = self._context.policy.bound_of(request, is_marked=bool(records))
        return bound, None if bound is None else self._context.policy.repairs_of(bound)

    def _request_of(self, row: Row | BadRow, row_id: str | Unsendable) -> Request | Unsendable:
        if isinstance(row, BadRow):
            return Unsendable(row.error_type, row.reason)
        if isinstance(row_id, Unsendable):
            return row_id
        request = self._context.maker.request_of(row)
        if isinstance(request, Unsendable):
            return request
        if request.model not in self.models:
            self._context.prices.model(request.model)  # an unknown price stops everything here
        self.models[request.model] += 1
        return self._checked(request)

    def _checked(self, request: Request) -> Request | Unsendable:
        """Hold a request against what its model refuses: once for a job, or for each row."""
        is_fixed = self._context.maker.builder.is_fixed
        if is_fixed and self._is_checked and self._context.job.request.messages is None:
            return request
        self._is_checked = True
        errors = []
        for refusal in self._context.policy.refusals_of(request):
            if refusal.severity == "error":
                errors.append(refusal)
            else:
                self.warnings[refusal.message] = self._context.policy.problem_of(refusal)
        if errors and (not is_fixed or self._context.job.request.messages is not None):
            return Unsendable("client.refused_by_model", f"{errors[0].key}: {errors[0].message}")
        self.refused += [self._context.policy.problem_of(error) for error in errors]
        return request
