"""Power cuts after each writing system call: all acknowledged commits are there afterwards."""

from collections.abc import Iterable

import pytest
from power_cut import Names
from replay import Scenario, Tally, killed_runs, power_cuts, tally, undisturbed_run

pytestmark = pytest.mark.usefixtures("strace")


@pytest.fixture(scope="module")
def scenarios(tmp_path_factory: pytest.TempPathFactory) -> list[Scenario]:
    """An undisturbed run, and runs that are killed three times."""
    home = tmp_path_factory.mktemp("traces")
    return [undisturbed_run(home / "one"), killed_runs(home / "killed")]


def shown(tallies: Iterable[Tally]) -> str:
    """Return a Markdown table of the results."""
    lines = [
        "| scenario | names are kept | calls | states | kept | repaired | lost or unopenable |",
        "|---|---|---|---|---|---|---|",
    ]
    for each in tallies:
        bad = each.states - each.endings["kept"] - each.endings["repaired"]
        counts = (each.moments, each.states, each.endings["kept"], each.endings["repaired"], bad)
        cells = [each.scenario, each.model.value, *(f"{count:,}" for count in counts)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def cut_power(scenarios: list[Scenario], draws: int, share: float) -> list[Tally]:
    """Cut the power in each scenario, on both kinds of disks."""
    return [
        tally(scenario, names, power_cuts(scenario, names, draws, share))
        for scenario in scenarios
        for names in Names
    ]


def check(tallies: list[Tally]) -> None:
    """Print the table; check that no acknowledged commit is lost, at least after doctor."""
    print(f"\n{shown(tallies)}")
    for each in tallies:
        assert set(each.endings) <= {"kept", "repaired"}, "\n".join(each.failures)


@pytest.mark.slow
def test_nothing_acknowledged_is_lost_in_a_sample_of_power_cuts(scenarios: list[Scenario]) -> None:
    """In a sample of states all acknowledged commits are there, at least after doctor."""
    check(cut_power(scenarios, draws=1, share=0.01))


@pytest.mark.crash
@pytest.mark.timeout(3600)
def test_nothing_acknowledged_is_lost_in_thousands_of_power_cuts(scenarios: list[Scenario]) -> None:
    """After each call of each scenario, on both kinds of disks, they are there."""
    tallies = cut_power(scenarios, draws=2, share=1)
    check(tallies)
    assert sum(each.states for each in tallies) >= 1_000


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sync", "names"),
    [("fsync", Names.STRICT), ("fdatasync", Names.ORDERED)],
    ids=["folder", "file"],
)
def test_a_missing_sync_loses_commits(scenarios: list[Scenario], sync: str, names: Names) -> None:
    """Without the sync of the folder, or of the files, acknowledged commits are lost."""
    scenario = scenarios[0].without(sync)
    found = tally(scenario, names, power_cuts(scenario, names, 1, 0.02))
    assert found.endings["lost"] + found.endings["unopenable"] > 0, found.endings
