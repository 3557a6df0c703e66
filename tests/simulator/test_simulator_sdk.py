"""The official SDK works with the simulator as with the API."""

from collections.abc import Iterator

import anthropic
import pytest
from simulator_bodies import body_of

from batcher.simulator import Fault, Settings, run_in_thread

USER = [{"role": "user", "content": "Which one of: red, green, blue?"}]


@pytest.fixture
def sdk() -> Iterator[anthropic.Anthropic]:
    """An SDK client of a simulator without faults."""
    with run_in_thread(Settings(seed=3)) as simulator, client_of(simulator.url) as client:
        yield client


def client_of(url: str, **options: object) -> anthropic.Anthropic:
    """Return an SDK client that does not retry."""
    return anthropic.Anthropic(**({"api_key": "sk", "base_url": url, "max_retries": 0} | options))


def test_message(sdk: anthropic.Anthropic) -> None:
    """A plain message parses into the SDK's own types, thinking first."""
    message = sdk.messages.create(**body_of("Which one of: red, green, blue?"))
    assert [block.type for block in message.content] == ["thinking", "text"]
    assert message.content[1].text in ("red", "green", "blue")
    assert message.stop_reason == "end_turn"
    assert message.usage.output_tokens > message.usage.output_tokens_details.thinking_tokens > 0
    assert message._request_id.startswith("req_")


def test_stream_equals_message(sdk: anthropic.Anthropic) -> None:
    """A stream gives the same message as the same body without streaming."""
    plain = sdk.messages.create(**body_of("Tell me a story."))
    with sdk.messages.stream(**body_of("Tell me a story.")) as stream:
        kinds = [event.type for event in stream]
        streamed = stream.get_final_message()
    assert kinds[0] == "message_start"
    assert kinds[-1] == "message_stop"
    assert [b.to_dict() for b in streamed.content] == [b.to_dict() for b in plain.content]
    assert streamed.usage == plain.usage
    assert streamed.stop_reason == plain.stop_reason
    assert streamed.id != plain.id


def test_stream_of_tool_use(sdk: anthropic.Anthropic) -> None:
    """Tool input arrives in fragments that form JSON together."""
    tool = {
        "name": "label",
        "input_schema": {"type": "object", "properties": {"x": {"type": "integer"}},
                         "required": ["x"]},
    }  # fmt: skip
    forced = {"tools": [tool], "tool_choice": {"type": "tool", "name": "label"}}
    with sdk.messages.stream(**body_of("Label it.", **forced)) as stream:
        message = stream.get_final_message()
    assert message.stop_reason == "tool_use"
    assert isinstance(message.content[-1].input["x"], int)


def test_structured_output_parses(sdk: anthropic.Anthropic) -> None:
    """The SDK's own structured output helper accepts the answer."""
    schema = {
        "type": "object",
        "additionalProperties": False,
        "required": ["label"],
        "properties": {"label": {"enum": ["a", "b"]}},
    }
    config = {"format": {"type": "json_schema", "schema": schema}}
    message = sdk.messages.create(**body_of(output_config=config))
    assert message.content[-1].text in ('{"label": "a"}', '{"label": "b"}')


def test_count_tokens_is_what_is_billed(sdk: anthropic.Anthropic) -> None:
    """Counting a prompt gives the input tokens that its message is billed for."""
    counted = sdk.messages.count_tokens(model="claude-haiku-5-5", messages=USER, system="Be brief.")
    message = sdk.messages.create(**body_of(USER[0]["content"], system="Be brief."))
    assert counted.input_tokens == message.usage.input_tokens


def test_models(sdk: anthropic.Anthropic) -> None:
    """The list has all live models over several pages; one model can be read by its alias."""
    models = list(sdk.models.list(limit=7))
    assert len(models) == len({model.id for model in models}) > 14
    assert all(model.lifecycle in ("active", "deprecated") for model in models)
    haiku = sdk.models.retrieve("claude-haiku-4-5")
    assert haiku.id == "claude-haiku-4-5-20251001"
    assert haiku.display_name == "Claude Haiku 4.5"
    assert haiku.max_tokens == 64_000
    assert sdk.models.retrieve("claude-haiku-5-5").capabilities.thinking.types.disabled.supported
    assert sdk.models.retrieve("claude-3-haiku-20240307").lifecycle == "retired"


