"""The settings of a simulator: from code, a TOML or JSON file, or the command line."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from batcher.simulator.faults.fault import Fault

UNLIMITED = 1_000_000_000
_RATES = ("refusal_rate", "invalid_rate", "careless_rate", "variety_rate", "right_rate")
MAX_BODY_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of a simulator.

    - ``latency`` scales all waiting times. 0 responds at once. 1 takes about ``ttft_s`` seconds to
      the first token, then writes ``tokens_per_s``.
    - The limits per minute hold for each group of models; ``burst`` is the share of such a limit
      that can be used at once.
    - ``refusal_rate``, ``invalid_rate``, ``careless_rate``, ``variety_rate`` and ``right_rate`` are
      the rates of ``Behaviour``. ``truth`` is the file of its answer key (see ``AnswerKey``).
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
    refusal_rate: float = 0.0
    invalid_rate: float = 0.0
    careless_rate: float = 0.0
    variety_rate: float = 0.0
    right_rate: float = 1.0
    truth: Path | None = None
    faults: tuple[Fault, ...] = ()
    bad_key_prefix: str = "bad"
    models: tuple[str, ...] = ()
    max_body_bytes: int = MAX_BODY_BYTES
    organization_id: str = "5bd2e2a4-0000-4000-8000-51a1ab0a7e00"
    ledger: Path | None = None
    keep_requests: bool = False

    def __post_init__(self) -> None:
        for name in ("requests", "input_tokens", "output_tokens"):
            if getattr(self, f"{name}_per_minute") < 1:
                raise ValueError(f"{name}_per_minute must be at least 1")
        for name in ("latency", "ttft_s"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative")
        for name in ("tokens_per_s", "burst"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive")
        for name in _RATES:
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be between 0 and 1")

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
        return replace(self, **values)


def load(path: Path) -> Settings:
    """Read the settings from a ``.toml`` or ``.json`` file with the same names."""
    parse = tomllib.loads if path.suffix == ".toml" else json.loads
    return Settings().changed(parse(path.read_text("utf-8")))
