"""A flipped bit or a truncation is detected or harmless: no row is silently wrong."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from damage_cases import build_output, run_cases, summary
from damaging import build


@pytest.fixture(scope="module")
def undamaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with its log and output, undamaged."""
    folder = tmp_path_factory.mktemp("damage") / "whole"
    build(folder)
    build_output(folder)
    return folder


def check(counts: Counter[tuple[str, str, str]], cases: int) -> None:
    """Check that all cases ran, most damage was detected, and no row is silently wrong."""
    print(summary(counts))
    verdicts = Counter[str]()
    for (_, _, verdict), number in counts.items():
        verdicts[verdict] += number
    assert verdicts.total() == cases
    assert not verdicts["SILENTLY WRONG"]
    assert verdicts["detected"] > cases / 2


@pytest.mark.parametrize("cases", [45, pytest.param(200, marks=pytest.mark.slow)])
def test_damages(cases: int, undamaged: Path) -> None:
    """Damage in the checkpoint, the log and the output is detected or harmless."""
    check(run_cases(undamaged, range(cases)), cases)


@pytest.mark.slow
@pytest.mark.crash
@pytest.mark.timeout(7200)
def test_ten_thousand_damages(undamaged: Path) -> None:
    """The same for 10,000 cases, on two processors; the table is printed with -s."""
    with ThreadPoolExecutor(2) as pool:
        halves = pool.map(
            lambda seeds: run_cases(undamaged, seeds), [range(5000), range(5000, 10000)]
        )
        check(sum(halves, Counter()), 10_000)
