"""A flipped bit or a cut is noticed, or changes nothing: no row is ever silently wrong."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from damage_cases import build_output, run_cases, summary
from damaging import build


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with its log and output, undamaged."""
    folder = tmp_path_factory.mktemp("damage") / "whole"
    build(folder)
    build_output(folder)
    return folder


def hold(counted: Counter[tuple[str, str, str]], cases: int) -> None:
    """Every case was tried, most were noticed, and none is silently wrong."""
    print(summary(counted))
    verdicts = Counter[str]()
    for (_, _, verdict), number in counted.items():
        verdicts[verdict] += number
    assert verdicts.total() == cases
    assert not verdicts["SILENTLY WRONG"]
    assert verdicts["detected"] > cases / 2


@pytest.mark.parametrize("cases", [45, pytest.param(200, marks=pytest.mark.slow)])
def test_damages(cases: int, whole: Path) -> None:
    """Checkpoint, log and output by turns."""
    hold(run_cases(whole, range(cases)), cases)


@pytest.mark.slow
@pytest.mark.crash
@pytest.mark.timeout(7200)
def test_ten_thousand_damages(whole: Path) -> None:
    """The same, on two processors; the table is printed with -s."""
    with ThreadPoolExecutor(2) as pool:
        halves = pool.map(lambda seeds: run_cases(whole, seeds), [range(5000), range(5000, 10000)])
        hold(sum(halves, Counter()), 10_000)
