"""Answers are a function of the seed and the body."""

import copy
import random
from collections.abc import Callable
from typing import Any

import pytest
from simulator_bodies import Client, body_of

from batcher.simulator.model.seeded_random import SeededRandom
from batcher.simulator.model.text import offered_options

Start = Callable[..., Client]
EPHEMERAL = {"type": "ephemeral"}
OLD = "claude-haiku-4-5"
TOOL = {"name": "t", "input_schema": {"type": "object", "properties": {}}}


def answer_of(message: dict[str, Any]) -> tuple[Any, ...]:
    """Return the parts of a message that must not differ between two attempts."""
    return message["content"], message["stop_reason"], message["usage"]["output_tokens"]


def test_arrival_order_does_not_matter(simulate: Start) -> None:
    """A run that is repeated in another order gets the same answers."""
    prompts = [f"row {number}" for number in range(20)]
    first = simulate(seed=5)
    expected = {prompt: answer_of(first.message(prompt)) for prompt in prompts}
    random.Random(1).shuffle(prompts)
    second = simulate(seed=5)
    assert {prompt: answer_of(second.message(prompt)) for prompt in prompts} == expected


def test_another_seed_gives_other_answers(simulate: Start) -> None:
    """The seed decides the answers."""
    assert answer_of(simulate(seed=1).message()) != answer_of(simulate(seed=2).message())


def test_key_order_and_breakpoints_do_not_matter(shared: Client) -> None:
    """Key order and cache breakpoints do not change the answer; other parameters do."""
    block = {"type": "text", "text": "Tell me more."}
    plain = body_of(system=[block], messages=[{"role": "user", "content": [block]}])
    marked = copy.deepcopy(dict(reversed(plain.items())))
    marked["system"][0]["cache_control"] = EPHEMERAL
    marked["messages"][0]["content"][0]["cache_control"] = EPHEMERAL | {"ttl": "5m"}
    expected = answer_of(shared.send(plain).json())
    assert answer_of(shared.send(marked).json()) == expected
    assert answer_of(shared.send(plain | {"cache_control": EPHEMERAL}).json()) == expected
    assert answer_of(shared.send(plain | {"max_tokens": 2_001}).json()) != expected


def test_data_called_cache_control_matters(shared: Client) -> None:
    """A key named ``cache_control`` inside a schema is data, not a breakpoint."""

    def answer_with(name: str) -> dict[str, Any]:
        schema = {"type": "object", "additionalProperties": False, "required": [name],
                  "properties": {name: {"type": "integer"}}}  # fmt: skip
        return shared.message(output_config={"format": {"type": "json_schema", "schema": schema}})

    assert '"cache_control": ' in answer_with("cache_control")["content"][1]["text"]


def test_message_ids_differ(shared: Client) -> None:
    """Each attempt has its own message id, so no client can rely on equal ids."""
    assert shared.message()["id"] != shared.message()["id"]


def test_random_choices_are_stable() -> None:
    """They are the same in every process and Python version, because results are recorded."""
    rng = SeededRandom(7, "answer", "x")
    assert [rng.below(1_000) for _ in range(5)] == [225, 133, 142, 652, 875]


OFFERS = [
    ("Pick one of: games, math, science.", ["games", "math", "science"]),
    ("Answer with one of 'yes', 'no' or 'maybe'", ["yes", "no", "maybe"]),
    ("One of a|b|c", ["a", "b", "c"]),
    ("one of: old, older. Now one of: new, newer", ["new", "newer"]),
    ("Tell me of it", []),
    ("one of them", []),
]


@pytest.mark.parametrize(("prompt", "options"), OFFERS)
def test_offered_options(prompt: str, options: list[str]) -> None:
    """The last list of options in a prompt is found; other text is not mistaken for one."""
    assert list(offered_options(prompt)) == options


def test_thinking_by_model_and_request(shared: Client) -> None:
    """Thinking is on by default on current models and off on older ones; it can be shown."""
    summarized = {"type": "adaptive", "display": "summarized"}
    manual = {"type": "enabled", "budget_tokens": 1_024}
    cases = [
        ({}, True, False),
        ({"thinking": summarized}, True, True),
        ({"thinking": {"type": "disabled"}}, False, False),
        ({"model": OLD}, False, False),
        ({"model": OLD, "thinking": manual}, True, True),
        ({"model": "claude-opus-4-8"}, False, False),
        ({"model": "claude-opus-4-8", "thinking": {"type": "adaptive"}}, True, False),
    ]
    for changes, thinks, shows in cases:
        message = shared.message(**changes)
        first = message["content"][0]
        tokens = message["usage"]["output_tokens_details"]["thinking_tokens"]
        assert (first["type"] == "thinking", tokens > 0) == (thinks, thinks)
        if thinks:
            assert bool(first["thinking"]) == shows
            assert first["signature"]


