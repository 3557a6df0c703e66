"""Random events of a job: runs over a changing input, retries, kills and signals."""

import signal
from dataclasses import dataclass

from edits import EDITS, Edit
from hypothesis import strategies as st
from lifecycle_job import NO_INTERRUPTION, Interruption


@dataclass(frozen=True)
class Run:
    """A run after edits of the input and the job; with ``again`` it runs a second time."""

    edits: list[tuple[Edit, int]]
    change: tuple[str, str] | None
    seed: int
    interruption: Interruption
    again: bool


@dataclass(frozen=True)
class Retry:
    """A retry, perhaps with other request settings."""

    options: tuple[str, ...]
    seed: int
    interruption: Interruption


Event = Run | Retry


@dataclass(frozen=True)
class Scenario:
    """The initial input of a job, and the events that follow."""

    has_ids: bool
    rows: int
    events: list[Event]


def scenarios(fewest: int, most: int) -> st.SearchStrategy[Scenario]:
    """Generate scenarios with ``fewest`` to ``most`` events."""
    events = st.lists(_RUNS | _RUNS | _RETRIES, min_size=fewest, max_size=most)
    return st.builds(Scenario, st.booleans(), st.integers(5, 12), events)


_SEEDS = st.integers(0, 999)
_NUMBERS = st.integers(1, 10)
_MOMENTS = st.sampled_from(["call", "before commit", "after commit"])
_KILLS = st.tuples(_MOMENTS, _NUMBERS, st.just(int(signal.SIGKILL)))
_STOPS = st.tuples(st.just("call"), _NUMBERS, st.just(int(signal.SIGTERM)))
_INTERRUPTIONS = st.just(NO_INTERRUPTION) | st.just(NO_INTERRUPTION) | _KILLS | _STOPS
_CHANGES = st.tuples(st.sampled_from("123"), st.sampled_from(["redo", "keep"]))
_RUNS = st.builds(
    Run,
    edits=st.lists(st.tuples(st.sampled_from(EDITS), st.integers(0, 24)), max_size=4),
    change=st.none() | st.none() | _CHANGES,
    seed=_SEEDS,
    interruption=_INTERRUPTIONS,
    again=st.booleans(),
)
_RETRIES = st.builds(
    Retry,
    options=st.sampled_from([(), ("--set", "request.max_tokens=60")]),
    seed=_SEEDS,
    interruption=_INTERRUPTIONS,
)
