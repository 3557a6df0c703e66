"""The output's columns do not depend on the answers, and they sum to the bill."""

import json
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from example_results import SENT, answered, body, table, unsent
from hypothesis import given
from hypothesis import strategies as st

from batcher.core.answers import message
from batcher.core.answers.strict_json import load
from batcher.core.labels.labels import Labels
from batcher.core.labels.schema.fields import schema_of_fields
from batcher.outputs.parsed_answers import parse_answers
from batcher.outputs.result_columns import BOOKKEEPING, Layout, repeat_rows

KEPT = pa.schema([("name", pa.string()), ("n", pa.int64())])
LAYOUT = Layout(KEPT, "_", keeps_text=True)
TOKENS = [name for name, _ in BOOKKEEPING if name.endswith("_tokens")]


def filled(*rows: dict[str, Any], layout: Layout = LAYOUT) -> pa.Table:
    """Join results with kept columns."""
    names = [f"name {number}" for number in range(len(rows))]
    kept = pa.table({"name": names, "n": list(range(len(rows)))}, schema=KEPT)
    return fill(kept, table(*rows), layout)


def fill(kept: pa.Table, results: pa.Table, layout: Layout = LAYOUT) -> pa.Table:
    """Fill a layout from the bodies of results."""
    answers = parse_answers(results, layout.labels, keeps_text=layout.keeps_text)
    return layout.fill(kept, results, answers)


def shown(**changes: Any) -> dict[str, Any]:
    """Return the columns of one answered row, without the prefix."""
    (row,) = filled(answered(**changes)).to_pylist()
    return {name.removeprefix("_"): value for name, value in row.items()}


def test_every_column_of_an_answered_row() -> None:
    """Kept columns come first, then bookkeeping in its fixed order."""
    found = filled(answered(3, model="m", request_id="req", message_id="msg"))
    assert found.schema.names == ["name", "n", *(f"_{name}" for name, _ in BOOKKEEPING)]
    (row,) = found.to_pylist()
    assert {name: value for name, value in row.items() if value is not None} == {
        "name": "name 0",
        "n": 0,
        "_id": "row 3",
        "_row": 4,
        "_sample": 0,
        "_status": "succeeded",
        "_text": "ja",
        "_stop_reason": "end_turn",
        "_model": "m",
        "_delivery": "live",
        "_input_tokens": 100,
        "_output_tokens": 10,
        "_cost_usd": 0.25,
        "_shared": False,
        "_attempts": 1,
        "_started_at": SENT,
        "_latency_s": 1.5,
        "_request_id": "req",
        "_message_id": "msg",
        "_fingerprint": f"{3:032x}",
        "_run_id": "run",
    }


def test_an_answer_of_a_batch_says_so() -> None:
    """It has no latency, and costs what it costs."""
    row = shown(delivery="batch", latency_s=None, http_status=None)
    assert (row["delivery"], row["latency_s"], row["cost_usd"]) == ("batch", None, 0.25)
    assert row["text"] == "ja"


ROWS = st.lists(
    st.builds(
        answered,
        st.integers(0, 9),
        is_shared=st.booleans() | st.none(),
        cost_usd=st.none() | st.decimals(0, 10**6, places=18),
        unpriced=st.none() | st.integers(0, 2),
        attempts=st.none() | st.integers(0, 3),
        attempt_id=st.none() | st.integers(1, 9),
        status=st.sampled_from(["succeeded", "errored", "unsent"]),
        body=st.none() | st.binary(max_size=20) | st.just(body()),
        thinking_tokens=st.none() | st.integers(0, 2**53),
        id=st.none() | st.text(max_size=3),
    )
    | st.builds(unsent, st.integers(0, 9)),
    max_size=5,
)


@given(ROWS, st.booleans())
def test_the_schema_does_not_depend_on_the_answers(rows: list[Any], keeps_text: bool) -> None:
    """Nulls, unreadable bodies or no rows: columns and types are the same, so that parts fit."""
    layout = Layout(KEPT, "_", keeps_text=keeps_text)
    found = filled(*rows, layout=layout)
    assert found.schema == layout.schema
    assert ("_text" in found.schema.names) is keeps_text
    found.validate(full=True)


@given(ROWS)
def test_the_columns_sum_to_the_bill(rows: list[Any]) -> None:
    """A shared row costs 0 and has 0 tokens, because the first row paid."""
    found = filled(*rows)
    paying_rows = [row for row in rows if not row.get("is_shared")]
    paid = [row.get("cost_usd") for row in paying_rows if not row.get("unpriced")]
    total = sum((usd for usd in paid if usd is not None), Decimal(0))
    assert (pc.sum(found["_cost_usd"]).as_py() or 0) == pytest.approx(float(total))
    for name in TOKENS:
        tokens = sum(row.get(name) or 0 for row in paying_rows)
        assert (pc.sum(found[f"_{name}"]).as_py() or 0) == tokens


