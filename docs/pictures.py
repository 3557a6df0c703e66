"""Draw the README's terminal and fill its output table, from a real run on the simulator.

The job is jobs/debian_sections. The simulator gets the right sections and errs on purpose in one
answer of ten, as in ``make demo``. The command runs in a pseudo-terminal, and pyte turns its bytes
into the characters that a person would see.
"""

import fcntl
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pyte
from generate import ROOT, replace_part

sys.path.insert(0, str(ROOT / "jobs"))
import demo

COMMAND = ("batcher", "run", "job.toml", "--max-cost", "1")
COLUMNS, LINES = 100, 40
SHOWN_AT_PERCENT = 60
ROWS = ("package", "section", "label", "_status", "_output_tokens", "_cost_usd")
ROWS_SHOWN = 6
LIVE_LINES = re.compile(r"^ *(\d+)% .* left *\n.* at the end *\n.* in flight", flags=re.MULTILINE)
CHARACTER, LINE, MARGIN, BAR = 8.43, 20, 18, 34
"""Width and height of a character, margin and height of the title bar, in pixels."""

SVG = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">
<title>{title}, while it runs</title>
<style>
text {{ font: 14px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace }}
.output {{ fill: #e6edf3 }}
.prompt {{ fill: #7ee787; font-weight: bold }}
</style>
<rect width="100%" height="100%" rx="8" fill="#161b22" stroke="#6e7681" stroke-width="2"/>
<circle cx="20" cy="18" r="5.5" fill="#ff5f57"/>
<circle cx="38" cy="18" r="5.5" fill="#febc2e"/>
<circle cx="56" cy="18" r="5.5" fill="#28c840"/>
{texts}</svg>
"""


def main() -> None:
    """Run the job once; write docs/run.svg and the table in README.md."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "debian_sections"
        shutil.copytree(ROOT / demo.JOB, folder, ignore=shutil.ignore_patterns("runs"))
        with simulator(folder) as url, (folder / "job.toml").open("a") as job:
            job.write(f'\n[api]\nbase_url = "{url}"\n')
            job.close()
            screen = run_and_watch(folder)
        rows = pq.read_table(folder / "sections.parquet", columns=list(ROWS)).to_pylist()
    (ROOT / "docs" / "run.svg").write_text(terminal_svg(screen), "utf-8")
    readme = ROOT / "README.md"
    text = replace_part(readme.read_text("utf-8"), "output", markdown_table(rows[:ROWS_SHOWN]))
    readme.write_text(text, "utf-8")


@contextmanager
def simulator(folder: Path) -> Iterator[str]:
    """Start the simulator with the right sections of a job's packages and yield its address."""
    demo.ROOT, demo.ANSWER_KEY = folder, Path("answer_key.jsonl")
    demo.write_answer_key(pq.read_table(folder / "sample.parquet").to_pylist())
    words = f"batcher simulate --port 0 --latency 0.3 --right-rate {demo.RIGHT_RATE} --truth"
    command = [sys.executable, "-m", *words.split(), str(folder / demo.ANSWER_KEY)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            yield process.stdout.readline().removeprefix("listening on ").strip()
        finally:
            process.terminate()


def run_and_watch(folder: Path) -> list[str]:
    """Run the job in a terminal to its end; return what the screen showed in the middle."""
    screen = pyte.Screen(COLUMNS, LINES)
    stream = pyte.ByteStream(screen)
    stream.feed(f"$ {' '.join(COMMAND)}\r\n".encode())
    middle: list[str] = []
    master, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    with subprocess.Popen(
        [sys.executable, "-m", *COMMAND],
        cwd=folder,
        env=os.environ | {"ANTHROPIC_API_KEY": "any", "TERM": "xterm"},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
    ) as process:
        os.close(terminal)
        for output in output_of(master):
            stream.feed(output)
            if not middle and percent(screen.display) >= SHOWN_AT_PERCENT:
                middle = "\n".join(line.rstrip() for line in screen.display).strip().split("\n")
    if process.returncode or not middle:
        raise SystemExit("\n".join(screen.display))
    return middle


def output_of(terminal: int) -> Iterator[bytes]:
    """Yield what a process writes to its terminal, until it ends."""
    while True:
        try:
            output = os.read(terminal, 65536)
        except OSError:  # Linux reports the end of a terminal as an error
            return
        if not output:
            return
        yield output


def percent(lines: list[str]) -> int:
    """Return the percentage of rows that the live lines show, or 0 when they are not complete."""
    shown = LIVE_LINES.search("\n".join(lines))
    return int(shown[1]) if shown else 0


def terminal_svg(lines: list[str]) -> str:
    """Return an SVG picture of a terminal, dark on any page."""
    width = round(COLUMNS * CHARACTER + 2 * MARGIN)
    height = BAR + len(lines) * LINE + MARGIN
    texts = "".join(map(svg_line, range(BAR + LINE - 5, height, LINE), lines))
    return SVG.format(width=width, height=height, title=escape(lines[0]), texts=texts)


def svg_line(y: int, line: str) -> str:
    """Return a line of text, as wide as in a terminal whatever the font."""
    kind = "prompt" if line.startswith("$ ") else "output"
    return (
        f'<text class="{kind}" x="{MARGIN}" y="{y}" xml:space="preserve" '
        f'textLength="{len(line) * CHARACTER:.1f}" lengthAdjust="spacingAndGlyphs">'
        f"{escape(line)}</text>\n"
    )


def markdown_table(rows: list[dict[str, Any]]) -> str:
    """Return rows of the output as a Markdown table."""
    table = [ROWS, ["---"] * len(ROWS)]
    table += [[f"{value:.7f}" if isinstance(value, float) else str(value) for value in row.values()]
              for row in rows]  # fmt: skip
    return "\n" + "".join(f"| {' | '.join(cells)} |\n" for cells in table) + "\n"


if __name__ == "__main__":
    main()
