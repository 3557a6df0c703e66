"""Every row becomes a request or has a reason why not; no value of a row can raise."""

import base64
import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.core.job import Job
from batcher.core.request.attachment import Attachment
from batcher.core.request.build import (
    MAX_BODY_BYTES,
    Request,
    RequestBuilder,
    Unsendable,
)
from batcher.core.request.canonical import canonical_json, fingerprint
from batcher.core.template.template import Template

MESSAGES = [{"role": "user", "content": "hi"}]
PARAMS = {"model": "p", "max_tokens": 3, "messages": MESSAGES}
PROMPT = {"prompt": "{{ c }}"}


def builder(request: Mapping[str, Any], **input_keys: Any) -> RequestBuilder:
    """Return a builder for the sections of a job."""
    fields = {"model": "m", "max_tokens": 9, **request}
    if "params" in fields or input_keys.get("format") == "messages-batch":
        fields = dict(request)
    job = Job.model_validate({"input": {"path": "x", **input_keys}, "request": fields})
    system, prompt = job.request.system, job.request.prompt
    return RequestBuilder(
        job,
        system=Template(system, "s") if isinstance(system, str) else system,
        prompt=None if prompt is None else Template(prompt, "p"),
    )


def built(request: Mapping[str, Any], values: Mapping[str, object], **input_keys: Any) -> Request:
    """Build the request of a row, which must be possible."""
    result = builder(request, **input_keys).build(values)
    assert isinstance(result, Request), result
    return result


def unsendable(
    request: Mapping[str, Any], values: Mapping[str, object], **input_keys: Any
) -> Unsendable:
    """Build the request of a row, which must not be possible."""
    result = builder(request, **input_keys).build(values)
    assert isinstance(result, Unsendable), result
    return result


def test_a_prompt() -> None:
    """The rendered prompt is the only message, and parameters are passed on as they are."""
    request = built(PROMPT | {"system": "be {{ how }}", "top_k": 5}, {"c": "hi", "how": "kind"})
    expected = {
        "model": "m",
        "max_tokens": 9,
        "messages": MESSAGES,
        "system": "be kind",
        "top_k": 5,
    }
    assert request.fields == expected
    assert request.body == canonical_json(expected)
    assert request.fingerprints == (fingerprint(request.body, 0),)
    assert (request.model, request.max_tokens) == ("m", 9)


def test_system_blocks_are_sent_as_they_are() -> None:
    """Text blocks are not templates."""
    blocks = [{"type": "text", "text": "{{ c }}"}]
    assert built(PROMPT | {"system": blocks}, {"c": "hi"}).fields["system"] == blocks


@pytest.mark.parametrize("value", [MESSAGES, json.dumps(MESSAGES)], ids=["list", "text"])
def test_a_messages_column(value: object) -> None:
    """It contains an array or its JSON text; both make the same request."""
    request = built({"messages": "c"}, {"c": value})
    assert request.fields == {"model": "m", "max_tokens": 9, "messages": MESSAGES}


@pytest.mark.parametrize("value", [PARAMS, json.dumps(PARAMS)], ids=["object", "text"])
def test_a_params_column(value: object) -> None:
    """It contains the whole request, with its own model."""
    request = built({"params": "c"}, {"c": value})
    assert request.fields == PARAMS
    assert (request.model, request.max_tokens) == ("p", 3)
    assert built({}, {"params": value}, format="messages-batch").body == request.body


def test_nulls_of_a_table_are_absent_keys() -> None:
    """A null in a column of objects means an absent key, except in data and schemas."""
    message = {"role": "user", "content": [{"type": "text", "text": "hi", "citations": None}]}
    call = {"type": "tool_use", "input": {"a": None}, "name": None}
    request = built({"messages": "c"}, {"c": [message, {"role": "assistant", "content": [call]}]})
    first, second = request.fields["messages"]
    assert first["content"] == [{"type": "text", "text": "hi"}]
    assert second["content"] == [{"type": "tool_use", "input": {"a": None}}]


