"""A primed batch never costs more than one without marks; a lost write costs little."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.core.batches.durations import Durations
from batcher.core.batches.priming import (
    PRIMED_READS,
    Marks,
    PrimedPrefix,
    marks,
    pays,
    saving_usd,
)
from batcher.core.money.rates import Rates

PRIOR = Durations()
QUICK = Durations.learnt([(10_000, 300.0)] * 10)
SLOW = Durations.learnt([(10_000, 20_000.0)] * 20)
LIFE_S = 3_600.0
CANCEL_S = 240.0  # the longest time from a cancel until no further item begins


def rates(read: str = "0.1", write: str = "2", price: str = "1.5") -> Rates:
    """Return batch rates; read and write are multiples of the input's price."""
    per = Decimal(price)
    return Rates(per, 5 * per, per * Decimal("1.25"), per * Decimal(write), per * Decimal(read))


@pytest.mark.parametrize("requests", [2, 3, 11])
def test_few_requests_are_not_primed(requests: int) -> None:
    """A write that costs a tenth of what it may save is not worth its risk and the wait."""
    assert marks(PrimedPrefix(requests), rates(), QUICK, 10_000, 0.0) is Marks.NONE


@pytest.mark.parametrize("requests", [13, 100, 250_000])
@pytest.mark.parametrize("read", ["0.1", "0.05", "0.025"])
def test_many_requests_are_primed_then_follow(requests: int, read: str) -> None:
    """One is sent alone; once it has written, the others follow; later, it is primed again."""
    prefix = PrimedPrefix(requests)
    assert marks(prefix, rates(read), QUICK, 10_000, 50.0) is Marks.PRIME
    written = PrimedPrefix(requests, used_after_s=50.0)
    assert marks(written, rates(read), QUICK, 10_000, 200.0) is Marks.FOLLOW
    assert marks(written, rates(read), QUICK, 10_000, 50.0 + LIFE_S) is Marks.PRIME
    failed = PrimedPrefix(requests, used_after_s=50.0, has_failed=True)
    assert marks(failed, rates(read), QUICK, 10_000, 200.0) is Marks.NONE


def test_slow_batches_have_no_marks() -> None:
    """Where batches take hours, an entry of one hour is written in vain."""
    assert marks(PrimedPrefix(10_000), rates(), SLOW, 10_000, 0.0) is Marks.NONE
    assert marks(PrimedPrefix(10_000), rates(), PRIOR, 10_000, 0.0) is Marks.PRIME


@pytest.mark.parametrize(("read", "write"), [("1", "2"), ("1", "1"), ("2", "1"), ("0.9", "50")])
def test_prices_that_save_nothing_have_no_marks(read: str, write: str) -> None:
    """Where reads are not cheaper, or a write costs too much, nothing is primed."""
    assert marks(PrimedPrefix(400), rates(read, write), QUICK, 10_000, 0.0) is Marks.NONE


def test_marks_that_are_not_read_are_given_up() -> None:
    """A batch that wrote where it should have read has not paid."""
    assert pays(0, 0, rates())
    assert pays(95, 5, rates())
    assert pays(53, 47, rates())
    assert not pays(52, 48, rates())
    assert not pays(0, 1, rates())


@given(
    st.floats(500, 1e6),
    st.integers(1, 100_000),
    st.sampled_from(["0.1", "0.05", "0.025"]),
    st.floats(0.95, 1.0),
)
def test_what_is_primed_saves(tokens: float, requests: int, read: str, reads: float) -> None:
    """With the reads that are promised, every prefix that is primed saves money."""
    if marks(PrimedPrefix(requests), rates(read), QUICK, 10_000, 0.0) is Marks.PRIME:
        assert saving_usd(tokens, requests, rates(read), reads) > 0


PREFIX = st.tuples(st.integers(100, 200_000), st.integers(1, 5_000))


