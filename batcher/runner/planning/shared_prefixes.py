"""Finds the prefixes that items to send share, where a mark for the prompt cache pays."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from batcher.core.cache.marks import Level
from batcher.core.cache.prefix import USES_TO_PAY
from batcher.core.request.build import Request
from batcher.runner.job_context import JobContext
from batcher.store.checkpoint import Checkpoint
from batcher.store.plans import shared_prefixes
from batcher.store.records import PrefixRecord

WINDOW_REQUESTS = 50_000
"""How many requests are kept in memory at most to bring shared prefixes together."""


@dataclass(frozen=True, slots=True)
class Sharing:
    """What is marked: ``levels`` has a byte for each item of the input, or is empty.

    Requests with the same longest prefix come together when ``window`` requests are in memory; it
    is 0 when there is nothing to bring together. ``group_size`` is the mean size of a group.
    """

    levels: bytearray = field(default_factory=bytearray, repr=False)
    window: int = 0
    group_size: int = 1

    @property
    def is_single(self) -> bool:
        """Whether all marked items share one prefix."""
        return bool(self.levels) and not self.window

    def of(self, item: int) -> Level:
        """Return the levels at which an item is marked."""
        return Level(self.levels[item]) if self.levels else Level.NONE


def prefix_records(context: JobContext, request: Request, first_item: int) -> list[PrefixRecord]:
    """Return a record of each prefix of a row's request, for each answer that the row asks for."""
    if context.prefixes is None:
        return []
    found = [
        (level, name, _tokens(context, request, level))
        for level, name in context.prefixes.of(request)
    ]
    return [
        PrefixRecord(first_item + sample, level, name, tokens)
        for level, name, tokens in found
        for sample in range(context.samples)
    ]


def _tokens(context: JobContext, request: Request, level: Level) -> float:
    """Estimate the tokens of a prefix; 0 when it seems too short for the cache."""
    tokens = context.maker.prompt_rule(request.model).of_prefix(request.fields, level).total
    facts = context.prices.facts(request.model)
    return 0.0 if facts is None or tokens < facts.min_cacheable_tokens else tokens


def find_sharing(
    checkpoint: Checkpoint, context: JobContext, items: Sequence[int] | pa.Array, length: int
) -> Sharing:
    """Count the uses of every prefix among the items to send; ``length`` is that of the input.

    Call it after planning. A prefix is not marked when it is used too seldom to pay, or too far
    apart to be brought together.
    """
    if context.prefixes is None:
        return Sharing()
    uses = USES_TO_PAY[context.job.cache.ttl or "5m"]
    found = shared_prefixes(checkpoint, items, min_uses=uses, window=WINDOW_REQUESTS)
    if not found.groups:
        return Sharing()
    levels = bytearray(length)
    for batch in found.marks.to_batches(max_chunksize=10_000):
        for item, level in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            levels[item] = level
    window = min(found.span, WINDOW_REQUESTS) if found.groups > 1 else 0
    return Sharing(levels, window, found.marks.num_rows // found.groups)
