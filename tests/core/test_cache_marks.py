"""Marks stand where the API takes them, change nothing else, and are canonical."""

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
    """Content as blocks without marks: a text is one block."""
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    return [{k: v for k, v in block.items() if k != "cache_control"} for block in content]


def meaning(fields: dict[str, Any]) -> Any:
    """What a request says, however it is written and marked."""
    said = {
        **fields,
        "messages": [{**m, "content": blocks(m["content"])} for m in fields["messages"]],
    }
    for key in {"system", "tools"} & said.keys():
        said[key] = blocks(said[key])
    return said


@settings(deadline=None)
@given(FIELDS, LEVELS)
def test_marks_change_nothing_but_the_marks(fields: dict[str, Any], levels: Level) -> None:
    """The request says the same, in canonical bytes; where a mark can stand there is one."""
    body = marked(fields, levels)
    sent = json.loads(body)
    assert meaning(sent) == json.loads(canonical_json(meaning(fields)))
    assert body == canonical_json(sent)
    assert body.count(b'"cache_control":') == (levels & markable(fields)).bit_count()
    check_breakpoints(sent)


@settings(deadline=None)
@given(FIELDS, LEVELS)
def test_the_lifetime_of_all_marks_is_one(fields: dict[str, Any], levels: Level) -> None:
    """An hour is written at every mark and nowhere else; five minutes need no word."""
    body = marked(fields, levels)
    assert with_ttl(body, "5m") == body
    lasting = with_ttl(body, "1h")
    assert lasting == canonical_json(json.loads(lasting))
    assert lasting.count(b'"ttl":"1h"') == body.count(b'"cache_control":')
    assert lasting.replace(b'"ttl":"1h",', b"") == body


@settings(deadline=None)
@given(FIELDS)
def test_the_block_that_asks_is_never_marked(fields: dict[str, Any]) -> None:
    """The last block of the last message is what no other row has; thinking and '' cannot be."""
    sent = json.loads(marked(fields, Level.SYSTEM | Level.MESSAGES))
    content = sent["messages"][-1]["content"]
    if content and not isinstance(content, str):
        assert "cache_control" not in content[-1]
    every = [
        block for m in sent["messages"] if isinstance(m["content"], list) for block in m["content"]
    ]
    for block in every:
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
    """System when there is one, for tools come before it; else the last tool."""
    messages = [{"role": "user", "content": "q"}]
    sent = json.loads(marked({**fields, "messages": messages}, Level.SYSTEM))
    found = [
        (key, index)
        for key in ("system", "tools")
        for index, block in enumerate(sent.get(key, ()))
        if "cache_control" in block
    ]
    assert found == [place]


def test_a_text_that_looks_like_a_mark_is_none() -> None:
    """Quotes inside a text are escaped, so only a real key counts, and only marks live longer."""
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
