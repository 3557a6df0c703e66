"""Runs the job debian_sections on the simulator, then shows where it is wrong, its cost and rows.

The simulator gets the right sections in an answer key and errs on purpose in one answer of ten. A
wrong answer is a section whose packages share many words with the package, so that the errors
look like those of a real model.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

ROOT = Path(__file__).parents[1]
JOB = Path("jobs/debian_sections")
RUNS = JOB / "runs" / "demo"
ANSWER_KEY = RUNS / "answer_key.jsonl"
OUTPUT = RUNS / "sections.parquet"
RIGHT_RATE = 0.9
MISTAKES = 2
MATRIX_SIZE = 7
ROWS_SHOWN = 10

Row = dict[str, Any]


def main() -> int:
    """Run the job and show the result; return the exit code of the run."""
    shutil.rmtree(ROOT / RUNS, ignore_errors=True)
    (ROOT / RUNS).mkdir(parents=True)
    packages = pq.read_table(ROOT / JOB / "sample.parquet").to_pylist()
    write_answer_key(packages)
    print(f"This demo sorts {len(packages):,} Debian packages into the sections of the archive.")
    print("A simulator answers: no key, no network, no cost. It was given the right sections, in")
    print(f"{ANSWER_KEY}, and errs on purpose in one answer of ten.\n")
    with simulator() as url:
        code = run(url)
    if code == 0:
        show_result()
    return code


def write_answer_key(packages: list[Row]) -> None:
    """Write the right section of each package and its plausible mistakes."""
    words = [words_of(package) for package in packages]
    sections_by_word: dict[str, Counter[str]] = defaultdict(Counter)
    for package, own_words in zip(packages, words, strict=True):
        for word in own_words:
            sections_by_word[word][package["section"]] += 1
    with (ROOT / ANSWER_KEY).open("w") as file:
        for package, own_words in zip(packages, words, strict=True):
            similar = similar_sections(own_words, sections_by_word)
            mistakes = [section for section in similar if section != package["section"]]
            entry = {
                "line": f"Package: {package['package']}",
                "value": {"label": package["section"]},
                "mistakes": [{"label": section} for section in mistakes[:MISTAKES]],
            }
            file.write(json.dumps(entry) + "\n")


def words_of(package: Row) -> set[str]:
    """Return the words in the name and the description of a package."""
    return set(re.findall(r"[a-z]{3,}", f"{package['package']} {package['description']}".lower()))


def similar_sections(words: set[str], sections_by_word: dict[str, Counter[str]]) -> list[str]:
    """Return sections by similarity: each word votes for the sections in which it occurs."""
    votes: Counter[str] = Counter()
    for word in sorted(words):  # in a fixed order, so that each demo has the same errors
        for section, count in sections_by_word[word].items():
            votes[section] += count / sections_by_word[word].total()
    return [section for section, _ in votes.most_common()]


@contextmanager
def simulator() -> Iterator[str]:
    """Start the simulator with the answer key and yield its address."""
    words = show_command(
        "batcher simulate", "--port 0", "--latency 0.1",
        f"--right-rate {RIGHT_RATE}", f"--truth {ANSWER_KEY}",
    )  # fmt: skip
    with subprocess.Popen(
        [sys.executable, "-m", *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,  # so that Ctrl-C does not end it before the run
    ) as process:
        try:
            yield process.stdout.readline().removeprefix("listening on ").strip()
        finally:
            process.terminate()


def run(url: str) -> int:
    """Run the job on the simulator and return its exit code."""
    print("$ export ANTHROPIC_API_KEY=any")
    words = show_command(
        f"batcher run {JOB}", f"--set api.base_url={url}",
        f"--set job.state={RUNS.relative_to(JOB)}",
        f"--set output.path={OUTPUT.relative_to(JOB)}",
    )  # fmt: skip
    print(flush=True)
    signal.signal(signal.SIGINT, lambda *_: None)  # the run itself handles Ctrl-C
    environment = os.environ | {"ANTHROPIC_API_KEY": "any"}
    command = [sys.executable, "-m", *words]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


def show_command(*parts: str) -> list[str]:
    """Print a command, with line breaks between its parts only, and return its words."""
    text = " ".join(part.replace(" ", "\N{NO-BREAK SPACE}") for part in parts)
    lines = textwrap.wrap(text, 92, break_long_words=False, break_on_hyphens=False)
    print("$", " \\\n    ".join(lines).replace("\N{NO-BREAK SPACE}", " "))
    return " ".join(parts).split()


def show_result() -> None:
    """Print the confusion matrix, the cost and the first rows."""
    (record,) = (ROOT / RUNS).glob("*/run.json")
    run_record = json.loads(record.read_text())
    show_confusions(run_record["quality"]["gold"])
    show_cost(run_record)
    show_rows()
    print('\nNEXT  your own rows: batcher init FILE.jsonl --labels "good,bad,mixed"')


def show_confusions(gold: Row) -> None:
    """Print the accuracy, and the confusion matrix of the sections with most errors."""
    accuracy = gold["accuracy"]
    print(
        f"\n\nACCURACY  {percent(accuracy['value'])} of {gold['rows']:,} labels are right "
        f"(95 % interval {percent(accuracy['low'])} to {percent(accuracy['high'])})\n"
    )
    counts = {(right, label): count for right, label, count in gold["confusion"]}
    errors: Counter[str] = Counter()
    for (right, label), count in counts.items():
        errors[right] += count * (right != label)
    shown = sorted(section for section, _ in errors.most_common(MATRIX_SIZE))
    print("section \\ label", *(f"{section:>8.8}" for section in shown), "  other    right")
    for section in shown:
        total = gold["classes"][section]["support"]
        cells = [counts.get((section, label), 0) for label in shown]
        cells.append(total - sum(cells))
        share = percent(counts.get((section, section), 0) / total)
        print(f"{section:<15}", *(f"{cell or '.':>8}" for cell in cells[:-1]),
              f"{cells[-1] or '.':>7} {share:>8}")  # fmt: skip
    most = min(errors[section] for section in shown)
    print(f"{len(errors) - len(shown)} more sections, each with at most {most} errors")


def percent(share: float) -> str:
    """Return a share as a percentage."""
    return f"{100 * share:.1f} %"


def show_cost(run_record: Row) -> None:
    """Print what the run would have cost."""
    tokens, usd = run_record["tokens"], float(run_record["usd"]["spent"])
    print(
        f"\nCOST  ${usd:.4f} at the prices of {', '.join(run_record['models'])}: "
        f"{tokens['input_tokens']:,} input and {tokens['output_tokens']:,} output tokens.\n"
        "      The simulator charged nothing."
    )


def show_rows() -> None:
    """Print the first rows of the output."""
    print(f"\nROWS  {OUTPUT}\n")
    names = ("package", "section", "label", "_output_tokens", "_cost_usd")
    print("{:<32} {:<14} {:<14} {:>14} {:>12}".format(*names))
    for row in pq.read_table(ROOT / OUTPUT, columns=list(names)).slice(0, ROWS_SHOWN).to_pylist():
        mark = "" if row["section"] == row["label"] else "  wrong"
        line = "{:<32.32} {:<14} {:<14} {:>14,} {:>12.7f}".format(*row.values())
        print(line + mark)


if __name__ == "__main__":
    sys.exit(main())
