"""Answers follow from the seed and the body, and from nothing else."""

import copy
import random
from collections.abc import Callable
from typing import Any

import pytest
from simulator_bodies import Client, body_of

from batcher.simulator.model.seeded_random import Dice
from batcher.simulator.model.text import offered_options

Start = Callable[..., Client]
MARK = {"type": "ephemeral"}
OLD = "claude-haiku-4-5"
TOOL = {"name": "t", "input_schema": {"type": "object", "properties": {}}}


def gist(message: dict[str, Any]) -> tuple[Any, ...]:
    """Pick what must not differ between two attempts."""
    return message["content"], message["stop_reason"], message["usage"]["output_tokens"]


def test_arrival_order_does_not_matter(simulate: Start) -> None:
    """A run that is killed and repeated in another order gets the same answers."""
    prompts = [f"row {number}" for number in range(20)]
    first = simulate(seed=5)
    expected = {prompt: gist(first.message(prompt)) for prompt in prompts}
    random.Random(1).shuffle(prompts)
    second = simulate(seed=5)
    assert {prompt: gist(second.message(prompt)) for prompt in prompts} == expected


def test_other_seed_other_answers(simulate: Start) -> None:
    """Another seed answers differently."""
    assert gist(simulate(seed=1).message()) != gist(simulate(seed=2).message())


def test_key_order_and_marks_do_not_matter(shared: Client) -> None:
    """Key order, cache marks and ``stream`` leave the answer alone."""
    block = {"type": "text", "text": "Tell me more."}
    plain = body_of(system=[block], messages=[{"role": "user", "content": [block]}])
    marked = copy.deepcopy(dict(reversed(plain.items())))
    marked["system"][0]["cache_control"] = MARK
    marked["messages"][0]["content"][0]["cache_control"] = MARK | {"ttl": "5m"}
    expected = gist(shared.send(plain).json())
    assert gist(shared.send(marked).json()) == expected
    assert gist(shared.send(plain | {"cache_control": MARK}).json()) == expected
    assert gist(shared.send(plain | {"max_tokens": 2_001}).json()) != expected


def test_data_called_cache_control_matters(shared: Client) -> None:
    """A key of that name inside a schema is data, not a mark."""

    def asking(name: str) -> dict[str, Any]:
        schema = {"type": "object", "additionalProperties": False, "required": [name],
                  "properties": {name: {"type": "integer"}}}  # fmt: skip
        return shared.message(output_config={"format": {"type": "json_schema", "schema": schema}})

    assert '"cache_control": ' in asking("cache_control")["content"][1]["text"]


def test_message_ids_differ(shared: Client) -> None:
    """Each attempt has its own message id, so nothing can lean on them."""
    assert shared.message()["id"] != shared.message()["id"]


def test_dice_are_stable() -> None:
    """The stream of choices is the same in every process and version: answers are recorded."""
    dice = Dice(7, "answer", "x")
    assert [dice.below(1_000) for _ in range(5)] == [225, 133, 142, 652, 875]


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
    """The last list of options in a prompt is found, and nothing else is taken for one."""
    assert list(offered_options(prompt)) == options


def test_thinking_by_model_and_wish(shared: Client) -> None:
    """Thinking is on by default on current models, off on older ones, and can be shown."""
    shown = {"type": "adaptive", "display": "summarized"}
    manual = {"type": "enabled", "budget_tokens": 1_024}
    cases = [
        ({}, True, False),
        ({"thinking": shown}, True, True),
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


def test_effort_costs_thinking(shared: Client) -> None:
    """More effort thinks longer on the whole."""

    def thought(effort: str) -> int:
        return sum(
            shared.message(f"{row}", output_config={"effort": effort})["usage"][
                "output_tokens_details"]["thinking_tokens"] for row in range(20)
        )  # fmt: skip

    assert thought("low") < thought("medium") < thought("max")


@pytest.mark.parametrize("most", [1, 5, 20, 60])
def test_max_tokens_is_a_hard_limit(shared: Client, most: int) -> None:
    """Output never exceeds ``max_tokens``; what is cut says so, and may lack any text."""
    for row in range(10):
        message = shared.message(f"row {row}", max_tokens=most)
        whole = shared.message(f"row {row}")
        assert message["usage"]["output_tokens"] <= most
        if message["stop_reason"] == "max_tokens":
            assert message["usage"]["output_tokens"] == most
        assert whole["stop_reason"] == "end_turn"
    assert shared.message("[[tokens:30]]", max_tokens=1)["content"][-1]["type"] == "thinking"


def test_markers(shared: Client) -> None:
    """Markers in the last user message call up the awkward endings."""
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
def test_senseless_markers(shared: Client, marker: str) -> None:
    """Text that merely looks like a marker does no harm."""
    details = shared.message(marker)["stop_details"]
    assert details is None or details["category"] != "rude"


def test_markers_count_in_the_last_user_message_only(shared: Client) -> None:
    """A rubric that quotes a marker does not refuse every row."""
    assert shared.message("x", system="[[refuse]]")["stop_reason"] == "end_turn"


def test_refusal_rate(simulate: Start) -> None:
    """About the set share is refused, the same rows each time."""
    client = simulate(seed=2, refusal_rate=0.3)
    first = [client.message(f"{row}")["stop_reason"] for row in range(60)]
    assert 8 <= first.count("refusal") <= 30
    assert [client.message(f"{row}")["stop_reason"] for row in range(60)] == first


def test_stop_sequences(shared: Client) -> None:
    """The text ends before the sequence that occurs first, which is named."""
    quiet = {"thinking": {"type": "disabled"}}
    text = shared.message("Speak.", **quiet)["content"][0]["text"]
    message = shared.message("Speak.", stop_sequences=["zzz", " "], **quiet)
    assert (message["stop_reason"], message["stop_sequence"]) == ("stop_sequence", " ")
    assert " " not in message["content"][0]["text"]
    assert text


def test_tool_choice(shared: Client) -> None:
    """``any`` and ``tool`` force a call, ``none`` forbids it, ``auto`` leaves it to the dice."""

    def stops(kind: str) -> set[str]:
        choice = {"type": kind} | ({"name": "t"} if kind == "tool" else {})
        return {
            shared.message(f"{row}", tools=[TOOL], tool_choice=choice)["stop_reason"]
            for row in range(15)
        }

    assert stops("any") == stops("tool") == {"tool_use"}
    assert stops("none") == {"end_turn"}
    assert stops("auto") == {"tool_use", "end_turn"}


def test_prewarm(shared: Client) -> None:
    """``max_tokens: 0`` generates nothing."""
    message = shared.message(max_tokens=0)
    assert (message["content"], message["stop_reason"]) == ([], "max_tokens")
    assert message["usage"]["output_tokens"] == 0


def test_context_window(shared: Client) -> None:
    """What does not fit the window any more ends the answer there."""
    prompt = "x" * (200_000 * 34 // 10 - 40) + "[[tokens:100]]"
    message = shared.message(prompt, model=OLD, max_tokens=1_000)
    assert message["stop_reason"] == "model_context_window_exceeded"
    assert message["usage"]["input_tokens"] + message["usage"]["output_tokens"] == 200_000
