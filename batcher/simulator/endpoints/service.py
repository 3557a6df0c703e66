"""The state that all requests share: settings, models, cache, limits, faults, ledger, clock."""

import itertools
import json
import secrets
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from batcher.simulator.api_error import ApiError
from batcher.simulator.billing.ledger import Ledger
from batcher.simulator.billing.model_table import Model, models
from batcher.simulator.billing.prompt_cache import PromptCache
from batcher.simulator.billing.rate_limits import Limits
from batcher.simulator.faults.schedule import Schedule
from batcher.simulator.model.answer_key import AnswerKey
from batcher.simulator.model.behaviour import Behaviour
from batcher.simulator.settings import Settings

COUNT_TOKENS = "count_tokens"


class Service:
    """The state of one simulated organisation; it belongs to one event loop.

    ``clock`` returns seconds since the epoch.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        self.settings = settings
        self.clock = clock
        self.ledger = Ledger(settings.ledger, keep_entries=settings.keep_requests)
        self.cache = PromptCache()
        self.behaviour = Behaviour(
            settings.refusal_rate,
            settings.invalid_rate,
            settings.careless_rate,
            settings.variety_rate,
            settings.right_rate,
            AnswerKey() if settings.truth is None else AnswerKey.read(settings.truth),
        )
        early = [fault for fault in settings.faults if fault.is_early]
        late = [fault for fault in settings.faults if not fault.is_early]
        self.early_schedule = Schedule(early, settings.seed)
        self.schedule = Schedule(late, settings.seed)
        self._requests_by_key: Counter[str] = Counter()
        self._limits: dict[str, Limits] = {}
        # Ids differ between processes, so that no test can rely on them.
        self._process = secrets.token_hex(4)
        self._ids = itertools.count(1)

    def count_repetition(self, key: str) -> int:
        """Count a request and return how many equal ones came before it.

        It counts only if answers may vary; otherwise memory stays constant.
        """
        if not self.behaviour.variety_rate:
            return 0
        self._requests_by_key[key] += 1
        return self._requests_by_key[key] - 1

    def new_id(self, prefix: str) -> str:
        """Return an id that no other response of any simulator has."""
        return f"{prefix}_01{self._process}{next(self._ids):012x}"

    def headers(self, request_id: str) -> dict[str, str]:
        """Return the headers of every response."""
        return {
            "request-id": request_id,
            "anthropic-organization-id": self.settings.organization_id,
        }

    def model(self, name: str) -> Model:
        """Return an offered model by its id or alias, or raise a 404."""
        model = models().get(name)
        offered = self.settings.models
        if model is None or not model.is_live or (offered and model.id not in offered):
            raise ApiError(404, f"model: {name}")
        return model

    def limits(self, group: str) -> Limits:
        """Return the rate limits of a group of models."""
        if group not in self._limits:
            settings = self.settings
            per_minute = (
                settings.requests_per_minute,
                settings.input_tokens_per_minute,
                settings.output_tokens_per_minute,
            )
            if group == COUNT_TOKENS:
                per_minute = (settings.requests_per_minute * 2, 10**12, 10**12)
            self._limits[group] = Limits(per_minute, settings.burst, self.clock())
        return self._limits[group]


def as_json(value: Mapping[str, Any]) -> bytes:
    """Return a value as the JSON bytes of a body."""
    return json.dumps(value, ensure_ascii=False).encode(errors="surrogatepass")
