"""The prompt cache in batches: one request per prefix goes first, and the others read its entry."""

from dataclasses import dataclass, replace

from batcher.core.batches.priming import Marks, PrimedPrefix, marks, pays
from batcher.core.money.rates import Rates
from batcher.runner.batches.context import BatchContext, now
from batcher.runner.batches.open_batch import OpenBatch
from batcher.runner.planning.planner import Plan
from batcher.store.batches import cache_use

_UNKNOWN_USE_S = 1_800.0
"""When a marked batch of an earlier run is cancelled: it is not known when its entry was used."""

_PATIENCE = 0.9
"""Others wait for a priming batch as long as this share of such batches takes."""


@dataclass(slots=True)
class Priming:
    """What a run knows of the entries of its prefixes; ``is_cheaper`` is what the estimate says.

    ``prefix`` stands for all prefixes of the part of the plan that is being submitted; ``rates``
    are those of a batch.
    """

    batches: BatchContext
    rates: Rates | None
    is_cheaper: bool
    prefix: PrimedPrefix | None = None

    @property
    def patience_s(self) -> float:
        """How long the other requests wait for a priming batch."""
        return self.batches.durations.age_at(1, _PATIENCE)

    def decide(self, plan: Plan) -> Marks:
        """Decide how a part of the plan is sent."""
        sharing = plan.sharing
        if self.rates is None or not self.is_cheaper or not sharing.levels:
            return Marks.NONE
        if self.prefix is None or not sharing.is_single:
            self.prefix = PrimedPrefix(plan.counts.to_send)
        requests = min(sharing.group_size, plan.counts.to_send)
        self.prefix = replace(self.prefix, requests=requests)
        rows = self.batches.section.batch_rows
        return marks(self.prefix, self.rates, self.batches.durations, rows, now().timestamp())

    async def on_primed(self, primers: list[OpenBatch], plan: Plan) -> Marks:
        """Look at what the priming batches wrote; return how the others are sent."""
        use = await self.batches.db(cache_use, [batch.number for batch in primers])
        if self.prefix is None or not use.answers or use.used < use.answers:
            self._fail("the API wrote no cache entry")
            return Marks.NONE
        since = min(batch.made_at for batch in primers).timestamp()
        self.prefix = replace(self.prefix, used_after_s=since)
        return self.decide(plan)

    def give_up(self) -> None:
        """Take that the priming batches take too long."""
        self._fail("the first batch takes too long")

    async def on_collected(self, batch: OpenBatch) -> None:
        """Learn from a batch with marks whether its requests read the entry."""
        if batch.cache_ttl is None or self.prefix is None or self.rates is None:
            return
        use = await self.batches.db(cache_use, [batch.number])
        if use.answers > 1 and not pays(use.reads, use.writes, self.rates):
            self._fail("too few requests read the cache entry")
        used_after_s = self.prefix.used_after_s
        if use.used and used_after_s is not None:
            latest = max(used_after_s, batch.made_at.timestamp())
            self.prefix = replace(self.prefix, used_after_s=latest)

    def is_late(self, batch: OpenBatch) -> bool:
        """Return whether a batch is to be cancelled: its entry may expire, or does not pay."""
        if batch.cache_ttl is None or batch.is_canceling or batch.id is None:
            return False
        if self.prefix is None or batch.run_id != self.batches.ctx.run_id:
            return batch.age_s(now()) > _UNKNOWN_USE_S
        use_by_s = self.prefix.use_by_s
        is_late = use_by_s is not None and now().timestamp() > use_by_s
        return is_late or (self.prefix.has_failed and not batch.is_primer)

    def _fail(self, reason: str) -> None:
        if self.prefix is not None and not self.prefix.has_failed:
            self.prefix = replace(self.prefix, has_failed=True)
            self.batches.say(f"cache  {reason}: the other requests are sent without cache marks")
