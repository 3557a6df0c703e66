"""The settings of a simulator: from code, a TOML or JSON file, or the command line."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from batcher.simulator.faults.fault import Fault

UNLIMITED = 1_000_000_000
LIMIT_HEADERS = ("minute", "plenty", "nothing")
BATCH_REFUSALS = ("", "hipaa", "workspace_human_review_disabled")
_CHOICES = {"limit_headers": LIMIT_HEADERS, "batch_refusal": BATCH_REFUSALS}
_RATES = (
    "refusal_rate", "invalid_rate", "careless_rate", "variety_rate", "right_rate",
    "batch_cancel_rate", "batch_cache_rate",
)  # fmt: skip
_COUNTS = (
    "requests_per_minute", "input_tokens_per_minute", "output_tokens_per_minute",
    "spacing_burst", "batch_requests_per_minute", "batch_queue_limit",
)  # fmt: skip
_NOT_NEGATIVE = (
    "latency", "ttft_s", "spacing_ms", "batch_speed", "batch_floor_s", "batch_median_s",
    "batch_spread", "batch_listed_after_s", "batch_results_after_s",
)  # fmt: skip
MAX_BODY_BYTES = 32 * 1024 * 1024
MAX_BATCH_BYTES = 256_000_000


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of a simulator.

    - ``latency`` scales all waiting times. 0 responds at once. 1 takes about ``ttft_s`` seconds to
      the first token, then writes ``tokens_per_s``.
    - The limits per minute hold for each group of models; ``burst`` is the share of such a limit
      that can be used at once.
    - ``spacing_ms`` is a further limit on requests, which no header tells: one each
      ``spacing_ms`` milliseconds, ``spacing_burst`` at once; 0 is none. ``limit_headers`` is what
      the headers of rate limits say of the requests that remain: what the limit of the ``minute``
      leaves, ``plenty`` always, or ``nothing`` at all.
    - ``refusal_rate``, ``invalid_rate``, ``careless_rate``, ``variety_rate`` and ``right_rate`` are
      the rates of ``Behaviour``. ``truth`` is the file of its answer key (see ``AnswerKey``).
    - ``credit_usd`` is what all answers may cost, live ones and items of batches; None is no limit.
      Keys that start with ``other_workspace_prefix`` belong to another workspace.
    - ``batch_speed`` is how fast the clock of the batches runs; at 0 only ``/_simulator/clock``
      moves it. ``batch_floor_s``, ``batch_median_s`` and ``batch_spread`` are the durations of
      batches (see ``Durations``).
    - ``batch_requests_per_minute`` holds for all batch endpoints together, ``batch_queue_limit``
      for the items that are not yet processed. A batch appears in the list after
      ``batch_listed_after_s``, and has results no earlier than ``batch_results_after_s``.
    - ``batch_cancel_rate`` is the share of items that a cancel can still stop before they begin,
      ``batch_cache_rate`` the share of items that can read cache entries of their own batch.
      ``batch_refusal`` is the reason why no batch can be created, one of ``BATCH_REFUSALS``.
    - ``models`` are the ids of the offered models; empty offers all.
    - ``ledger`` is a file that gets a line for each request. ``keep_requests`` keeps an entry for
      each request in memory, for tests.
    """

    host: str = "127.0.0.1"
    port: int = 0
    seed: int = 0
    latency: float = 0.0
    ttft_s: float = 0.8
    tokens_per_s: float = 80.0
    requests_per_minute: int = UNLIMITED
    input_tokens_per_minute: int = UNLIMITED
    output_tokens_per_minute: int = UNLIMITED
    burst: float = 1.0
    spacing_ms: float = 0.0
    spacing_burst: int = 1
    limit_headers: str = "minute"
    refusal_rate: float = 0.0
    invalid_rate: float = 0.0
    careless_rate: float = 0.0
    variety_rate: float = 0.0
    right_rate: float = 1.0
    truth: Path | None = None
    credit_usd: Decimal | None = None
    batch_speed: float = 1.0
    batch_floor_s: float = 60.0
    batch_median_s: float = 1_500.0
    batch_spread: float = 1.3
    batch_requests_per_minute: int = UNLIMITED
    batch_queue_limit: int = UNLIMITED
    batch_listed_after_s: float = 0.0
    batch_results_after_s: float = 10.0
    batch_cancel_rate: float = 1.0
    batch_cache_rate: float = 0.0
    batch_refusal: str = ""
    faults: tuple[Fault, ...] = ()
    bad_key_prefix: str = "bad"
    other_workspace_prefix: str = "other"
    models: tuple[str, ...] = ()
    max_body_bytes: int = MAX_BODY_BYTES
    max_batch_bytes: int = MAX_BATCH_BYTES
    organization_id: str = "5bd2e2a4-0000-4000-8000-51a1ab0a7e00"
    ledger: Path | None = None
    keep_requests: bool = False

    def __post_init__(self) -> None:
        self._check_choices()
        for name in _COUNTS:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")
        for name in _NOT_NEGATIVE:
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative")
        for name in ("tokens_per_s", "burst"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive")
        for name in _RATES:
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be between 0 and 1")

    def _check_choices(self) -> None:
        for name, known in _CHOICES.items():
            value = getattr(self, name)
            if value not in known:
                choices = " or ".join(filter(None, known))
                raise ValueError(f"{name} must be {choices}, not {value!r}")

    def changed(self, changes: Mapping[str, Any]) -> "Settings":
        """Return a copy with other values; raise ValueError for an unknown key or a bad value."""
        known = {field.name for field in fields(self)}
        unknown = sorted(set(changes) - known)
        if unknown:
            raise ValueError(
                f"unknown setting {unknown[0]!r}; known are {', '.join(sorted(known))}"
            )
        values = dict(changes)
        if "faults" in values:
            values["faults"] = tuple(
                fault if isinstance(fault, Fault) else Fault.read(fault)
                for fault in values["faults"]
            )
        if "models" in values:
            values["models"] = tuple(values["models"])
        for name in ("ledger", "truth"):
            if values.get(name) is not None:
                values[name] = Path(values[name])
        if values.get("credit_usd") is not None:
            values["credit_usd"] = _dollars(values["credit_usd"])
        return replace(self, **values)


def _dollars(value: object) -> Decimal:
    try:
        return Decimal(str(value))
    except InvalidOperation:
        raise ValueError(f"credit_usd must be an amount in dollars, not {value!r}") from None


def load(path: Path) -> Settings:
    """Read the settings from a ``.toml`` or ``.json`` file with the same names."""
    parse = tomllib.loads if path.suffix == ".toml" else json.loads
    return Settings().changed(parse(path.read_text("utf-8")))