@pytest.mark.parametrize(
    ("request_keys", "values", "is_skipped"),
    [
        ({"prompt": "Which topic?\n{{ c }}"}, {"c": " \n"}, True),
        ({"prompt": "Which topic?\n{{ c }} {{ d }}"}, {"c": "", "d": "x"}, False),
        ({"prompt": "Which topic?\n{{ c }}"}, {"c": 0}, False),
        ({"prompt": "Tell a joke."}, {"c": ""}, False),
        ({"prompt": "Which topic?", "messages": "c"}, {"c": []}, True),
        (
            {"prompt": "Which topic?", "messages": "c"},
            {"c": [{"role": "user", "content": "x"}]},
            False,
        ),
    ],
)
def test_a_row_without_text_is_skipped(
    request_keys: dict[str, str], values: dict[str, object], is_skipped: bool
) -> None:
    """The text of the prompt itself does not count; ``on_empty`` can send such rows."""
    result = builder(request_keys).build(values)
    assert (isinstance(result, Unsendable) and result.is_skipped) is is_skipped
    sent = builder(request_keys, on_empty="send").build(values)
    assert isinstance(sent, Request)


BLANKS = st.sampled_from([None, "", "  ", "\n\t"])


@pytest.mark.parametrize(
    "prompt",
    [
        "{{ c }}",
        "Classify: {{ c }}{{ d }}",
        'Classify: {{ row["c"] }}',
        "{{ row.c }} or {{ row['d'] }}",
        "{% if c %}{{ c }}{% endif %}",
        "{{ c | default('', true) }}",
    ],
)
@given(BLANKS, BLANKS)
def test_null_asks_what_an_empty_text_asks(prompt: str, c: object, d: object) -> None:
    """Skipped alike, or sent alike: ``on_empty`` decides for both."""
    values = {"c": c, "d": d, "other": "text"}
    request = {"prompt": prompt, "system": "About {{ c }}."}
    assert unsendable(request, values).is_skipped
    as_text = {name: value or "" for name, value in values.items()}
    sent = built(request, values, on_empty="send")
    assert sent.fingerprints == built(request, as_text, on_empty="send").fingerprints


@pytest.mark.parametrize("prompt", ["{{ c }}", 'Classify: {{ row["c"] }}', "{{ d }}{{ c }}"])
@pytest.mark.parametrize("on_empty", ["skip", "send"])
def test_a_missing_column_is_no_empty_text(prompt: str, on_empty: str) -> None:
    """A misspelt column must not skip every row."""
    result = unsendable({"prompt": prompt}, {"d": None}, on_empty=on_empty)
    assert (result.error_type, result.is_skipped) == ("client.template", False)


def test_a_prompt_beside_messages_is_the_last_turn() -> None:
    """Attachments come before its text."""
    chat = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]
    chat_builder = builder({"prompt": "Which topic? {{ c }}", "messages": "chat"})
    assert chat_builder.columns == {"c", "chat"}
    request = chat_builder.build({"c": "one", "chat": chat}, [Attachment("text/plain", b"rules")])
    assert isinstance(request, Request)
    *before, last = request.fields["messages"]
    assert before == chat
    assert last["role"] == "user"
    assert [block["type"] for block in last["content"]] == ["document", "text"]
    assert last["content"][1]["text"] == "Which topic? one"
    assert json.loads(request.body)["messages"] == request.fields["messages"]


def test_images_come_before_the_text() -> None:
    """Each image is a base64 block."""
    request = builder(PROMPT).build({"c": "what?"}, [Attachment("image/png", b"\x89")])
    assert isinstance(request, Request)
    (message,) = request.fields["messages"]
    source = {
        "type": "base64",
        "media_type": "image/png",
        "data": base64.b64encode(b"\x89").decode(),
    }
    assert message["content"] == [
        {"type": "image", "source": source},
        {"type": "text", "text": "what?"},
    ]


def test_samples_are_responses_to_one_request() -> None:
    """Three samples have one body and three fingerprints; the first is that of a single sample."""
    single, three = (built(PROMPT | {"samples": n}, {"c": "hi"}) for n in (1, 3))
    assert three.body == single.body
    assert three.fingerprints[:1] == single.fingerprints
    assert len(set(three.fingerprints)) == 3


