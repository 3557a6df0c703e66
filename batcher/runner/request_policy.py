"""The rules for a job's requests: what they can cost, and what their model refuses."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import accumulate, islice, repeat

from batcher.core.labels.repair import max_growth_tokens
from batcher.core.money.bound import Bound, UnboundedError, WorstCase, worst_case
from batcher.core.money.exact import total
from batcher.core.money.prices import PriceTable
from batcher.core.request.build import Request, RequestBuilder
from batcher.core.request.refusals import Refusal, refusals
from batcher.errors import Problem
from batcher.inputs.job_file.load import LoadedJob


@dataclass(frozen=True, slots=True)
class RequestPolicy:
    """Bounds and refusals of a job's requests, as of ``today``.

    ``bound`` is shared by all requests; it is None when each request has settings of its own, or
    when nothing bounds them.
    """

    loaded: LoadedJob
    prices: PriceTable
    bound: Bound | None
    max_tokens: int | None
    today: date

    @classmethod
    def of(
        cls, loaded: LoadedJob, builder: RequestBuilder, prices: PriceTable, today: date
    ) -> "RequestPolicy":
        """Make the policy of a job; raise ConfigurationError for a model without a price."""
        max_tokens = builder.settings.get("max_tokens") if builder.is_fixed else None
        bound = _shared_bound(builder, prices)
        return cls(loaded, prices, bound, None if max_tokens is None else int(max_tokens), today)

    def bound_of(self, request: Request, *, is_marked: bool) -> WorstCase | None:
        """Return the most that one attempt can cost and use; None when nothing bounds it.

        ``is_marked`` says that the request may be sent with cache marks besides its own.
        """
        ttl = (self.loaded.job.cache.ttl or "1h") if is_marked else None
        body, fields = request.body, request.fields
        try:
            if self.bound is not None:
                return self.bound.of(body, fields, ttl)
            return worst_case(body, fields, self.prices.model(request.model), ttl)
        except UnboundedError:
            return None

    def repairs_of(self, first_attempt: WorstCase) -> Decimal | None:
        """Return the most that asking again with complaints adds, in USD; None when it is not.

        ``first_attempt`` bounds the first attempt of the request.
        """
        labels, section = self.loaded.labels, self.loaded.job.labels
        is_repaired = section.on_invalid == "retry" and section.repairs > 0
        if labels is None or self.bound is None or self.max_tokens is None or not is_repaired:
            return None
        growth = max_growth_tokens(self.max_tokens, labels.via)
        bounds = accumulate(
            repeat(growth, section.repairs), self.bound.with_more_tokens, initial=first_attempt
        )
        return total(repair.usd for repair in islice(bounds, 1, None))

    def refusals_of(self, request: Request) -> Sequence[Refusal]:
        """Return what the request's model and the API's version are known to refuse of it."""
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

    def problem_of(self, refusal: Refusal) -> Problem:
        """Return a refusal with its place in the job file or on the command line."""
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


def _shared_bound(builder: RequestBuilder, prices: PriceTable) -> Bound | None:
    if not builder.is_fixed:
        return None
    try:
        return Bound(builder.settings, prices.model(str(builder.settings["model"])))
    except UnboundedError:
        return None
