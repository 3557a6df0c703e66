"""Every entry is written once while it lives; no request waits without a writer."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from batcher.core.cache.entries import _MAX_ENTRIES, CacheEntries, Follow, Lead, Wait

A, B, C = b"a", b"b", b"c"


def led(entries: CacheEntries, *prefixes: bytes, at: float = 0.0) -> Lead:
    """Decide for a request that leads, and succeed."""
    decision = entries.decide(prefixes, at)
    assert isinstance(decision, Lead), decision
    entries.on_response_started(decision, at)
    return decision


def followed(entries: CacheEntries, *prefixes: bytes, at: float = 0.0) -> Follow:
    """Decide for a request that follows, and succeed."""
    decision = entries.decide(prefixes, at)
    assert isinstance(decision, Follow), decision
    entries.on_response_started(decision, at)
    return decision


def test_one_request_leads_the_others_wait_and_then_follow() -> None:
    """The entry can be read only once the response has started."""
    entries = CacheEntries()
    decision = entries.decide((A,), 0.0)
    assert decision == Lead((A,), "5m")
    assert entries.decide((A,), 1.0) == Wait(A)
    entries.on_response_started(decision, 0.0)
    assert entries.decide((A,), 2.0) == Follow(A, "5m")


def test_after_a_failed_lead_the_next_request_leads() -> None:
    """The failed request has written nothing."""
    entries = CacheEntries()
    decision = entries.decide((A,), 0.0)
    assert isinstance(decision, Lead)
    entries.on_failure(decision)
    assert entries.decide((A,), 1.0) == Lead((A,), "5m")


def test_a_failure_keeps_living_entries() -> None:
    """A lead for the longer prefix only does not change the shorter entry."""
    entries = CacheEntries()
    led(entries, A)
    decision = entries.decide((A, B), 1.0)
    assert decision == Lead((B,), "5m", read=A)
    entries.on_failure(decision)
    assert entries.decide((A,), 2.0) == Follow(A, "5m")


def test_the_first_request_leads_for_both_levels() -> None:
    """Others wait for the shorter prefix, then lead for their own longer ones in parallel."""
    entries = CacheEntries()
    decision = entries.decide((A, B), 0.0)
    assert decision == Lead((A, B), "5m")
    assert entries.decide((A, B), 1.0) == Wait(A)
    assert entries.decide((A, C), 1.0) == Wait(A)
    entries.on_response_started(decision, 0.0)
    assert entries.decide((A, C), 2.0) == Lead((C,), "5m", read=A)
    assert entries.decide((A, C), 2.0) == Wait(C)
    assert entries.decide((A, B), 2.0) == Follow(B, "5m")


def test_a_lifetime_counts_from_the_start_of_the_last_request() -> None:
    """Writes and reads renew it; the end of a response does not."""
    entries = CacheEntries("5m")
    led(entries, A, at=0.0)
    decision = entries.decide((A,), 270.0)
    assert decision == Follow(A, "5m")
    entries.on_response_started(decision, 280.0)
    assert entries.decide((A,), 560.0) == Follow(A, "5m")
    assert isinstance(entries.decide((A,), 580.0), Lead)


def test_a_read_of_the_longer_entry_does_not_renew_the_shorter() -> None:
    """The API reads only the longest entry."""
    entries = CacheEntries("5m")
    led(entries, A, B)
    followed(entries, A, B, at=200.0)
    assert entries.decide((A, B), 400.0) == Follow(B, "5m")
    assert isinstance(entries.decide((A,), 400.0), Lead)


def test_an_entry_that_expired_too_soon_is_written_for_an_hour() -> None:
    """An hour would have saved the second write; after more than an hour it would not."""
    entries = CacheEntries()
    assert led(entries, A, at=0.0).ttl == "5m"
    assert led(entries, A, at=1_000.0).ttl == "1h"
    assert entries.decide((A,), 4_000.0) == Follow(A, "1h")
    assert led(entries, A, at=10_000.0).ttl == "5m"


def test_the_lifetime_of_the_job_is_kept() -> None:
    """The job's ttl is used for every write."""
    for ttl in ("5m", "1h"):
        entries = CacheEntries(ttl)
        assert led(entries, A).ttl == ttl
        assert led(entries, A, at=3_595.0).ttl == ttl


