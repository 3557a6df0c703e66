"""Shows the results of ``bench.py`` as tables, and writes them into docs/performance.md."""

import importlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from measure import Sample, ratio_text, table

Record = Mapping[str, Any]
Results = Mapping[str, Any]
PART = "benchmarks"
HTTPX, AIOHTTP, BATCHER = "bare httpx", "bare aiohttp", "batcher run"


def sample(records: Iterable[Record], key: str, **where: object) -> Sample:
    """Return one figure of all records that agree with ``where``."""
    return Sample(
        tuple(
            float(record[key])
            for record in records
            if all(record[name] == value for name, value in where.items())
        )
    )


def distinct(records: Iterable[Record], key: str) -> list[Any]:
    """Return the different values of a key, in the order of the records."""
    return list(dict.fromkeys(record[key] for record in records))


def race_table(records: Sequence[Record], concurrency: int, failures: Mapping[str, str]) -> str:
    """Return the comparison at one concurrency, the lightest contender first."""
    here = [record for record in records if record["concurrency"] == concurrency]
    cpu = {name: sample(here, "cpu_us", contender=name) for name in distinct(here, "contender")}
    lines = [
        [
            f"**{name}**" if name == BATCHER else name,
            figure.text(),
            ratio_text(figure, cpu.get(HTTPX)),
            ratio_text(figure, cpu.get(AIOHTTP)),
            sample(here, "rows_s", contender=name).text(),
            sample(here, "peak_mib", contender=name).text(),
        ]
        for name, figure in sorted(cpu.items(), key=lambda pair: pair[1].median)
    ]
    lines += [
        [name.rpartition(", c=")[0], why, "-", "-", "-", "-"]
        for name, why in failures.items()
        if name.endswith(f", c={concurrency}")
    ]
    head = (
        f"{concurrency:,} in flight", "us a row", "x httpx", "x aiohttp", "rows/s", "peak MiB",
    )  # fmt: skip
    return table(head, lines)


def start_table(records: Sequence[Record]) -> str:
    """Return what a start takes."""
    lines = [
        [
            name,
            sample(records, "wall_s", name=name).text(2),
            sample(records, "cpu_s", name=name).text(2),
            sample(records, "peak_mib", name=name).text(),
        ]
        for name in distinct(records, "name")
    ]
    return table(("one row, unless it says otherwise", "s", "processor s", "peak MiB"), lines)


def delay_table(records: Sequence[Record]) -> str:
    """Return how much of the concurrency is used on slow servers."""
    keys = ("delay_s", "concurrency", "contender")
    cases = dict.fromkeys(tuple(record[key] for key in keys) for record in records)
    lines = []
    for case in cases:
        where = dict(zip(keys, case, strict=True))
        percent = [
            Sample(tuple(100 * value for value in sample(records, key, **where).values)).text()
            for key in ("steady_share", "share", "core_share")
        ]
        lines.append(
            [
                f"{case[0]:g} s",
                f"{case[1]:,}",
                case[2],
                *percent,
                sample(records, "rows_s", **where).text(),
                sample(records, "connections", **where).text(),
            ]
        )
    head = (
        "answers after", "in flight", "", "% used", "% with the ramp", "% of a core", "rows/s",
        "connections",
    )  # fmt: skip
    return table(head, lines)


def other_table(results: Results) -> str:
    """Return the pace of the API, two processes, and what a kill costs."""
    lines = []
    if pace := results.get("api_pace"):
        core = Sample(tuple(100 * record["core_share"] for record in pace))
        lines.append(
            [
                "10,000 requests a minute, answers after 1.5 s",
                f"{core.text(1)} % of a core at {sample(pace, 'rpm').text()} a minute",
            ]
        )
    if both := results.get("processes"):
        for count in distinct(both, "processes"):
            rate, cpu = (sample(both, key, processes=count) for key in ("rows_s", "cpu_us"))
            name = "one run" if count == 1 else f"{count} runs of two jobs at once"
            lines.append([name, f"{rate.text()} rows/s, {cpu.text()} us a row"])
    for concurrency in distinct(results.get("kills", ()), "concurrency"):
        lost = sample(results["kills"], "lost", concurrency=concurrency)
        lines.append(
            [
                f"kill -9 with {concurrency:,} in flight",
                f"{lost.text()} requests paid for twice, in {len(lost.values)} kills",
            ]
        )
    return table(("what", "figure"), lines)


