"""What may happen to a job: runs over inputs that change, retries, kills and signals between."""

import signal
from dataclasses import dataclass

from edits import EDITS, Edit
from hypothesis import strategies as st
from lives import NO_DOOM, Doom


@dataclass(frozen=True)
class Run:
    """A run, over what became of the input and of the job; ``again`` is one more if it can be."""

    edits: list[tuple[Edit, int]]
    change: tuple[str, str] | None
    seed: int
    doom: Doom
    again: bool


@dataclass(frozen=True)
class Retry:
    """A retry, perhaps in another form."""

    form: tuple[str, ...]
    seed: int
    doom: Doom


Event = Run | Retry


@dataclass(frozen=True)
class Life:
    """How a job begins, and what happens to it."""

    has_ids: bool
    rows: int
    events: list[Event]


def lives(fewest: int, most: int) -> st.SearchStrategy[Life]:
    """Generate histories with the given number of events."""
    events = st.lists(_RUNS | _RUNS | _RETRIES, min_size=fewest, max_size=most)
    return st.builds(Life, st.booleans(), st.integers(5, 12), events)


_SEEDS = st.integers(0, 999)
_NUMBERS = st.integers(1, 10)
_MOMENTS = st.sampled_from(["call", "before commit", "after commit"])
_KILLS = st.tuples(_MOMENTS, _NUMBERS, st.just(int(signal.SIGKILL)))
_STOPS = st.tuples(st.just("call"), _NUMBERS, st.just(int(signal.SIGTERM)))
_DOOMS = st.just(NO_DOOM) | st.just(NO_DOOM) | _KILLS | _STOPS
_CHANGES = st.tuples(st.sampled_from("123"), st.sampled_from(["redo", "keep"]))
_RUNS = st.builds(
    Run,
    edits=st.lists(st.tuples(st.sampled_from(EDITS), st.integers(0, 24)), max_size=4),
    change=st.none() | st.none() | _CHANGES,
    seed=_SEEDS,
    doom=_DOOMS,
    again=st.booleans(),
)
_RETRIES = st.builds(
    Retry,
    form=st.sampled_from([(), ("--set", "request.max_tokens=60")]),
    seed=_SEEDS,
    doom=_DOOMS,
)