def test_memory_is_bounded() -> None:
    """The entries unused for longest are forgotten; an entry being written is not."""
    entries = CacheEntries()
    assert entries.decide((A,), 0.0) == Lead((A,), "5m")
    for number in range(_MAX_ENTRIES + 100):
        led(entries, number.to_bytes(16, "big"), at=1.0)
    assert len(entries) == _MAX_ENTRIES
    assert entries.decide((A,), 2.0) == Wait(A)
    assert isinstance(entries.decide(((0).to_bytes(16, "big"),), 2.0), Lead)


def test_a_slow_response_does_not_change_an_entry_that_is_written_again() -> None:
    """A read of the old entry makes the new one neither ready nor younger."""
    entries = CacheEntries()
    led(entries, A)
    slow = entries.decide((A,), 0.0)
    assert isinstance(slow, Follow)
    assert isinstance(entries.decide((A,), 295.0), Lead)
    entries.on_response_started(slow, 0.0)
    assert entries.decide((A,), 296.0) == Wait(A)


class Attempts(RuleBasedStateMachine):
    """Attempts that start, succeed and fail in any order, against an exact model of the server."""

    def __init__(self) -> None:
        super().__init__()
        self.entries = CacheEntries("5m")
        self.now = 0.0
        self.in_flight: list[tuple[Lead | Follow, float]] = []
        self.used: dict[bytes, float] = {}

    @rule(prefixes=st.sampled_from([(A,), (A, B), (A, C), (B,)]))
    def decide(self, prefixes: tuple[bytes, ...]) -> None:
        """A request that follows finds its entry at the server; a request that waits has a lead."""
        decision = self.entries.decide(prefixes, self.now)
        leads = {
            name
            for earlier, _ in self.in_flight
            if isinstance(earlier, Lead)
            for name in earlier.names
        }
        if isinstance(decision, Wait):
            assert decision.name in leads
            assert decision.name in prefixes
            return
        if isinstance(decision, Follow):
            assert decision.name == prefixes[-1]
            assert self.now < self.used[decision.name] + 300.0
        else:
            assert decision.names
            assert not leads & set(decision.names)
            assert set(decision.names) <= set(prefixes)
        self.in_flight.append((decision, self.now))

    @rule(seconds=st.sampled_from([1.0, 100.0, 295.0, 301.0]))
    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds

    @rule(data=st.data(), succeeds=st.booleans())
    def complete(self, data: st.DataObject, succeeds: bool) -> None:
        """Let a response start, or an attempt fail."""
        if not self.in_flight:
            return
        decision, started = self.in_flight.pop(data.draw(st.integers(0, len(self.in_flight) - 1)))
        if not succeeds:
            self.entries.on_failure(decision)
            return
        self.entries.on_response_started(decision, started)
        used = [decision.name] if isinstance(decision, Follow) else [*decision.names, decision.read]
        for name in filter(None, used):
            self.used[name] = max(self.used.get(name, 0.0), started)

    @invariant()
    def no_request_waits_when_none_is_in_flight(self) -> None:
        """Check that no entry is being written then, so that every wait ends."""
        if not self.in_flight:
            for prefixes in ((A,), (A, B), (A, C), (B,)):
                for name in prefixes:
                    entry = self.entries._entries.get(name)
                    assert entry is None or entry.is_ready


TestAttempts = Attempts.TestCase
TestAttempts.settings = settings(max_examples=300, stateful_step_count=30, deadline=None)


def test_a_lead_renews_the_shorter_entry_that_it_reads() -> None:
    """A system prompt that only leads read is kept as long as there are new documents."""
    entries = CacheEntries()
    decision = entries.decide((A, B), 0.0)
    entries.on_response_started(decision, 0.0)
    for number in range(1, 60):
        now = 20.0 * number
        decision = entries.decide((A, b"document %d" % number), now)
        assert decision == Lead((b"document %d" % number,), "5m", read=A)
        entries.on_response_started(decision, now)