def stage_table(records: Sequence[Record]) -> str:
    """Return the processor time of each stage."""
    lines = [
        [
            stage,
            sample(records, "us", stage=stage).text(1),
            sample(records, "loops", stage=stage).text(2),
        ]
        for stage in distinct(records, "stage")
    ]
    return table(("stage", "us a row", "per reference loop"), lines)


def machine_line(results: Results) -> str:
    """Return where and with what the figures were measured."""
    machine = results["machine"]
    loops = [record["reference_ms"] for record in results.get("races", ())]
    reference = f"; the reference loop took {Sample(tuple(loops)).text(1)} ms" if loops else ""
    earlier = [
        record["contender"]
        for record in results.get("races", ())
        if record.get("sitting") != machine["date"]
    ]
    also = f" In an earlier sitting: {', '.join(dict.fromkeys(earlier))}." if earlier else ""
    if float(machine["load"]) > machine["cores"]:
        also += " The machine was busy: ratios hold, rows a second and seconds are too bad."
    return (
        f"{machine['date']}, {machine['cores']} cores, Python {machine['python']}, "
        f"server {machine['server']}, load average {machine['load']}{reference}. "
        f"Versions: {machine['versions']}.{also}"
    )


def sections(results: Results) -> str:
    """Return all tables as Markdown."""
    failures, races = results.get("failures", {}), results.get("races", [])
    parts = [machine_line(results)]
    if left_out := results.get("left_out"):
        parts += [f"Left out: {name}: {why}." for name, why in left_out.items()]
    parts += [race_table(races, count, failures) for count in distinct(races, "concurrency")]
    shown: tuple[tuple[str, str, Callable[[Any], str]], ...] = (
        ("starts", "### Start", start_table),
        ("delays", "### Slow servers", delay_table),
        ("stages", "### Stages", stage_table),
    )
    for key, title, make in shown:
        if results.get(key):
            parts += [title, make(results[key])]
    if any(results.get(key) for key in ("api_pace", "processes", "kills")):
        parts += ["### Pace, processes and kills", other_table(results)]
    return "\n\n".join(parts)


def write_part(path: Path, content: str) -> None:
    """Replace the generated part of a document."""
    pattern = rf"(?<=<!-- {PART} -->\n).*?(?=<!-- end of {PART} -->)"
    text, count = re.subn(
        pattern, lambda _: f"\n{content}\n\n", path.read_text("utf-8"), flags=re.DOTALL
    )
    if count != 1:
        raise SystemExit(f"{path} has no part {PART}")
    path.write_text(text, "utf-8")


def draw(records: Sequence[Record], path: Path) -> None:
    """Draw the processor time of a row: a panel for each concurrency, on a logarithmic scale."""
    plt = importlib.import_module("matplotlib.pyplot")
    plt.rcParams.update({"font.size": 9, "svg.hashsalt": "batcher", "svg.fonttype": "none"})
    counts = distinct(records, "concurrency")
    figure, panels = plt.subplots(1, len(counts), figsize=(12, 2.8), sharex=True, squeeze=False)
    for panel, count in zip(panels[0], counts, strict=True):
        here = [record for record in records if record["concurrency"] == count]
        cpu = {name: sample(here, "cpu_us", contender=name) for name in distinct(here, "contender")}
        ordered = sorted(cpu.items(), key=lambda pair: -pair[1].median)
        names, medians = [pair[0] for pair in ordered], [pair[1].median for pair in ordered]
        colors = ["#1f4e79" if name == BATCHER else "#9aa5b1" for name in names]
        bars = panel.barh(names, medians, color=colors)
        panel.bar_label(bars, [f"{median:,.0f}" for median in medians], padding=2, fontsize=8)
        panel.set_xscale("log")
        panel.set_title(f"{count:,} in flight")
        panel.spines[["top", "right"]].set_visible(False)
        panel.margins(x=0.2)
    figure.supxlabel("processor time of one more row, microseconds", fontsize=9)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
