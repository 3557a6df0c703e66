"""Power cuts after every call that wrote: what was acknowledged is there when the power is back."""

from collections.abc import Iterable

import pytest
from power_cut import Names
from replay import Story, Tally, killed, power_cuts, tally, undisturbed

pytestmark = pytest.mark.usefixtures("strace")


@pytest.fixture(scope="module")
def stories(tmp_path_factory: pytest.TempPathFactory) -> list[Story]:
    """A run that nothing disturbs, and one that takes four attempts."""
    home = tmp_path_factory.mktemp("told")
    return [undisturbed(home / "one"), killed(home / "killed")]


def shown(tallies: Iterable[Tally]) -> str:
    """A table for people."""
    lines = [
        "| what was done | names are kept | calls | states | kept | mended | lost or unopenable |",
        "|---|---|---|---|---|---|---|",
    ]
    for each in tallies:
        bad = each.states - each.endings["kept"] - each.endings["mended"]
        counts = (each.moments, each.states, each.endings["kept"], each.endings["mended"], bad)
        cells = [each.story, each.model.value, *(f"{count:,}" for count in counts)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def cut(stories: list[Story], draws: int, share: float) -> list[Tally]:
    """Cut the power in every story, on both kinds of disks."""
    return [
        tally(story, names, power_cuts(story, names, draws, share))
        for story in stories
        for names in Names
    ]


def hold(tallies: list[Tally]) -> None:
    """Print the table; nothing acknowledged is lost and nothing is beyond the doctor."""
    print(f"\n{shown(tallies)}")
    for each in tallies:
        assert set(each.endings) <= {"kept", "mended"}, "\n".join(each.failures)


@pytest.mark.parametrize("share", [0.002, pytest.param(0.01, marks=pytest.mark.slow)])
def test_nothing_acknowledged_is_lost_in_a_sample_of_power_cuts(
    share: float, stories: list[Story]
) -> None:
    """Some states of every story, on both kinds of disks: all there, or there after the doctor."""
    hold(cut(stories, draws=1, share=share))


@pytest.mark.crash
@pytest.mark.timeout(3600)
def test_nothing_acknowledged_is_lost_in_thousands_of_power_cuts(stories: list[Story]) -> None:
    """Every call of every story, on both kinds of disks, with many draws."""
    tallies = cut(stories, draws=2, share=1)
    hold(tallies)
    assert sum(each.states for each in tallies) >= 1_000


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sync", "names"),
    [("fsync", Names.STRICT), ("fdatasync", Names.ORDERED)],
    ids=["folder", "file"],
)
def test_a_sync_that_is_not_made_is_noticed(stories: list[Story], sync: str, names: Names) -> None:
    """Without the sync of the folder, or of the files, acknowledged commits get lost."""
    story = stories[0].without(sync)
    found = tally(story, names, power_cuts(story, names, 1, 0.02))
    assert found.endings["lost"] + found.endings["unopenable"] > 0, found.endings
