"""The programs of benchmarks/ import, and their tables say what was measured; nothing is timed."""

import ast
import importlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(autouse=True)
def programs_import_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Find the modules of benchmarks/ as its programs do, and forget them after the test."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    for path in BENCHMARKS.glob("*.py"):
        monkeypatch.delitem(sys.modules, path.stem, raising=False)


@pytest.mark.parametrize("path", sorted(BENCHMARKS.glob("*.py")), ids=lambda path: path.stem)
def test_programs_import(path: Path) -> None:
    """What a program uses of batcher exists."""
    assert importlib.import_module(path.stem).__doc__


@pytest.mark.parametrize("path", sorted(BENCHMARKS.glob("contenders/*.py")), ids=lambda p: p.stem)
def test_contenders_share_their_rows(path: Path) -> None:
    """Every contender reads the same rows; what it imports beside that may not be installed."""
    tree = ast.parse(path.read_text("utf-8"))
    names = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert path.stem == "rows" or "rows" in names


def race(contender: str, cpu_us: float, concurrency: int = 64) -> dict[str, Any]:
    """Return one measurement of a contender."""
    return {
        "contender": contender,
        "concurrency": concurrency,
        "cpu_us": cpu_us,
        "rows_s": 1e6 / cpu_us,
        "peak_mib": 50.0,
        "reference_ms": 26.0,
    }


def test_the_comparison_shows_median_range_and_ratios() -> None:
    """The lightest contender comes first; ratios are those of medians."""
    report = importlib.import_module("report")
    records = [
        *(race("bare httpx", figure) for figure in (1000.0, 900.0, 1200.0)),
        *(race("batcher run", figure) for figure in (250.0, 240.0, 1000.0)),
        race("bare aiohttp", 200.0),
        race("batcher run", 9999.0, concurrency=256),
    ]
    text = report.race_table(records, 64, {"curator, c=64": "stopped after 90 s", "x, c=256": "no"})
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]
    assert [line[0] for line in lines[2:]] == [
        "bare aiohttp", "**batcher run**", "bare httpx", "curator",
    ]  # fmt: skip
    assert lines[3][1:4] == ["250 (240 to 1,000)", "0.25", "1.25"]
    assert lines[5][1] == "stopped after 90 s"


def test_what_was_not_measured_is_left_out() -> None:
    """Without peers, slow servers and kills the tables that remain are whole."""
    report = importlib.import_module("report")
    results = {
        "machine": {
            "date": "today", "cores": 2, "python": "3.11", "server": "nginx", "load": "9.1",
            "versions": "none",
        },
        "left_out": {"curator": "no network"},
        "races": [race("batcher run", 250.0)],
        "kills": [{"concurrency": 64, "lost": 64, "unknown": 64}],
    }  # fmt: skip
    text = report.sections(results)
    assert "Left out: curator: no network." in text
    assert "| **batcher run** | 250      | -       | -         |" in text
    assert "kill -9 with 64 in flight" in text
    assert "In an earlier sitting: batcher run. The machine was busy" in text
    assert "Slow servers" not in text


def test_only_the_generated_part_of_a_document_is_replaced(tmp_path: Path) -> None:
    """The text around the marks stays; a document without marks is refused."""
    report = importlib.import_module("report")
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- benchmarks -->\nold\n<!-- end of benchmarks -->\nafter\n")
    report.write_part(page, r"new \1")
    assert page.read_text() == (
        "before\n<!-- benchmarks -->\n\nnew \\1\n\n<!-- end of benchmarks -->\nafter\n"
    )
    page.write_text("nothing")
    with pytest.raises(SystemExit):
        report.write_part(page, "new")


def test_the_last_page_of_figures_can_be_written_again() -> None:
    """docs/performance.md has the part that make bench writes."""
    text = (BENCHMARKS.parent / "docs/performance.md").read_text("utf-8")
    assert text.count("<!-- benchmarks -->\n") == text.count("<!-- end of benchmarks -->") == 1


def test_a_process_is_measured_to_its_end(tmp_path: Path) -> None:
    """Processor time includes that of children; a failure says what the process said."""
    measure = importlib.import_module("measure")
    burn = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'sum(range(10**6))'])"
    used = measure.measured([sys.executable, "-c", burn], tmp_path / "log")
    assert used.cpu_s > 0
    assert used.peak_mib > 1
    code = "import sys; print('no rows'); sys.exit(3)"
    with pytest.raises(measure.RunFailedError, match="ended with 3: no rows"):
        measure.measured([sys.executable, "-c", code], tmp_path / "log")
    with pytest.raises(measure.RunFailedError, match="stopped after 0 s"):
        measure.measured([sys.executable, "-c", "while True: pass"], tmp_path / "log", timeout_s=0)


def test_the_counting_server_knows_what_was_in_flight() -> None:
    """Two requests of one second each, half a second apart: four thirds in flight on average."""
    far_side = importlib.import_module("far_side")
    counts = far_side.Counts()
    counts.connections = 2
    counts.came.extend([10.0, 10.5])
    counts.left.extend([11.0, 11.5])
    stats = counts.stats()
    assert stats["in_flight"] == pytest.approx(4 / 3)
    assert stats["steady_in_flight"] == pytest.approx(1.5)
    assert stats["connections"] == stats["requests"] == 2
    assert json.dumps(stats)
