"""The state that all requests share: settings, answers, cache, limits, faults, batches, ledger."""

import time
from collections.abc import Callable

from batcher.simulator.answering import Answers
from batcher.simulator.batches.clock import BatchClock
from batcher.simulator.batches.duration import Durations
from batcher.simulator.batches.item import ItemProcessor
from batcher.simulator.batches.register import Batches, Rules
from batcher.simulator.billing.credit import Credit
from batcher.simulator.billing.ledger import Ledger
from batcher.simulator.billing.prompt_cache import PromptCache
from batcher.simulator.billing.rate_limits import Limits, Spacing
from batcher.simulator.faults.fault import BATCHES, ITEM, MESSAGES
from batcher.simulator.faults.schedule import BatchFaults, Schedule
from batcher.simulator.settings import Settings

COUNT_TOKENS = "count_tokens"
NO_TOKEN_LIMIT = 10**12


class Service:
    """The state of one simulated organisation; it belongs to one event loop.

    ``clock`` returns seconds since the epoch.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        self.settings = settings
        self.clock = clock
        self.ledger = Ledger(settings.ledger, keep_entries=settings.keep_requests)
        self.cache = PromptCache()
        self.answers = Answers(settings)
        self.credit = Credit(settings.credit_usd)
        self.early_schedules = {
            place: Schedule.of(settings.faults, settings.seed, place, is_early=True)
            for place in (MESSAGES, "create")
        }
        self.schedule = Schedule.of(settings.faults, settings.seed, MESSAGES)
        self.batch_faults = BatchFaults(settings.faults, settings.seed)
        self._limits: dict[str, Limits] = {}
        self.batches = self._batches()

    def headers(self, request_id: str) -> dict[str, str]:
        """Return the headers of every response."""
        return {
            "request-id": request_id,
            "anthropic-organization-id": self.settings.organization_id,
        }

    def limits(self, group: str) -> Limits:
        """Return the rate limits of a group of models, of token counts or of batches."""
        if group not in self._limits:
            settings = self.settings
            per_minute = (
                settings.requests_per_minute,
                settings.input_tokens_per_minute,
                settings.output_tokens_per_minute,
            )
            if group == COUNT_TOKENS:
                requests = settings.requests_per_minute * 2
                per_minute = (requests, NO_TOKEN_LIMIT, NO_TOKEN_LIMIT)
            elif group == BATCHES:
                requests = settings.batch_requests_per_minute
                per_minute = (requests, NO_TOKEN_LIMIT, NO_TOKEN_LIMIT)
            spacing = Spacing(
                settings.spacing_ms / 1000, settings.spacing_burst, settings.limit_headers
            )
            is_for_messages = group not in (COUNT_TOKENS, BATCHES)
            self._limits[group] = Limits(
                per_minute, settings.burst, self.clock(), spacing if is_for_messages else None
            )
        return self._limits[group]

    def _batches(self) -> Batches:
        settings = self.settings
        items = ItemProcessor(
            self.answers,
            self.ledger,
            PromptCache(),
            self.credit,
            Schedule.of(settings.faults, settings.seed, ITEM),
            settings.seed,
            settings.batch_cache_rate,
        )
        rules = Rules(
            settings.batch_queue_limit,
            settings.batch_listed_after_s,
            settings.batch_results_after_s,
            settings.batch_cancel_rate,
            settings.batch_refusal,
            settings.seed,
        )
        durations = Durations(
            settings.batch_floor_s, settings.batch_median_s, settings.batch_spread, settings.seed
        )
        return Batches(BatchClock(self.clock, settings.batch_speed), durations, rules, items)