def test_effort_raises_thinking_tokens(shared: Client) -> None:
    """More effort takes more thinking tokens in total."""

    def thinking_tokens(effort: str) -> int:
        return sum(
            shared.message(f"{row}", output_config={"effort": effort})["usage"][
                "output_tokens_details"]["thinking_tokens"] for row in range(20)
        )  # fmt: skip

    assert thinking_tokens("low") < thinking_tokens("medium") < thinking_tokens("max")


@pytest.mark.parametrize("max_tokens", [1, 5, 20, 60])
def test_max_tokens_is_a_hard_limit(shared: Client, max_tokens: int) -> None:
    """Output never exceeds ``max_tokens``; a cut answer says so, and may have no text at all."""
    for row in range(10):
        message = shared.message(f"row {row}", max_tokens=max_tokens)
        whole = shared.message(f"row {row}")
        assert message["usage"]["output_tokens"] <= max_tokens
        if message["stop_reason"] == "max_tokens":
            assert message["usage"]["output_tokens"] == max_tokens
        assert whole["stop_reason"] == "end_turn"
    assert shared.message("[[tokens:30]]", max_tokens=1)["content"][-1]["type"] == "thinking"


def test_markers(shared: Client) -> None:
    """Markers in the last user message produce refusals, cut answers and invalid ones."""
    refused = shared.message("[[refuse:cyber]] x")
    assert refused["stop_reason"] == "refusal"
    assert refused["stop_details"]["category"] == "cyber"
    assert shared.message("[[truncate]] x")["stop_reason"] == "max_tokens"
    assert shared.message("[[tokens:500]] x", max_tokens=499)["stop_reason"] == "max_tokens"
    enough = shared.message("[[tokens:500]] x", max_tokens=500)
    assert (enough["stop_reason"], enough["usage"]["output_tokens"]) == ("end_turn", 500)
    schema = {"type": "object", "additionalProperties": False, "properties": {}}
    config = {"format": {"type": "json_schema", "schema": schema}}
    invalid = shared.message("[[invalid]] x", output_config=config)
    assert not invalid["content"][-1]["text"].startswith("{")


@pytest.mark.parametrize("marker", ["[[tokens:many]]", "[[tokens]]", "[[refuse:rude]]", "[[x]]"])
def test_invalid_markers_are_ignored(shared: Client, marker: str) -> None:
    """Text that only looks like a marker does no harm."""
    details = shared.message(marker)["stop_details"]
    assert details is None or details["category"] != "rude"


def test_markers_count_in_the_last_user_message_only(shared: Client) -> None:
    """A rubric that quotes a marker does not refuse every row."""
    assert shared.message("x", system="[[refuse]]")["stop_reason"] == "end_turn"


def test_refusal_rate(simulate: Start) -> None:
    """About the set share of requests is refused, the same ones each time."""
    client = simulate(seed=2, refusal_rate=0.3)
    first = [client.message(f"{row}")["stop_reason"] for row in range(60)]
    assert 8 <= first.count("refusal") <= 30
    assert [client.message(f"{row}")["stop_reason"] for row in range(60)] == first


def test_stop_sequences(shared: Client) -> None:
    """The text ends before the sequence that occurs first; the message names that sequence."""
    quiet = {"thinking": {"type": "disabled"}}
    text = shared.message("Speak.", **quiet)["content"][0]["text"]
    message = shared.message("Speak.", stop_sequences=["zzz", " "], **quiet)
    assert (message["stop_reason"], message["stop_sequence"]) == ("stop_sequence", " ")
    assert " " not in message["content"][0]["text"]
    assert text


def test_tool_choice(shared: Client) -> None:
    """``any`` and ``tool`` force a call, ``none`` forbids it, ``auto`` chooses at random."""

    def stop_reasons(kind: str) -> set[str]:
        choice = {"type": kind} | ({"name": "t"} if kind == "tool" else {})
        return {
            shared.message(f"{row}", tools=[TOOL], tool_choice=choice)["stop_reason"]
            for row in range(15)
        }

    assert stop_reasons("any") == stop_reasons("tool") == {"tool_use"}
    assert stop_reasons("none") == {"end_turn"}
    assert stop_reasons("auto") == {"tool_use", "end_turn"}


def test_prewarm(shared: Client) -> None:
    """``max_tokens: 0`` generates no output."""
    message = shared.message(max_tokens=0)
    assert (message["content"], message["stop_reason"]) == ([], "max_tokens")
    assert message["usage"]["output_tokens"] == 0


def test_context_window(shared: Client) -> None:
    """The answer ends where the context window is full."""
    prompt = "x" * (200_000 * 34 // 10 - 40) + "[[tokens:100]]"
    message = shared.message(prompt, model=OLD, max_tokens=1_000)
    assert message["stop_reason"] == "model_context_window_exceeded"
    assert message["usage"]["input_tokens"] + message["usage"]["output_tokens"] == 200_000
