"""The intervals contain the real cost as often as they promise, for jobs of many shapes."""

import pytest
from calibration import Estimated, estimate_job, holds, share
from own_estimates import estimate, pilot_of

from jobs import draw_job, totals

JOBS = 80
SEED = 11


@pytest.fixture(scope="module")
def found() -> list[Estimated]:
    """Return jobs, each estimated with every method."""
    return [estimate_job(draw_job(number, SEED, rows=3_000)) for number in range(JOBS)]


def test_nine_of_ten_intervals_with_a_pilot_contain_the_cost(found: list[Estimated]) -> None:
    """Between 82 and 98 % of 80 jobs: 90 % plus or minus two and a half standard errors."""
    assert 0.82 <= share(holds(result.with_pilot, result.actual) for result in found) <= 0.98


def test_the_intervals_hold_for_every_kind_of_job(found: list[Estimated]) -> None:
    """Cached jobs, foreign instructions, long tails and labels: none is far below 90 %."""
    kinds = {
        "cached": [result for result in found if result.job.shape.is_cached],
        "foreign": [result for result in found if result.job.shape.is_foreign],
        "heavy text": [result for result in found if result.job.shape.kind == "heavy text"],
        "label": [result for result in found if result.job.shape.kind == "label"],
    }
    for name, results in kinds.items():
        assert len(results) >= 12, name
        assert share(holds(result.with_pilot, result.actual) for result in results) >= 0.75, name


def test_intervals_without_a_pilot_contain_the_cost(found: list[Estimated]) -> None:
    """At least 85 % of them, although they use no answers."""
    assert share(holds(result.without_pilot, result.actual) for result in found) >= 0.85


def test_a_pilot_is_worth_its_price(found: list[Estimated]) -> None:
    """Its intervals are much narrower, and its estimates closer than those of other methods."""
    narrower = [
        (result.with_pilot.high - result.with_pilot.low)
        < (result.without_pilot.high - result.without_pilot.low) / 2
        for result in found
    ]
    assert share(narrower) >= 0.9
    for name in found[0].others:
        nearer = [
            abs(result.with_pilot.expected - result.actual) / result.actual < result.others[name]
            for result in found
        ]
        assert share(nearer) >= 0.9, name


@pytest.mark.slow
def test_a_pilot_of_200_knows_20_000_rows_to_a_few_percent() -> None:
    """The median half-width is at most 5 % of the cost, plus 1 % for chance with 21 jobs."""
    widths = sorted(
        estimate_job(draw_job(number, SEED + 1, rows=20_000, pilot=200)).half_width
        for number in range(21)
    )
    assert widths[10] <= 0.06


def test_a_pilot_sends_rows_of_all_lengths() -> None:
    """Equally many rows from each fifth by length, and no row twice."""
    job = draw_job(3, SEED, rows=1_000, pilot=50)
    drawn = pilot_of(job)
    assert len(set(drawn)) == 50
    order = sorted(range(1_000), key=lambda index: job.rows[index].predicted)
    fifth = {index: place // 200 for place, index in enumerate(order)}
    assert sorted(fifth[index] for index in drawn) == sorted([*range(5)] * 10)


def test_answered_rows_are_not_estimated() -> None:
    """With a pilot of all rows the estimate is the cost."""
    job = draw_job(5, SEED, rows=1_000, pilot=1_000)
    spread, spent = estimate(job, with_pilot=True)
    assert spread.expected == pytest.approx(totals(job.rows)["usd"])
    assert spread.low == spread.high == pytest.approx(spent)