@pytest.mark.parametrize("prompt", ["", " \n\t\u3000"], ids=["empty", "blank"])
def test_an_empty_prompt_is_skipped_or_sent(prompt: str) -> None:
    """``on_empty`` decides."""
    assert unsendable(PROMPT, {"c": prompt}).is_skipped
    assert built(PROMPT, {"c": prompt}, on_empty="send").fields["messages"][0]["content"] == prompt


def test_a_request_may_be_as_large_as_the_api_accepts() -> None:
    """One byte more is an error of its own type."""

    def column(text: str) -> dict[str, object]:
        return {"c": [{"role": "user", "content": text}]}

    free_bytes = MAX_BODY_BYTES - len(built({"messages": "c"}, column("")).body)
    assert len(built({"messages": "c"}, column("x" * free_bytes)).body) == MAX_BODY_BYTES
    too_large = unsendable({"messages": "c"}, column("x" * (free_bytes + 1)))
    assert too_large.error_type == "client.too_large"


def turn(content: object, **more: object) -> list[dict[str, object]]:
    """Return a conversation of one turn."""
    return [{"role": "user", "content": content, **more}]


NAN, HUGE = (f'[{{"role":"user","content":[{number}]}}]' for number in ("NaN", "1e999"))
DEEP = "[" * 101 + "]" * 101


@pytest.mark.parametrize(
    ("request_keys", "value", "reason"),
    [
        pytest.param({"messages": "c"}, None, "must contain an array", id="messages null"),
        pytest.param({"messages": "c"}, "{}", "must contain an array", id="messages object"),
        pytest.param({"messages": "c"}, "SECRET", "not valid JSON", id="messages invalid"),
        pytest.param({"messages": "c"}, [], "at least one", id="messages empty"),
        pytest.param({"messages": "c"}, ["SECRET"], "role and a content", id="message a text"),
        pytest.param({"messages": "c"}, [{"role": "user"}], "role and a content", id="no content"),
        pytest.param({"messages": "c"}, turn([b"SECRET"]), "not valid JSON", id="bytes"),
        pytest.param({"messages": "c"}, turn([date(2026, 1, 1)]), "not valid", id="date"),
        pytest.param({"messages": "c"}, turn(b"SECRET"), "a text or an array", id="no text"),
        pytest.param({"messages": "c"}, turn("a", role="SECRET"), "the role user,", id="role"),
        pytest.param({"messages": "c"}, turn("a", SECRET=1), "a key other than", id="key"),
        pytest.param({"messages": "c"}, "[NaN]", "role and a content", id="NaN"),
        pytest.param({"messages": "c"}, NAN, "not valid JSON", id="NaN in"),
        pytest.param({"messages": "c"}, HUGE, "not valid JSON", id="1e999"),
        pytest.param({"messages": "c"}, DEEP, "nested more than 100", id="deep"),
        pytest.param({"messages": "c"}, "[" * 700 + "]" * 700, "nested", id="deeper"),
        pytest.param({"messages": "c"}, "[" * 10**5, "not valid JSON", id="too deep to read"),
        pytest.param(
            {"messages": "c"}, f'[{{"content":{"9" * 5000}}}]', "not valid", id="long int"
        ),
        pytest.param({"params": "c"}, [], "must contain an object", id="params array"),
        pytest.param({"params": "c"}, PARAMS | {"model": 5}, "no model", id="model number"),
        pytest.param({"params": "c"}, PARAMS | {"model": ""}, "no model", id="model empty"),
        pytest.param({"params": "c"}, PARAMS | {"max_tokens": None}, "max_tokens", id="no tokens"),
        pytest.param({"params": "c"}, PARAMS | {"max_tokens": True}, "max_tokens", id="bool"),
        pytest.param({"params": "c"}, PARAMS | {"max_tokens": -1}, "max_tokens", id="negative"),
        pytest.param({"params": "c"}, PARAMS | {"max_tokens": 1.5}, "max_tokens", id="fraction"),
        pytest.param({"params": "c"}, PARAMS | {"stream": False}, "stream", id="stream"),
        pytest.param({"params": "c"}, {**PARAMS, "x": "SECRET\ud800"}, "surrogate", id="surrogate"),
    ],
)
def test_bad_values(request_keys: dict[str, str], value: object, reason: str) -> None:
    """A bad value makes a bad row, with a reason that quotes nothing of it."""
    result = unsendable(request_keys, {"c": value})
    assert result.error_type == "client.bad_row"
    assert reason in result.reason
    assert "SECRET" not in result.reason


