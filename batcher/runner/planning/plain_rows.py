"""Plans rows whose requests differ in one text only: the same numbers, in a fraction of the time.

Most jobs have one prompt and one system prompt for all rows. What their requests share is worked
out from the first one; each further row needs its text, its hashes, and two counts of its bytes.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import NamedTuple

from batcher.core.cache.marks import Level
from batcher.core.delivery import Delivery
from batcher.core.estimate.context_window import ContextWindow
from batcher.core.estimate.pricing import group_of
from batcher.core.money.bound import Bound
from batcher.core.request.build import Request
from batcher.core.request.plain import PlainBuilder, PlainRequest
from batcher.core.row import Row
from batcher.core.usage_fields import TTL
from batcher.runner.job_context import JobContext
from batcher.store.records import PrefixRecord

_MAX_COSTS = 100_000


class PlainRow(NamedTuple):
    """What the plan says of a row; ``ascii_tokens`` and ``other_tokens`` are those of its text."""

    request: PlainRequest
    prompt_tokens: float
    ascii_tokens: float
    other_tokens: float
    price_group: str
    worst_case_usd: Decimal
    repairs_usd: Decimal | None
    max_prompt_tokens: int


class PlainRows:
    """Plans the rows of one job; ``marks`` are the prefixes that all of its requests have."""

    def __init__(
        self,
        context: JobContext,
        request: Request,
        builder: PlainBuilder,
        bound: Bound,
        bound_tokens: Callable[[bytes], int],
        marks: tuple[tuple[int, bytes, float], ...],
    ) -> None:
        model, policy = request.model, context.policy
        facts = context.prices.facts(model)
        assert facts is not None  # noqa: S101 - see ``of``
        self.marks = marks
        self.max_tokens = request.max_tokens
        self.model = model
        self._build = builder.build
        self._estimate = context.maker.prompt_rule(model).of_turn(request.fields)
        self._bound, self._bound_tokens = bound, bound_tokens
        self._delivery: Delivery = policy.planned
        self._policy = policy
        self._ttl: TTL | None = policy.ttl_of_marks(self._delivery) if marks else None
        limit = context.job.input.max_prompt_tokens
        self._surely_fits = ContextWindow.of(facts, self.max_tokens, limit).text_bytes
        self._context_window = facts.context_window
        prices = context.prices.model(model)
        self._prices, self._long = prices, None if prices.long is None else prices.long.threshold
        self._costs: dict[int, tuple[Decimal, Decimal | None]] = {}

    @classmethod
    def of(
        cls, context: JobContext, request: Request, prefixes: list[PrefixRecord]
    ) -> "PlainRows | None":
        """Take what requests share from the first one; None when they may differ in more."""
        bound = context.policy.bounds.get(context.policy.planned)
        builder, facts = context.maker.builder.plain, context.prices.facts(request.model)
        if builder is None or bound is None or facts is None:
            return None
        marks = {(prefix.level, prefix.prefix, prefix.tokens) for prefix in prefixes}
        tokens = bound.of_text(request.body, request.fields)
        if tokens is None or any(level != Level.SYSTEM for level, _, _ in marks):
            return None
        return cls(context, request, builder, bound, tokens, tuple(marks))

    def of_row(self, row: Row) -> PlainRow | None:
        """Plan a row; None when it needs the whole way."""
        request = self._build(row.values)
        if request is None:
            return None
        body = request.body
        if len(body) > self._surely_fits:
            return None
        total, plain, other = self._estimate(request.text)
        if total > self._context_window:
            return None
        group = self.model
        if self._long is not None and total > self._long:
            group = group_of(self._prices, self.model, total)
        tokens = self._bound_tokens(body)
        costs = self._costs.get(tokens) or self._cost_of(tokens)
        return PlainRow(request, total, plain, other, group, costs[0], costs[1], tokens)

    def _cost_of(self, tokens: int) -> tuple[Decimal, Decimal | None]:
        worst = self._bound.worst_case(tokens, self._ttl)
        costs = worst.usd, self._policy.repairs_of(worst, self._delivery)
        if len(self._costs) < _MAX_COSTS:
            self._costs[tokens] = costs
        return costs
