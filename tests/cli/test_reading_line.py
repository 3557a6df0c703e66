"""The line that shows how far a pass over a long input is."""

import re
from pathlib import Path

import pytest
from commanding import Command, write_job

from batcher.cli import reading_line
from batcher.cli.reading_line import ReadingLine, reading


class Clock:
    """A clock that stands still until it is set."""

    now = 100.0

    def monotonic(self) -> float:
        """Return the time."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Return the clock of the line."""
    clock = Clock()
    monkeypatch.setattr(reading_line, "time", clock)
    return clock


def test_a_line_without_a_terminal_is_rare_and_logfmt(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first line comes after half a minute, and each phase counts from its own start."""
    line = ReadingLine(is_terminal=False)
    for now, phase, rows in ((0, "planning", 1), (29, "planning", 5), (31, "planning", 3_100)):
        clock.now = 100.0 + now
        line.show(phase, rows)
    for now, phase, rows in ((32, "planning", 3_300), (40, "writing", 9), (69, "writing", 99)):
        clock.now = 100.0 + now
        line.show(phase, rows)
    assert capsys.readouterr().err == "phase=planning rows_read=3100 rate=100\n"


def test_a_terminal_sees_a_line_within_half_a_second(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    """A short pass shows none; a long one is redrawn, and leaves nothing behind."""
    line = ReadingLine(is_terminal=True)
    line.show("planning", 1_024)
    assert capsys.readouterr().err == ""
    clock.now += 0.4
    line.show("planning", 40_000)
    line.end()
    shown = capsys.readouterr().err
    assert "planning  40,000 rows read, 100,000/s" in shown
    assert re.split(r"[\r\n]", shown)[-1].strip() == ""


def test_a_quiet_command_shows_no_line(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing but JSON is printed."""
    with reading(is_quiet=True) as rows_read:
        rows_read(1)
        clock.now += 100
        rows_read(2)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("words", [["check"], ["estimate", "--offline"], ["run", "--yes"]])
def test_each_command_that_plans_shows_it(
    tmp_path: Path, words: list[str], batcher: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line stands before the result; a run shows its output being written, too."""
    monkeypatch.setattr(reading_line, "PLAIN_EVERY_S", 0.0)
    result = batcher(*words, write_job(tmp_path), "--simulate")
    phases = re.findall(r"phase=(\w+) rows_read=6 rate=", result.err)
    assert phases == (["planning", "writing"] if words[0] == "run" else ["planning"])