@pytest.mark.parametrize("values", [{"d": "x"}, {"c": None, "d": "x"}], ids=["missing", "null"])
def test_a_column_that_the_template_needs(values: dict[str, object]) -> None:
    """A missing column, or a null beside other text, is a template error of that row."""
    result = unsendable({"prompt": "{{ c }} {{ d }}"}, values)
    assert result.error_type == "client.template"
    assert "\n" not in result.reason


def test_a_missing_column() -> None:
    """The reason names the column that the row does not have."""
    assert "'c' is missing" in unsendable({"messages": "c"}, {}).reason
    assert "'params' is missing" in unsendable({}, {}, format="messages-batch").reason


@pytest.mark.parametrize(
    ("request_keys", "input_keys", "columns", "is_fixed"),
    [
        ({"prompt": "{{ a }}{{ b }}", "system": "{{ s }}"}, {}, {"a", "b", "s"}, True),
        ({"prompt": "{{ row['a'] }}"}, {}, {"a"}, True),
        ({"prompt": "{{ row }}"}, {}, None, True),
        ({"messages": "c", "system": "{{ s }}"}, {}, {"c", "s"}, True),
        ({"params": "c"}, {}, {"c"}, False),
        ({}, {"format": "messages-batch"}, {"params"}, False),
        ({"prompt": "{{ a }}", "images": ["i"]}, {}, {"a", "i"}, True),
    ],
)
def test_the_columns_that_requests_use(
    request_keys: dict[str, Any],
    input_keys: dict[str, Any],
    columns: set[str] | None,
    is_fixed: bool,
) -> None:
    """Only these columns have to be read; None means all."""
    of_job = builder(request_keys, **input_keys)
    assert of_job.columns == columns
    assert of_job.is_fixed is is_fixed


LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=6)
    | st.binary(max_size=4)
    | st.decimals(allow_nan=True)
    | st.just(datetime(2026, 1, 1, tzinfo=UTC))
    | st.just(timedelta(1))
    | st.just(Decimal("1.5"))
)
KEYS = st.sampled_from(
    ["model", "max_tokens", "messages", "content", "role", "stream", "input", "type", "system"]
) | st.text(max_size=3)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=10,
)
WHOLE = st.fixed_dictionaries(
    {"model": st.just("m") | VALUES, "max_tokens": st.just(5) | VALUES},
    optional={"messages": st.lists(st.fixed_dictionaries({"content": VALUES}), max_size=2)},
)
BUILDERS = [
    builder(PROMPT),
    builder({"prompt": "{{ row }}{{ c | length }}"}),
    builder({"messages": "c", "system": "{{ s }}"}),
    builder({"params": "c"}),
]


@given(
    st.sampled_from(BUILDERS),
    st.dictionaries(st.sampled_from(["c", "s", "other"]), VALUES | WHOLE, max_size=3),
    st.booleans(),
)
def test_no_value_of_a_row_can_raise(
    any_builder: RequestBuilder, values: dict[str, object], as_text: bool
) -> None:
    """With any values, the row becomes a request with valid bytes, or has a reason."""
    if as_text:
        values = {key: json.dumps(value, default=str) for key, value in values.items()}
    result = any_builder.build(values)
    if isinstance(result, Request):
        assert json.loads(result.body) == result.fields
        assert result.max_tokens >= 0
        assert result.fingerprints == (fingerprint(result.body, 0),)
    else:
        assert result.error_type.startswith("client.")
        assert result.reason
