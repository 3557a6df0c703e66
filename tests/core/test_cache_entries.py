"""Every entry is written once while it lives, and nobody waits for what nobody is writing."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from batcher.core.cache.entries import _MOST_REMEMBERED, CacheEntries, Follow, Lead, Wait

A, B, C = b"a", b"b", b"c"


def led(warmth: CacheEntries, *prefixes: bytes, at: float = 0.0) -> Lead:
    """Lead to some prefixes and succeed."""
    said = warmth.ask(prefixes, at)
    assert isinstance(said, Lead), said
    warmth.begun(said, at)
    return said


def followed(warmth: CacheEntries, *prefixes: bytes, at: float = 0.0) -> Follow:
    """Read and have an answer."""
    said = warmth.ask(prefixes, at)
    assert isinstance(said, Follow), said
    warmth.begun(said, at)
    return said


def test_one_leads_the_others_wait_and_then_follow() -> None:
    """The entry can be read only once the answer has begun."""
    warmth = CacheEntries()
    said = warmth.ask((A,), 0.0)
    assert said == Lead((A,), "5m")
    assert warmth.ask((A,), 1.0) == Wait(A)
    warmth.begun(said, 0.0)
    assert warmth.ask((A,), 2.0) == Follow(A, "5m")


def test_a_leader_that_failed_leaves_the_lead_to_the_next() -> None:
    """Nothing was written."""
    warmth = CacheEntries()
    said = warmth.ask((A,), 0.0)
    assert isinstance(said, Lead)
    warmth.failed(said)
    assert warmth.ask((A,), 1.0) == Lead((A,), "5m")


def test_a_failure_takes_nothing_from_what_lives() -> None:
    """A request that led to the longer prefix only says nothing of the shorter one."""
    warmth = CacheEntries()
    led(warmth, A)
    said = warmth.ask((A, B), 1.0)
    assert said == Lead((B,), "5m", read=A)
    warmth.failed(said)
    assert warmth.ask((A,), 2.0) == Follow(A, "5m")


def test_the_first_of_all_leads_to_both_levels() -> None:
    """Others wait for the shorter prefix, then lead to their own longer ones beside each other."""
    warmth = CacheEntries()
    said = warmth.ask((A, B), 0.0)
    assert said == Lead((A, B), "5m")
    assert warmth.ask((A, B), 1.0) == Wait(A)
    assert warmth.ask((A, C), 1.0) == Wait(A)
    warmth.begun(said, 0.0)
    assert warmth.ask((A, C), 2.0) == Lead((C,), "5m", read=A)
    assert warmth.ask((A, C), 2.0) == Wait(C)
    assert warmth.ask((A, B), 2.0) == Follow(B, "5m")


def test_a_lifetime_counts_from_the_start_of_the_last_request() -> None:
    """Writes and reads renew it; the end of an answer does not."""
    warmth = CacheEntries("5m")
    led(warmth, A, at=0.0)
    said = warmth.ask((A,), 270.0)
    assert said == Follow(A, "5m")
    warmth.begun(said, 280.0)
    assert warmth.ask((A,), 560.0) == Follow(A, "5m")
    assert isinstance(warmth.ask((A,), 580.0), Lead)


def test_the_longer_read_renews_only_the_longer_entry() -> None:
    """The API looks for the longest hit."""
    warmth = CacheEntries("5m")
    led(warmth, A, B)
    followed(warmth, A, B, at=200.0)
    assert warmth.ask((A, B), 400.0) == Follow(B, "5m")
    assert isinstance(warmth.ask((A,), 400.0), Lead)


def test_what_comes_back_too_late_is_written_for_an_hour() -> None:
    """Within an hour that would have saved a write; after more than an hour not even that."""
    warmth = CacheEntries()
    assert led(warmth, A, at=0.0).ttl == "5m"
    assert led(warmth, A, at=1_000.0).ttl == "1h"
    assert warmth.ask((A,), 4_000.0) == Follow(A, "1h")
    assert led(warmth, A, at=10_000.0).ttl == "5m"


def test_the_lifetime_that_the_job_sets_stays() -> None:
    """Whatever the pace."""
    for ttl in ("5m", "1h"):
        warmth = CacheEntries(ttl)
        assert led(warmth, A).ttl == ttl
        assert led(warmth, A, at=3_595.0).ttl == ttl


def test_memory_is_bounded() -> None:
    """The prefixes that were unused for longest are forgotten; one being written is not."""
    warmth = CacheEntries()
    assert warmth.ask((A,), 0.0) == Lead((A,), "5m")
    for number in range(_MOST_REMEMBERED + 100):
        led(warmth, number.to_bytes(16, "big"), at=1.0)
    assert len(warmth) == _MOST_REMEMBERED
    assert warmth.ask((A,), 2.0) == Wait(A)
    assert isinstance(warmth.ask(((0).to_bytes(16, "big"),), 2.0), Lead)


def test_a_slow_answer_says_nothing_of_an_entry_written_anew() -> None:
    """Who read the old one long ago makes the new one neither ready nor younger."""
    warmth = CacheEntries()
    led(warmth, A)
    slow = warmth.ask((A,), 0.0)
    assert isinstance(slow, Follow)
    assert isinstance(warmth.ask((A,), 295.0), Lead)
    warmth.begun(slow, 0.0)
    assert warmth.ask((A,), 296.0) == Wait(A)


class Attempts(RuleBasedStateMachine):
    """Attempts that ask, begin and fail in any order, against a server that remembers exactly."""

    def __init__(self) -> None:
        super().__init__()
        self.warmth = CacheEntries("5m")
        self.now = 0.0
        self.flying: list[tuple[Lead | Follow, float]] = []
        self.used: dict[bytes, float] = {}

    @rule(prefixes=st.sampled_from([(A,), (A, B), (A, C), (B,)]))
    def ask(self, prefixes: tuple[bytes, ...]) -> None:
        """Whoever follows finds the entry at the server; whoever waits does so for a leader."""
        said = self.warmth.ask(prefixes, self.now)
        leads = {
            name for other, _ in self.flying if isinstance(other, Lead) for name in other.names
        }
        if isinstance(said, Wait):
            assert said.name in leads
            assert said.name in prefixes
            return
        if isinstance(said, Follow):
            assert said.name == prefixes[-1]
            assert self.now < self.used[said.name] + 300.0
        else:
            assert said.names
            assert not leads & set(said.names)
            assert set(said.names) <= set(prefixes)
        self.flying.append((said, self.now))

    @rule(seconds=st.sampled_from([1.0, 100.0, 295.0, 301.0]))
    def wait(self, seconds: float) -> None:
        """Time goes by."""
        self.now += seconds

    @rule(data=st.data(), well=st.booleans())
    def come_back(self, data: st.DataObject, well: bool) -> None:
        """An answer begins, or an attempt fails."""
        if not self.flying:
            return
        said, started = self.flying.pop(data.draw(st.integers(0, len(self.flying) - 1)))
        if not well:
            self.warmth.failed(said)
            return
        self.warmth.begun(said, started)
        for name in said.names if isinstance(said, Lead) else (said.name,):
            self.used[name] = max(self.used.get(name, 0.0), started)

    @invariant()
    def nobody_waits_when_nobody_flies(self) -> None:
        """Every wait ends."""
        if not self.flying:
            for prefixes in ((A,), (A, B), (A, C), (B,)):
                for name in prefixes:
                    entry = self.warmth._entries.get(name)
                    assert entry is None or entry.is_ready


TestAttempts = Attempts.TestCase
TestAttempts.settings = settings(max_examples=300, stateful_step_count=30, deadline=None)


def test_who_leads_renews_the_shorter_entry_that_it_reads() -> None:
    """A system prompt that only leaders read lives on as long as there are new documents."""
    warmth = CacheEntries()
    said = warmth.ask((A, B), 0.0)
    warmth.begun(said, 0.0)
    for number in range(1, 60):
        now = 20.0 * number
        said = warmth.ask((A, b"document %d" % number), now)
        assert said == Lead((b"document %d" % number,), "5m", read=A)
        warmth.begun(said, now)
