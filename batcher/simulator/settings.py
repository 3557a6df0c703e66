"""How a simulator is set up: in code, from a TOML or JSON file, or from the command line."""

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
    """Everything that decides how a simulator behaves.

    ``latency`` scales all waiting: 0 answers at once, 1 takes about ``ttft_s`` seconds to the
    first token and then writes ``tokens_per_s``. Limits are per minute and group of models;
    ``burst`` is the share of a minute's worth that may be used at once. ``models`` restricts
    what is offered. ``invalid_rate``, ``careless_rate``, ``variety_rate``, ``right_rate`` and
    ``truth`` are those of ``Mind``.
    ``keep_requests`` keeps an entry for each request in memory, for tests.
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
                raise ValueError(f"{name} must lie between 0 and 1")

    def changed(self, changes: Mapping[str, Any]) -> "Settings":
        """Copy with other values; ValueError names a key or a value that does not fit."""
        known = {field.name for field in fields(self)}
        unknown = sorted(set(changes) - known)
        if unknown:
            raise ValueError(
                f"unknown setting {unknown[0]!r}; known are {', '.join(sorted(known))}"
            )
        made = dict(changes)
        if "faults" in made:
            made["faults"] = tuple(
                fault if isinstance(fault, Fault) else Fault.read(fault) for fault in made["faults"]
            )
        if "models" in made:
            made["models"] = tuple(made["models"])
        for name in ("ledger", "truth"):
            if made.get(name) is not None:
                made[name] = Path(made[name])
        return replace(self, **made)


def load(path: Path) -> Settings:
    """Read a ``.toml`` or ``.json`` file that holds the fields at its top level."""
    data = path.read_bytes()
    read = tomllib.loads if path.suffix == ".toml" else json.loads
    return Settings().changed(read(data.decode()))
