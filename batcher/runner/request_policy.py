"""The rules for a job's requests: what they can cost, and what their model refuses."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import accumulate, islice, repeat
from typing import get_args

from batcher.core.delivery import Delivery
from batcher.core.labels.repair import max_growth_tokens
from batcher.core.money.bound import Bound, UnboundedError, WorstCase, worst_case
from batcher.core.money.exact import total
from batcher.core.money.prices import PriceTable
from batcher.core.request.build import Request, RequestBuilder
from batcher.core.request.refusals import Refusal, refusals
from batcher.core.usage_fields import TTL
from batcher.errors import Problem
from batcher.inputs.job_file.load import LoadedJob


@dataclass(frozen=True, slots=True)
class RequestPolicy:
    """Bounds and refusals of a job's requests, as of ``today``.

    ``bounds`` are shared by all requests, one for each delivery. A delivery has none when each
    request has settings of its own, or when nothing bounds them.
    """

    loaded: LoadedJob
    prices: PriceTable
    bounds: Mapping[Delivery, Bound]
    max_tokens: int | None
    today: date

    @classmethod
    def of(
        cls, loaded: LoadedJob, builder: RequestBuilder, prices: PriceTable, today: date
    ) -> "RequestPolicy":
        """Make the policy of a job; raise ConfigurationError for a model without a price."""
        max_tokens = builder.settings.get("max_tokens") if builder.is_fixed else None
        bounds = _shared_bounds(builder, prices)
        return cls(loaded, prices, bounds, None if max_tokens is None else int(max_tokens), today)

    @property
    def planned(self) -> Delivery:
        """The delivery whose bounds the plan has: the dearest that the job may choose."""
        return "batch" if self.loaded.job.delivery.mode == "batch" else "live"

    def bound_of(
        self, request: Request, *, is_marked: bool, delivery: Delivery = "live"
    ) -> WorstCase | None:
        """Return the most that one attempt can cost and use; None when nothing bounds it.

        ``is_marked`` says that the request may be sent with cache marks besides its own.
        """
        ttl = self.ttl_of_marks(delivery) if is_marked else None
        body, fields, bound = request.body, request.fields, self.bounds.get(delivery)
        try:
            if bound is not None:
                return bound.of(body, fields, ttl)
            prices, is_batch = self.prices.model(request.model), delivery == "batch"
            return worst_case(body, fields, prices, ttl, is_batch=is_batch)
        except UnboundedError:
            return None

    def ttl_of_marks(self, delivery: Delivery) -> TTL:
        """Return the longest lifetime of the cache marks that a request may be sent with."""
        return "1h" if delivery == "batch" else self.loaded.job.cache.ttl or "1h"

    def repairs_of(self, first_attempt: WorstCase, delivery: Delivery = "live") -> Decimal | None:
        """Return the most that asking again with complaints adds, in USD; None when it is not.

        ``first_attempt`` bounds the first attempt of the request, of the same delivery.
        """
        bound = self.bounds.get(delivery)
        labels, section = self.loaded.labels, self.loaded.job.labels
        is_repaired = section.on_invalid == "retry" and section.repairs > 0
        if labels is None or bound is None or self.max_tokens is None or not is_repaired:
            return None
        growth = max_growth_tokens(self.max_tokens, labels.via)
        bounds = accumulate(
            repeat(growth, section.repairs), bound.with_more_tokens, initial=first_attempt
        )
        return total(repair.usd for repair in islice(bounds, 1, None))

    def refusals_of(self, request: Request) -> Sequence[Refusal]:
        """Return what the request's model and the API's version are known to refuse of it.

        A job of auto may have to send each request live.
        """
        return self._refusals(request, is_batch=self.planned == "batch")

    def only_live(self, request: Request) -> Refusal | None:
        """Return why a request that can be sent live cannot travel in a batch; None if it can."""
        found = self._refusals(request, is_batch=True)
        return next((refusal for refusal in found if refusal.severity == "error"), None)

    def _refusals(self, request: Request, *, is_batch: bool) -> Sequence[Refusal]:
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
        return refusals(
            request.fields,
            facts,
            api.version,
            today=self.today,
            betas=betas,
            is_batch=is_batch,
        )

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


def _shared_bounds(builder: RequestBuilder, prices: PriceTable) -> dict[Delivery, Bound]:
    bounds: dict[Delivery, Bound] = {}
    for delivery in get_args(Delivery) if builder.is_fixed else ():
        model = prices.model(str(builder.settings["model"]))
        with suppress(UnboundedError):
            bounds[delivery] = Bound(builder.settings, model, is_batch=delivery == "batch")
    return bounds