@given(st.lists(PREFIX, min_size=1, max_size=8), st.sampled_from(["0.1", "0.05", "0.025"]))
def test_a_job_reads_what_it_has_primed(prefixes: list[tuple[int, int]], read: str) -> None:
    """Any prefixes of any length and share: the job costs at most the same, and reads are reads.

    A prefix below the model's minimum is marked in vain in the batch that primes, and only there.
    """
    price, least = rates(read), 1_024
    cost = plain = reads = writes = 0.0
    for tokens, requests in prefixes:
        plain += tokens * requests * float(price.input)
        cost += tokens * requests * float(price.input)
        if marks(PrimedPrefix(requests), price, QUICK, 10_000, 0.0) is not Marks.PRIME:
            continue
        written = tokens if tokens >= least else 0
        cost += written * float(price.cache_write_1h - price.input)
        if written:
            rest = PrimedPrefix(requests - 1, used_after_s=0.0)
            assert marks(rest, price, QUICK, 10_000, 100.0) is Marks.FOLLOW
            cost -= tokens * (requests - 1) * float(price.input - price.cache_read)
            reads += tokens * (requests - 1)
            writes += tokens
    assert cost <= plain * (1 + 1e-12)
    assert reads >= 11 * writes


def entry_costs(begins: list[float], written_at: float) -> tuple[int, int]:
    """Return how many items read an entry that was written, and how many write it, by the API.

    Items that begin while the entry is not alive write it, each for itself within its own time.
    """
    used_at, reads, writes = written_at, 0, 0
    for at in sorted(begins):
        if at < used_at + LIFE_S:
            reads += 1
        else:
            writes += 1
        used_at = max(used_at, at)
    return reads, writes


@given(
    st.floats(0, 4_000),
    st.integers(13, 400),
    st.sampled_from(["0.1", "0.05", "0.025"]),
    st.tuples(st.floats(0, 8_000), st.floats(0, 8_000)),
    st.floats(0, CANCEL_S),
    st.floats(0, 1),
)
def test_a_marked_batch_never_costs_more(
    primed_for_s: float,
    requests: int,
    read: str,
    following: tuple[float, float],
    cancel_s: float,
    begun: float,
) -> None:
    """Whenever the items begin: those with marks read, and those that would not are cancelled.

    The batch that primes is created at 0 and its request begins at any time before its end; the
    batch that follows is created then, and cancelled when the entry may expire. What is cancelled
    is sent again without marks.
    """
    price = rates(read)
    begins_s, lasts_s = following
    prefix = PrimedPrefix(requests - 1, used_after_s=0.0)
    follows = marks(prefix, price, QUICK, 10_000, primed_for_s) is Marks.FOLLOW
    begins: list[float] = []
    if follows:
        starts = [primed_for_s + begins_s + lasts_s * i / requests for i in range(requests - 1)]
        assert prefix.use_by_s is not None
        begins = [at for at in starts if at < prefix.use_by_s + cancel_s]
    reads, writes = entry_costs(begins, primed_for_s * begun)
    plain = requests - 1 - len(begins)
    marked_cost = float(price.cache_read) * reads + float(price.cache_write_1h) * writes
    assert writes == 0
    assert marked_cost <= float(price.input) * len(begins)
    total = float(price.cache_write_1h) + marked_cost + float(price.input) * plain
    unmarked = float(price.input) * requests
    assert total <= unmarked + float(price.cache_write_1h - price.input)
    if reads >= 2:
        assert total <= unmarked


@given(st.integers(13, 100_000), st.sampled_from(["0.1", "0.05", "0.025"]))
def test_a_write_in_vain_costs_a_tenth_of_what_it_was_to_save(requests: int, read: str) -> None:
    """The only loss is the surcharge of one write, which is small beside the saving."""
    price = rates(read)
    if marks(PrimedPrefix(requests), price, QUICK, 10_000, 0.0) is Marks.PRIME:
        lost = float(price.cache_write_1h - price.input) / 1e6
        assert saving_usd(1.0, requests, price, PRIMED_READS) >= 9 * lost * 0.999
