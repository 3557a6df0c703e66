"""What the simulator refuses, with the API's status, error type and message."""

import base64
import copy
import io
from typing import Any

import pytest
from PIL import Image
from simulator_bodies import HEADERS, Client, body_of

OLD = "claude-haiku-4-5"
OLD_VERSION = {"anthropic-version": "2023-06-01"}
TOOL = {"name": "t", "input_schema": {"type": "object", "properties": {}}}
EPHEMERAL = {"type": "ephemeral"}


def image(kind: str = "PNG", size: tuple[int, int] = (3, 3), media_type: str | None = None) -> Any:
    """Return a block with a real image."""
    file = io.BytesIO()
    Image.new("RGB", size).save(file, kind)
    data = base64.b64encode(file.getvalue()).decode()
    media_type = media_type or f"image/{kind.lower()}"
    return {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": data}}


def user(*blocks: Any) -> dict[str, Any]:
    """Return the change that replaces the messages by one with these blocks."""
    return {"messages": [{"role": "user", "content": list(blocks)}]}


def marked(ttl: str = "5m") -> dict[str, Any]:
    """Return a text block with a breakpoint."""
    return {"type": "text", "text": "x", "cache_control": EPHEMERAL | {"ttl": ttl}}


CALL = {"role": "assistant",
        "content": [{"type": "tool_use", "id": "a", "name": "t", "input": {}}]}  # fmt: skip
HELLO = {"role": "user", "content": "hi"}

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no model": ({"model": None}, "model: Field required"),
    "no max_tokens": ({"max_tokens": None}, "max_tokens: Field required"),
    "no messages": ({"messages": None}, "messages: Field required"),
    "unknown key": ({"colour": 1}, "colour: Extra inputs are not permitted"),
    "beta key": ({"context_management": {}}, "context_management: Extra inputs"),
    "unknown nested key": (
        {"messages": [HELLO | {"name": "x"}]}, "messages.0.name: Extra inputs are not permitted"),
    "unknown block key": (
        user({"type": "text", "text": "x", "id": 1}), "messages.0.content.0.id: Extra inputs"),
    "text as max_tokens": ({"max_tokens": "5"}, "max_tokens: Input should be a valid integer"),
    "true as max_tokens": ({"max_tokens": True}, "max_tokens: Input should be a valid integer"),
    "negative max_tokens": ({"max_tokens": -1}, "greater than or equal to 0"),
    "too many max_tokens": ({"max_tokens": 128_001}, "128001 > 128000, which is the maximum"),
    "empty messages": ({"messages": []}, "messages: at least one message is required"),
    "messages no list": ({"messages": "hi"}, "messages: Input should be a valid list"),
    "bad role": ({"messages": [{"role": "bot", "content": "x"}]},
                 "messages.0.role: Input should be 'user', 'assistant' or 'system'"),
    "assistant first": ({"messages": [{"role": "assistant", "content": "x"}, HELLO]},
                        "first message"),
    "empty content": ({"messages": [{"role": "user", "content": ""}]}, "non-empty content"),
    "blank content": ({"messages": [{"role": "user", "content": " \n"}]}, "non-whitespace"),
    "empty text": (user({"type": "text", "text": ""}), "text content blocks must be non-empty"),
    "blank text": (user({"type": "text", "text": " "}), "must contain non-whitespace text"),
    "no block type": (user({"text": "x"}), "messages.0.content.0.type: Field required"),
    "unknown block": (user({"type": "video"}), "Input tag 'video' found using 'type'"),
    "tool_use by user": (user(*CALL["content"]), "Input tag 'tool_use'"),
    "media type": (user(image(media_type="image/bmp")), "Input should be 'image/jpeg'"),
    "wrong media type": (user(image(media_type="image/jpeg")), "does not match the provided media"),
    "no base64": (user({"type": "image", "source": {
        "type": "base64", "media_type": "image/png", "data": "%%%"}}), "Invalid base64 data"),
    "no image": (user({"type": "image", "source": {
        "type": "base64", "media_type": "image/png", "data": "aGk="}}), "Could not process image"),
    "big image": (user(image(size=(8_001, 1))), "dimensions exceed max allowed size: 8000"),
    "no pdf": (user({"type": "document", "source": {
        "type": "base64", "media_type": "application/pdf", "data": "aGk="}}), "PDF"),
    "temperature": ({"temperature": 1.0}, "`temperature` is not supported in version"),
    "top_k": ({"top_k": 5}, "`top_k` is not supported in version"),
    "prefill": ({"messages": [HELLO, {"role": "assistant", "content": "A"}]}, "message prefill"),
    "manual thinking": ({"thinking": {"type": "enabled", "budget_tokens": 1024}},
                        '"thinking.type.enabled" is not supported for this model'),
    "adaptive on old": ({"model": OLD, "thinking": {"type": "adaptive"}},
                        "adaptive thinking is not supported on this model"),
    "always thinking": ({"model": "claude-opus-5-5", "thinking": {"type": "disabled"}},
                        '"thinking.type.disabled" is not supported'),
    "no thinking at max": ({"thinking": {"type": "disabled"}, "output_config": {"effort": "max"}},
                           "not supported with effort 'max'"),
    "between_tools key": ({"model": "claude-sonnet-5-5",
                           "thinking": {"type": "between_tools", "display": "omitted"}}, "Extra"),
    "small budget": ({"model": OLD, "thinking": {"type": "enabled", "budget_tokens": 1}},
                     "thinking.budget_tokens: Input should be greater than or equal to 1024"),
    "budget over max": ({"model": OLD, "thinking": {"type": "enabled", "budget_tokens": 2000}},
                        "`max_tokens` must be greater than `thinking.budget_tokens`"),
    "effort word": ({"output_config": {"effort": "huge"}}, "Input should be 'low', 'medium'"),
    "effort on old": ({"model": OLD, "output_config": {"effort": "low"}}, "effort parameter"),
    "xhigh on 4.6": ({"model": "claude-opus-4-6", "output_config": {"effort": "xhigh"}}, "xhigh"),
    "forced tool": ({"model": "claude-opus-5-5", "tools": [TOOL], "tool_choice": {"type": "any"}},
                    "tool_choice: type 'any' is not supported"),
    "choice without tools": ({"tool_choice": {"type": "auto"}}, "while providing `tools`"),
    "unknown tool": ({"tools": [TOOL], "tool_choice": {"type": "tool", "name": "u"}}, "'u'"),
    "two tools": ({"tools": [TOOL, TOOL]}, "Tool names must be unique"),
    "tool name": ({"tools": [TOOL | {"name": "a b"}]}, "tools.0.name: String should match"),
    "tool schema": ({"tools": [TOOL | {"input_schema": {"type": "string"}}]}, "'object'"),
    "result missing": ({"tools": [TOOL], "messages": [HELLO, CALL, HELLO]},
                       "messages.1: `tool_use` ids were found without `tool_result`"),
    "stray result": (user({"type": "tool_result", "tool_use_id": "z"}), "unexpected `tool_use_id`"),
    "stop_sequences": ({"stop_sequences": "x"}, "stop_sequences: Input should be a valid list"),
    "metadata key": ({"metadata": {"row": "1"}}, "metadata.row: Extra inputs"),
    "long user_id": ({"metadata": {"user_id": "x" * 513}}, "at most 512 characters"),
    "service_tier": ({"service_tier": "fast"}, "Input should be 'auto' or 'standard_only'"),
    "inference_geo": ({"inference_geo": "mars"}, "inference_geo: Input should be"),
    "geo on old": ({"model": OLD, "inference_geo": "us"}, "inference_geo: not supported"),
    "fast": ({"speed": "fast"}, "speed: 'fast' is not supported on claude-haiku-5-5"),
    "fast without beta": ({"model": "claude-opus-5", "speed": "fast"}, "fast-mode-2026-02-01"),
    "cache ttl": ({"cache_control": EPHEMERAL | {"ttl": "2h"}}, "Input should be '5m' or '1h'"),
    "five breakpoints": (user(*[marked()] * 5), "A maximum of 4 blocks with cache_control"),
    "four and automatic": (user(*[marked()] * 4, {"type": "text", "text": "y"})
                           | {"cache_control": EPHEMERAL}, "A maximum of 4 blocks"),
    "long after short": (user(marked(), marked("1h")), "ttl='1h' cache_control block must not"),
    "automatic other ttl": (user(marked("1h")) | {"cache_control": EPHEMERAL}, "another ttl"),
    "cited by user": (user({"type": "text", "text": "x", "citations": [{}]}), "citations"),
    "prewarm stream": ({"max_tokens": 0, "stream": True}, "stream"),
    "prompt too long": ({"model": OLD, "messages": [HELLO | {"content": "x" * 700_000}]},
                        "prompt is too long: 205890 tokens > 200000 maximum"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused(shared: Client, name: str) -> None:
    """Each mistake is a 400 that names the place and the problem, in the API's words."""
    changes, expected = REFUSED[name]
    status, kind, message = shared.refused(body_of(**changes))
    assert (status, kind) == (400, "invalid_request_error")
    assert expected in message


ACCEPTED: dict[str, dict[str, Any]] = {
    "image": user(image(), {"type": "text", "text": "x"}),
    "jpeg": user(image("JPEG")),
    "webp": user(image("WEBP")),
    "gif": user(image("GIF")),
    "four breakpoints": user(marked("1h"), marked("1h"), marked(), marked()),
    "automatic same ttl": user(*[marked()] * 4) | {"cache_control": EPHEMERAL},
    "system blocks": {"system": [{"type": "text", "text": "x", "cache_control": EPHEMERAL}]},
    "system role": {"messages": [HELLO, {"role": "system", "content": "Be brief."}, HELLO]},
    "tool round": {"tools": [TOOL], "messages": [HELLO, CALL, {"role": "user", "content": [
        {"type": "tool_result", "tool_use_id": "a", "content": "ok"}]}]},
    "prewarm": {"max_tokens": 0},
    "nulls": {"cache_control": None, "metadata": {"user_id": None}, "output_config": {}},
    "geo": {"inference_geo": "us"},
    "fast": {"model": "claude-opus-5-5", "speed": "fast"},
    "silently standard": {"model": "claude-opus-4-6", "speed": "fast"},
    "text document": user({"type": "document", "source": {
        "type": "text", "media_type": "text/plain", "data": "x"}, "title": "T"}),
}  # fmt: skip


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted(shared: Client, name: str) -> None:
    """The simulator accepts what the API accepts."""
    assert shared.send(body_of(**ACCEPTED[name])).status_code == 200


def test_older_version(shared: Client) -> None:
    """In the older API version, sampling and prefill depend on the model."""
    old = {"model": OLD, "temperature": 0.3}
    assert shared.send(body_of(**old), headers=OLD_VERSION).status_code == 200
    assert shared.send(body_of(temperature=1), headers=OLD_VERSION).status_code == 200
    assert shared.send(body_of(temperature=0.3), headers=OLD_VERSION).status_code == 400
    both = old | {"top_p": 0.5}
    assert "cannot both" in shared.refused(body_of(**both), headers=OLD_VERSION)[2]
    prefill = {"model": OLD, "messages": [HELLO, {"role": "assistant", "content": "A:"}]}
    assert shared.send(body_of(**prefill)).status_code == 200
    prefill["messages"][1]["content"] = "A: "
    assert "trailing whitespace" in shared.refused(body_of(**prefill))[2]


HEADER_CASES = [
    ({"x-api-key": ""}, 401, "invalid x-api-key"),
    ({"x-api-key": "bad1"}, 401, "invalid x-api-key"),
    ({"anthropic-version": "2024-02-20"}, 400, "not a valid version"),
    ({"anthropic-beta": "pdfs-2024-09-25, teleport-2026-01-01"}, 400, "`teleport-2026-01-01`"),
    ({"content-type": "text/plain"}, 400, "Content-Type"),
    ({"content-encoding": "gzip"}, 400, "encoding"),
]


@pytest.mark.parametrize(("headers", "status", "expected"), HEADER_CASES)
def test_headers(shared: Client, headers: dict[str, str], status: int, expected: str) -> None:
    """Keys, versions and betas are checked before the body."""
    code, _, message = shared.refused(body_of(), headers=headers)
    assert code == status
    assert expected in message


@pytest.mark.parametrize("missing", HEADERS)
def test_required_headers(shared: Client, missing: str) -> None:
    """A request without a key is a 401, one without a version a 400."""
    del shared.http.headers[missing]
    try:
        assert shared.refused(body_of())[0] == (401 if missing == "x-api-key" else 400)
    finally:
        shared.http.headers[missing] = HEADERS[missing]


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"a": NaN}', b'{"a": "\\ud800"}', b"\xff", b""])
def test_no_json(shared: Client, body: bytes) -> None:
    """A body that is not a JSON object in UTF-8 is a 400."""
    headers = {"content-type": "application/json"}
    response = shared.http.post("/v1/messages", content=body, headers=headers)
    assert response.status_code == 400
    assert response.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("model", ["claude-nobody-1", "claude-3-opus-20240229"])
def test_unknown_model(shared: Client, model: str) -> None:
    """An unknown or retired model is a 404 with its name."""
    assert shared.refused(body_of(model=model)) == (404, "not_found_error", f"model: {model}")


def test_unknown_paths(shared: Client) -> None:
    """Other paths and methods get a 404 in the API's shape."""
    for method, path in (("PUT", "/v1/messages/batches"), ("GET", "/v1/messages"), ("GET", "/")):
        response = shared.http.request(method, path)
        assert response.status_code == 404
        assert response.json()["error"]["type"] == "not_found_error"


def test_count_tokens_has_no_max_tokens(shared: Client) -> None:
    """The endpoint refuses a key that only messages have."""
    response = shared.http.post("/v1/messages/count_tokens", json=body_of())
    assert response.json()["error"]["message"] == "max_tokens: Extra inputs are not permitted"


RICH = body_of(
    system=[marked("1h")],
    tools=[TOOL | {"strict": True, "input_schema": {
        "type": "object", "additionalProperties": False, "required": ["a"], "properties": {
            "a": {"enum": ["x"]}, "b": {"type": ["string", "null"], "pattern": "^a+$"},
            "c": {"anyOf": [{"$ref": "#/$defs/d"}]}}, "$defs": {"d": {"type": "integer"}}}}],
    tool_choice={"type": "auto"},
    thinking={"type": "adaptive", "display": "omitted"},
    output_config={"effort": "low", "format": {"type": "json_schema", "schema": {
        "type": "array", "items": {"const": 1}, "minItems": 1}}},
    metadata={"user_id": "u"},
    stop_sequences=["."],
    messages=[HELLO, CALL | {"content": [{"type": "text", "text": "A"}, *CALL["content"]]}, {
        "role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": "r"}]},
            image(), marked()]}],
)  # fmt: skip
STRANGE = (None, True, 0, -1, 1.5, "", "x", [], {}, [None], [{}], {"type": "x"}, [[]], 10**30)


def places(value: Any) -> list[tuple[Any, Any]]:
    """Return every container inside a value with each of its keys."""
    keys = list(value) if isinstance(value, dict) else range(len(value))
    pairs = [(value, key) for key in keys]
    for key in keys:
        if isinstance(value[key], dict | list):
            pairs += places(value[key])
    return pairs


def test_nothing_breaks_the_server(shared: Client) -> None:
    """A strange value anywhere in a body gives a message or a normal refusal."""
    assert shared.send(RICH).status_code == 200
    count = len(places(RICH))
    assert count > 60
    for position in range(count):
        for strange in STRANGE:
            body = copy.deepcopy(RICH)
            container, key = places(body)[position]
            container[key] = strange
            response = shared.send(body)
            assert response.status_code in (200, 400, 404), (key, strange, response.text)