def test_both_credentials(sdk: anthropic.Anthropic) -> None:
    """A key in x-api-key and a bearer token are both accepted."""
    url = str(sdk.base_url)
    for options in ({"default_headers": {"x-api-key": "sk"}}, {"auth_token": "t", "api_key": None}):
        with client_of(url, **options) as client:
            assert client.messages.create(**body_of()).role == "assistant"


ERRORS = [
    ("400", 400, anthropic.BadRequestError, "invalid_request_error"),
    ("401", 401, anthropic.AuthenticationError, "authentication_error"),
    ("402", 402, anthropic.APIStatusError, "billing_error"),
    ("403", 403, anthropic.PermissionDeniedError, "permission_error"),
    ("404", 404, anthropic.NotFoundError, "not_found_error"),
    ("409", 409, anthropic.ConflictError, "conflict_error"),
    ("413", 413, anthropic.APIStatusError, "request_too_large"),
    ("429", 429, anthropic.RateLimitError, "rate_limit_error"),
    ("500", 500, anthropic.InternalServerError, "api_error"),
    ("504", 504, anthropic.InternalServerError, "timeout_error"),
    ("529", 529, anthropic.InternalServerError, "overloaded_error"),
    ("spend_limit", 429, anthropic.RateLimitError, "rate_limit_error"),
    ("own_spend_limit", 400, anthropic.BadRequestError, "invalid_request_error"),
]


@pytest.mark.parametrize(("fault", "status", "kind", "name"), ERRORS, ids=[e[0] for e in ERRORS])
def test_each_error_class(fault: str, status: int, kind: type[Exception], name: str) -> None:
    """Each status raises its SDK exception, with the API's error type in the body."""
    settings = Settings(faults=(Fault.parse(fault),))
    with run_in_thread(settings) as simulator, client_of(simulator.url) as client:
        with pytest.raises(kind) as caught:
            client.messages.create(**body_of())
        assert caught.value.status_code == status
        assert caught.value.body["error"]["type"] == name
        assert caught.value.request_id.startswith("req_")


def test_sdk_retries_into_an_answer() -> None:
    """With a fault on the first attempt only, the SDK's own retries succeed."""
    faults = (Fault("rate_limit", attempts=1, retry_after_s=0.01), Fault("overloaded", attempts=1))
    with (
        run_in_thread(Settings(faults=faults)) as simulator,
        client_of(simulator.url, max_retries=3) as client,
    ):
        assert client.messages.create(**body_of()).stop_reason == "end_turn"
        assert simulator.totals()["by_outcome"] == {
            "rate_limit": 1, "overloaded": 1, "answered": 1,
        }  # fmt: skip


def test_timeout_and_reset() -> None:
    """A hang raises the SDK's timeout, a reset its connection error."""
    faults = (Fault("hang", match="slow"), Fault("reset_before", match="broken"))
    with (
        run_in_thread(Settings(faults=faults)) as simulator,
        client_of(simulator.url, timeout=0.2) as client,
    ):
        with pytest.raises(anthropic.APITimeoutError):
            client.messages.create(**body_of("slow"))
        with pytest.raises(anthropic.APIConnectionError):
            client.messages.create(**body_of("broken"))


def test_error_in_the_middle_of_a_stream() -> None:
    """An error event after status 200 raises the SDK's status error with the event's type."""
    with (
        run_in_thread(Settings(faults=(Fault("stream_error"),))) as simulator,
        client_of(simulator.url) as client,
        client.messages.stream(**body_of()) as stream,
        pytest.raises(anthropic.APIStatusError) as caught,
    ):
        stream.get_final_message()
    assert caught.value.body["error"]["type"] == "overloaded_error"
    assert caught.value.status_code == 200


@pytest.mark.parametrize("key", ["bad-key", ""])
def test_bad_key(key: str) -> None:
    """A key that is empty or starts with the bad prefix is a 401."""
    with (
        run_in_thread(Settings()) as simulator,
        client_of(simulator.url, api_key="unused", default_headers={"x-api-key": key}) as client,
        pytest.raises(anthropic.AuthenticationError),
    ):
        client.messages.create(**body_of())
