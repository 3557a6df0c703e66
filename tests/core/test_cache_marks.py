"""Marks are where the API accepts them, change nothing else, and are canonical JSON."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batcher.core.cache.marks import Level, markable, marked, with_ttl
from batcher.core.request.cache_control import is_marked
from batcher.core.request.canonical import canonical_json
from batcher.simulator.validation.breakpoints import check_breakpoints

TEXT = st.text(max_size=8)
BLOCK = st.one_of(
    st.fixed_dictionaries({"type": st.just("text"), "text": TEXT}),
    st.fixed_dictionaries({"type": st.just("thinking"), "thinking": TEXT}),
    st.fixed_dictionaries({"type": st.just("tool_use"), "input": st.dictionaries(TEXT, TEXT)}),
    st.just({"type": "image", "source": {"type": "url", "url": "https://example.com"}}),
)
MESSAGE = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant"]), "content": TEXT | st.lists(BLOCK, max_size=3)}
)
TOOL = st.fixed_dictionaries(
    {"name": TEXT, "input_schema": st.just({"type": "object", "properties": {"b": {}, "a": {}}})},
    optional={"defer_loading": st.booleans()},
)
FIELDS = st.fixed_dictionaries(
    {"model": st.just("m"), "max_tokens": st.just(5), "messages": st.lists(MESSAGE, min_size=1)},
    optional={
        "system": TEXT | st.lists(BLOCK.filter(lambda block: block["type"] == "text")),
        "tools": st.lists(TOOL),
    },
)
LEVELS = st.sampled_from([Level(n) for n in range(4)])


def blocks(content: Any) -> list[dict[str, Any]]:
    """Return content as blocks without marks; a text is one block."""
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    return [{k: v for k, v in block.items() if k != "cache_control"} for block in content]


def without_marks(fields: dict[str, Any]) -> Any:
    """Return a request without marks, with all content as blocks."""
    unmarked = {
        **fields,
        "messages": [{**m, "content": blocks(m["content"])} for m in fields["messages"]],
    }
    for key in {"system", "tools"} & unmarked.keys():
        unmarked[key] = blocks(unmarked[key])
    return unmarked


@settings(deadline=None)
@given(FIELDS, LEVELS)
def test_marks_change_nothing_but_the_marks(fields: dict[str, Any], levels: Level) -> None:
    """The request is the same, in canonical bytes, with a mark at every level that has a place."""
    body = marked(fields, levels)
    sent = json.loads(body)
    assert without_marks(sent) == json.loads(canonical_json(without_marks(fields)))
    assert body == canonical_json(sent)
    assert body.count(b'"cache_control":') == (levels & markable(fields)).bit_count()
    check_breakpoints(sent)


@settings(deadline=None)
@given(FIELDS, LEVELS)
def test_all_marks_have_one_lifetime(fields: dict[str, Any], levels: Level) -> None:
    """An hour is written at every mark and nowhere else; five minutes is the default."""
    body = marked(fields, levels)
    assert with_ttl(body, "5m") == body
    long_lived = with_ttl(body, "1h")
    assert long_lived == canonical_json(json.loads(long_lived))
    assert long_lived.count(b'"ttl":"1h"') == body.count(b'"cache_control":')
    assert long_lived.replace(b'"ttl":"1h",', b"") == body


@settings(deadline=None)
@given(FIELDS)
def test_the_last_block_is_never_marked(fields: dict[str, Any]) -> None:
    """It is the row's own; thinking and empty text are not marked either."""
    sent = json.loads(marked(fields, Level.SYSTEM | Level.MESSAGES))
    content = sent["messages"][-1]["content"]
    if content and not isinstance(content, str):
        assert "cache_control" not in content[-1]
    all_blocks = [
        block for m in sent["messages"] if isinstance(m["content"], list) for block in m["content"]
    ]
    for block in all_blocks:
        if "cache_control" in block:
            assert block["type"] != "thinking"
            assert block.get("text") != ""


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"system": "a"}, ("system", 0)),
        ({"system": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, ("system", 1)),
        ({"tools": [{"name": "a"}, {"name": "b"}]}, ("tools", 1)),
        ({"tools": [{"name": "a"}], "system": "a"}, ("system", 0)),
    ],
    ids=["text", "blocks", "tools", "both"],
)
def test_the_end_of_tools_and_system_is_marked(
    fields: dict[str, Any], place: tuple[str, int]
) -> None:
    """The mark is in the system prompt if there is one (tools come first), else the last tool."""
    messages = [{"role": "user", "content": "q"}]
    sent = json.loads(marked({**fields, "messages": messages}, Level.SYSTEM))
    found = [
        (key, index)
        for key in ("system", "tools")
        for index, block in enumerate(sent.get(key, ()))
        if "cache_control" in block
    ]
    assert found == [place]


def test_a_text_that_looks_like_a_mark_is_not_a_mark() -> None:
    """Quotes in a text are escaped, so only a real key counts, and only marks are changed."""
    text = '{"cache_control":{"type":"ephemeral"}}'
    fields = {"system": text, "messages": [{"role": "user", "content": text}]}
    assert not is_marked(canonical_json(fields))
    body = marked(fields, Level.SYSTEM)
    assert is_marked(body)
    sent = json.loads(with_ttl(body, "1h"))
    assert sent["messages"] == fields["messages"]
    assert sent["system"][0]["text"] == text
    own = {**fields, "cache_control": {"type": "ephemeral"}}
    assert is_marked(canonical_json(own))
