"""Decides which fault hits a request, from the seed, the body and its earlier faults."""

from collections import Counter
from collections.abc import Sequence

from batcher.simulator.faults.fault import BATCH_ENDPOINTS, BATCHES, Fault
from batcher.simulator.model.seeded_random import SeededRandom


class Schedule:
    """The fault rules and what they have hit so far; the first rule that applies wins.

    It remembers only the bodies that were hit, so memory grows with the faults, not with the
    requests.
    """

    def __init__(self, faults: Sequence[Fault], seed: int) -> None:
        self._faults = tuple(faults)
        self._seed = seed
        self._received = 0
        self._hits: Counter[int] = Counter()
        self._hits_of_body: Counter[tuple[int, str]] = Counter()

    @classmethod
    def of(
        cls, faults: Sequence[Fault], seed: int, place: str, *, is_early: bool = False
    ) -> "Schedule":
        """Return the rules for one place, which count the requests there."""
        chosen = [fault for fault in faults if fault.on == place and fault.is_early == is_early]
        return cls(chosen, seed)

    @property
    def has_faults(self) -> bool:
        """Whether there is any rule."""
        return bool(self._faults)

    def next(self, key: str, body: bytes) -> Fault | None:
        """Count a request and return the fault that hits it, if any."""
        number = self._received
        self._received += 1
        for rule, fault in enumerate(self._faults):
            if self._applies(rule, fault, number, key, body):
                self._hits[rule] += 1
                self._hits_of_body[rule, key] += 1
                return fault
        return None

    def _applies(self, rule: int, fault: Fault, number: int, key: str, body: bytes) -> bool:
        position = number - fault.after_n
        if position < 0 or position % fault.every_n:
            return False
        if fault.first_n is not None and position >= fault.first_n:
            return False
        if fault.times is not None and self._hits[rule] >= fault.times:
            return False
        if fault.match.encode() not in body:
            return False
        hits = self._hits_of_body.get((rule, key), 0)
        if fault.attempts is not None and hits >= fault.attempts:
            return False
        if fault.rate == 1:
            return True
        return SeededRandom(self._seed, "fault", str(rule), key, str(hits)).chance(fault.rate)


class BatchFaults:
    """The rules for each batch endpoint, and those for all of them."""

    def __init__(self, faults: Sequence[Fault], seed: int) -> None:
        self._schedules = {
            place: Schedule.of(faults, seed, place) for place in (*BATCH_ENDPOINTS, BATCHES)
        }
        self.reads_bodies = any(fault.match for fault in faults if fault.on in ("create", BATCHES))

    def hits(self, endpoint: str) -> bool:
        """Whether any rule can hit the endpoint."""
        return self._schedules[endpoint].has_faults or self._schedules[BATCHES].has_faults

    def next(self, endpoint: str, key: str, text: bytes) -> Fault | None:
        """Count a request and return the fault that hits it, if any."""
        own = self._schedules[endpoint].next(key, text)
        general = self._schedules[BATCHES].next(key, text)
        return own or general