def test_a_shared_row_costs_nothing() -> None:
    """Cost and tokens are 0, an unknown count stays null, and the answer is there."""
    row = shown(is_shared=True, unpriced=1)
    assert (row["shared"], row["cost_usd"], row["text"]) == (True, 0.0, "ja")
    assert (row["input_tokens"], row["output_tokens"], row["thinking_tokens"]) == (0, 0, None)


def test_an_unpriced_answer_has_no_cost() -> None:
    """An unknown cost is null, never zero."""
    assert shown(cost_usd=None, unpriced=1)["cost_usd"] is None
    assert shown(cost_usd=Decimal("0.1"), unpriced=1)["cost_usd"] is None


def test_a_row_without_a_request() -> None:
    """It has the reason, costs 0, and has a position but no id."""
    (row,) = filled(unsent(6)).to_pylist()
    assert (row["_id"], row["_row"], row["_status"]) == (None, 7, "errored")
    assert (row["_error_type"], row["_error_message"]) == ("client.bad_row", "why")
    assert (row["_cost_usd"], row["_attempts"], row["_shared"]) == (0.0, 0, False)
    assert (row["_delivery"], row["_text"], row["_fingerprint"]) == (None, None, None)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        pytest.param(body(), "ja", id="text"),
        pytest.param(body(content=[]), None, id="no block"),
        pytest.param(
            b'{"type":"message","content":[{"type":"text","text":"a\\ud800b"}]}',
            "a\ufffdb",
            id="lone surrogate",
        ),
        pytest.param(
            b'{"type":"message","content":[{"type":"text","text":"\\u0000\\ud83d\\ude00"}]}',
            "\0\U0001f600",
            id="nul and pair",
        ),
        pytest.param(b"", None, id="empty"),
        pytest.param(b"<html>", None, id="html"),
        pytest.param(b"\xff\xfe", None, id="not utf-8"),
        pytest.param(b"[" * 100_000, None, id="deep"),
        pytest.param(b'{"type":"error","error":{}}', None, id="error"),
        pytest.param(None, None, id="no body"),
        pytest.param(
            body(content=[{"type": "tool_use", "input": {"label": "ü"}}]),
            '{"label": "ü"}',
            id="tool call",
        ),
    ],
)
def test_the_text_column(content: bytes | None, text: str | None) -> None:
    """For any body the column has text that Parquet can store, or null."""
    assert shown(body=content)["text"] == text


def test_thinking_has_a_column_of_its_own() -> None:
    """Thinking is not part of the text."""
    blocks = [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "ja"}]
    row = shown(body=json.dumps({"type": "message", "content": blocks}).encode())
    assert (row["text"], row["thinking"]) == ("ja", "hm")


def test_clashes() -> None:
    """Kept columns with the name of a bookkeeping column are listed; a prefix avoids this."""
    kept = pa.schema([("_id", pa.string()), ("_text", pa.string()), ("x_row", pa.int64())])
    assert Layout(kept, "_", keeps_text=True).clashes() == ["_id", "_text"]
    assert Layout(kept, "_", keeps_text=False).clashes() == ["_id"]
    assert Layout(kept, "x_", keeps_text=True).clashes() == ["x_row"]
    assert Layout(kept, "batcher_", keeps_text=True).clashes() == []


def test_kept_columns_are_cast_to_the_layout() -> None:
    """A chunk with narrower types than the whole input still fits."""
    kept = pa.table({"name": pa.array(["a"], pa.large_string()), "n": pa.array([1], pa.int8())})
    assert fill(kept, table(answered())).schema == LAYOUT.schema


def test_rows_with_several_answers_are_repeated() -> None:
    """Each row appears once for each sample, in order."""
    rows = pa.table({"a": [1, 2]})
    assert repeat_rows(rows, 1) is rows
    assert repeat_rows(rows, 3)["a"].to_pylist() == [1, 1, 1, 2, 2, 2]


@pytest.mark.parametrize(
    ("has_labels", "keeps_text", "parsed"), [(1, 1, 3), (1, 0, 2), (0, 1, 3), (0, 0, 0)]
)
def test_each_body_is_parsed_at_most_once(
    has_labels: int, keeps_text: int, parsed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Labels, text and thinking come from one parse; a body that no column needs is not parsed."""
    bodies: list[bytes] = []
    monkeypatch.setattr(message, "load", lambda data: bodies.append(data) or load(data))
    labels = Labels.of(schema_of_fields("word")) if has_labels else None
    layout = Layout(KEPT, "_", keeps_text=bool(keeps_text), labels=labels, samples=2)
    rows = (
        answered(0, body=body(content=[{"type": "text", "text": '{"word": "ja"}'}])),
        answered(0, body=body(content=[{"type": "text", "text": '{"word": "nein"}'}])),
        answered(1, status="invalid", body=body()),
        unsent(1),
    )
    found = filled(*rows, layout=layout)
    assert len(bodies) == parsed
    assert len(set(bodies)) == parsed
    if has_labels:
        assert found["word"].to_pylist() == ["ja", "nein", None, None]
    if keeps_text:
        assert found["_text"].to_pylist() == ['{"word": "ja"}', '{"word": "nein"}', "ja", None]
