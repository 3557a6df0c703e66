"""Rows that take the short way through planning get the plan that the long way makes."""

import json
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from batcher.inputs.job_file.load import load_job
from batcher.runner.job_context import open_job
from batcher.runner.planning.items import Items
from batcher.runner.planning.plain_rows import PlainRows
from tests.samples import examples

Rows = list[dict[str, object]]

TODAY = date(2026, 11, 30)
PROMPTS = (
    "{{ a }}",
    "Is it so?\n\n{{ a }} \u2013 {{ b }}\n",
    "{{ a }}{{- b }} {{ a }}",
    "{{ b | upper }} {{ a }}",
    "{% if a %}{{ a }}{% endif %}",
    "no column",
)
SETTINGS = (
    "",
    'system = "Answer with one word, please: \\u0000 \\"cache_control\\": ü"',
    f'system = "{"word " * 9000}"',
    "samples = 3",
    'system = "of {{ b }}"',
    'thinking = {type = "enabled", budget_tokens = 1024}',
    'tools = [{type = "web_search_20250305", name = "web_search", max_uses = 2}]',
)
REST = (
    "",
    '[input]\non_empty = "send"',
    "[input]\nmax_prompt_tokens = 60",
    '[cache]\nmode = "off"',
    '[delivery]\nmode = "batch"\nallow_batch = true',
    '[labels]\nfields = "label: a|b"\non_invalid = "retry"',
)
TEXTS = st.one_of(
    st.text(max_size=30),
    st.sampled_from(("", " \n\u2003", "image", "1h", '"cache_control":', "ﷺ", "é", "e\u0301")),
    st.sampled_from(("\ud800", "\0", "\u2028", "{{ b }}", "\\u0041", "日本語 Ω", "x" * 3000)),
)
VALUES = st.one_of(TEXTS, st.integers(), st.none(), st.booleans(), st.floats(), st.just([1, "a"]))


def found(folder: Path) -> dict[str, Any]:
    """Return all that planning finds in the rows of a job, without the checkpoint."""
    loaded = load_job(folder / "job.toml")
    context = open_job(loaded, is_simulated=False, today=TODAY)
    items, records, prefixes = Items(context), [], []
    for chunk in context.source.chunks(None, rows_per_chunk=3):
        for row in chunk.rows:
            records += list(items.records_of(row))
        items.add_up()
        prefixes += items.take_prefixes()
    lengths = [str(warning) for warning in items.lengths.warnings()]
    names = ("models", "warnings", "refused", "only_live", "sigma", "largest_body", "body_bytes")
    sums = {name: getattr(items, name) for name in (*names, "count", "has_web_tools")}
    digests = items.rows_digest.hex, items.requests_digest.hex, items.rows_digest.count
    return {"records": records, "prefixes": prefixes, "digests": digests, "lengths": lengths} | sums


def write(folder: Path, rows: Rows, prompt: str, setting: str, rest: str) -> None:
    """Write a job file and its input."""
    head, tail = (rest.removeprefix("[input]"), "") if "[input]" in rest else ("", rest)
    text = f"""
[input]
path = "rows.jsonl"
{head}
[request]
model = "claude-haiku-5-5"
max_tokens = 4000
prompt = {json.dumps(prompt)}
{setting}
[output]
path = "out.parquet"
{tail}
"""
    (folder / "job.toml").write_text(text)
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


@settings(max_examples=examples(60), deadline=None)
@given(
    st.lists(st.fixed_dictionaries({"b": VALUES}, optional={"a": VALUES}), min_size=1, max_size=9),
    st.sampled_from(PROMPTS),
    st.sampled_from(SETTINGS),
    st.sampled_from(REST),
)
def test_both_ways_make_the_same_plan(rows: Rows, prompt: str, setting: str, rest: str) -> None:
    """Records, prefixes, sums and warnings are equal, whatever the rows and the job are."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, [{"a": "first", "b": "row"}, *rows], prompt, setting, rest)
        short = found(folder)
        with patch.object(PlainRows, "of", return_value=None):
            assert found(folder) == short


def test_ordinary_rows_take_the_short_way(tmp_path: Path) -> None:
    """After the first row, rows with texts and whole numbers are not built one by one."""
    rows: Rows = [{"a": f"text {number}", "b": number} for number in range(9)]
    write(tmp_path, rows, PROMPTS[1], SETTINGS[1], REST[0])
    with patch.object(
        Items, "_whole_records", autospec=True, side_effect=Items._whole_records
    ) as whole:
        found(tmp_path)
    assert whole.call_count == 1
