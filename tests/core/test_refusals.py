"""What each model refuses is found before anything is sent."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from refusal_cases import NEW, OLD, TABLE, TODAY, refused_keys, request_body

from batcher.core.request.refusals import refusals

LIVE = [
    "claude-fable-5-2",
    "claude-mythos-5-2",
    "claude-fable-5-1",
    "claude-mythos-5-1",
    "claude-fable-5",
    "claude-mythos-5",
    "claude-opus-5-5",
    "claude-opus-5",
    "claude-opus-4-8",
    "claude-opus-4-7",
    "claude-opus-4-6",
    "claude-opus-4-5",
    "claude-sonnet-5-5",
    "claude-sonnet-5",
    "claude-sonnet-4-6",
    "claude-sonnet-4-5",
    "claude-haiku-5-5",
    "claude-haiku-4-5",
    "claude-mythos-preview",
]


@pytest.mark.parametrize("version", [OLD, NEW])
@pytest.mark.parametrize("model", LIVE)
def test_a_plain_request_is_never_refused(model: Any, version: Any) -> None:
    """A request without special settings passes for every model that is not retired."""
    assert refused_keys(request_body(), model, version) == []


# One row per model, copied by hand from the table of the API's documentation.
# sampling, prefill, accepted thinking, highest effort, xhigh, forced tools, region
ADAPTIVE = {"adaptive"}
CAPABILITIES = {
    "claude-fable-5-2": (False, False, ADAPTIVE, "max", True, False, True),
    "claude-mythos-5-2": (False, False, ADAPTIVE, "max", True, False, True),
    "claude-fable-5-1": (False, False, ADAPTIVE, "max", True, False, True),
    "claude-mythos-5-1": (False, False, ADAPTIVE, "max", True, False, True),
    "claude-fable-5": (False, False, ADAPTIVE, "max", True, True, True),
    "claude-mythos-5": (False, False, ADAPTIVE, "max", True, True, True),
    "claude-opus-5-5": (False, False, ADAPTIVE, "max", True, False, True),
    "claude-opus-5": (False, False, {"adaptive", "disabled"}, "max", True, True, True),
    "claude-opus-4-8": (False, False, {"adaptive", "disabled"}, "max", True, True, True),
    "claude-opus-4-7": (False, False, {"adaptive", "disabled"}, "max", True, True, True),
    "claude-opus-4-6": (True, False, {"adaptive", "enabled", "disabled"}, "max", False, True, True),
    "claude-opus-4-5": (True, True, {"enabled", "disabled"}, "high", False, True, False),
    "claude-sonnet-5-5": (False, False, {"adaptive", "between_tools"}, "max", True, False, True),
    "claude-sonnet-5": (False, False, {"adaptive", "disabled"}, "max", True, True, True),
    "claude-sonnet-4-6": (
        True,
        False,
        {"adaptive", "enabled", "disabled"},
        "max",
        False,
        True,
        True,
    ),
    "claude-sonnet-4-5": (True, True, {"enabled", "disabled"}, None, False, True, False),
    "claude-haiku-5-5": (False, False, {"adaptive", "disabled"}, "max", True, True, True),
    "claude-haiku-4-5": (True, True, {"enabled", "disabled"}, None, False, True, False),
    "claude-mythos-preview": (False, False, {"adaptive", "enabled"}, "max", False, True, None),
}


@pytest.mark.parametrize("model", LIVE)
def test_each_model_refuses_what_the_table_says(model: Any) -> None:
    """Sampling, prefill, thinking, effort, forced tools and region, as documented."""
    sampling, prefill, thinking, highest, xhigh, forced, region = CAPABILITIES[model]

    def accepts(**more: Any) -> Any:
        return refused_keys(request_body(**more), model) == []

    assert accepts(temperature=Decimal("0.7")) is sampling
    assert accepts(temperature=1)
    assert refused_keys(request_body(temperature=1), model, NEW) == ["temperature"]
    messages = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    assert accepts(messages=messages) is prefill
    for kind in ("adaptive", "enabled", "disabled", "between_tools"):
        budget = {"budget_tokens": 1024} if kind == "enabled" else {}
        assert accepts(thinking={"type": kind, **budget}) is (kind in thinking)
    efforts = {
        effort
        for effort in ("low", "medium", "high", "xhigh", "max")
        if accepts(output_config={"effort": effort})
    }
    expected = {"low", "medium", "high"} if highest else set()
    assert efforts == expected | ({highest} - {None}) | ({"xhigh"} if xhigh else set())
    assert accepts(tool_choice={"type": "any"}) is forced
    assert accepts(tool_choice={"type": "tool", "name": "x"}) is forced
    assert accepts(tool_choice={"type": "auto"})
    assert accepts(inference_geo="us") is (region is not False)
    has_warning = "inference_geo" in refused_keys(
        request_body(inference_geo="us"), model, severity="warning"
    )
    assert has_warning is (region is None)
    assert accepts(inference_geo=None)


HIGH_ONLY = [
    ("claude-opus-5", "disabled"),
    ("claude-haiku-5-5", "disabled"),
    ("claude-sonnet-5-5", "between_tools"),
]


@pytest.mark.parametrize(("model", "kind"), HIGH_ONLY)
@pytest.mark.parametrize(
    ("effort", "is_refused"), [("high", False), ("xhigh", True), ("max", True)]
)
def test_some_thinking_needs_effort_high_or_lower(
    model: Any, kind: Any, effort: Any, is_refused: Any
) -> None:
    """On these models thinking cannot be switched off at the highest efforts."""
    body = request_body(thinking={"type": kind}, output_config={"effort": effort})
    assert refused_keys(body, model) == (["thinking.type"] if is_refused else [])


@pytest.mark.parametrize(
    ("sampling", "refused"),
    [
        ({"temperature": 1}, []),
        ({"temperature": Decimal("1.0")}, []),
        ({"top_p": Decimal("0.99")}, []),
        ({"top_p": 0.99}, []),
        ({"top_p": 1}, ["top_p"]),
        ({"temperature": 0}, ["temperature"]),
        ({"top_k": 1}, ["top_k"]),
        ({"temperature": 1, "top_p": Decimal("0.99")}, ["top_p"]),
        ({"temperature": None}, []),
    ],
    ids=str,
)
def test_haiku_5_5_accepts_one_default_at_a_time(sampling: Any, refused: Any) -> None:
    """With the older version Haiku 5.5 accepts temperature 1 or top_p 0.99, nothing else."""
    assert refused_keys(request_body(**sampling), "claude-haiku-5-5") == refused


LIFE_CYCLES = {
    "retires in 8 days": ("claude-sonnet-4-5", TODAY, ["model"], []),
    "on its last day": ("claude-sonnet-4-5", date(2026, 11, 29), ["model"], []),
    "retired": ("claude-sonnet-4-5", date(2026, 11, 30), [], ["model"]),
    "deprecated": ("claude-sonnet-4-5", date(2026, 10, 1), ["model"], []),
    "deprecated without a day": ("claude-mythos-preview", TODAY, ["model", "model"], []),
    "not sooner than": ("claude-haiku-4-5", TODAY, [], []),
    "verified organisations": ("claude-mythos-5-2", TODAY, ["model"], []),
    "active": ("claude-haiku-5-5", TODAY, [], []),
}


@pytest.mark.parametrize(
    ("model", "today", "warned", "refused"), LIFE_CYCLES.values(), ids=LIFE_CYCLES
)
def test_the_life_cycle_of_a_model(model: Any, today: Any, warned: Any, refused: Any) -> None:
    """A retired model is an error; one that retires soon, or is not open to all, is a warning."""
    assert refused_keys(request_body(), model, severity="warning", today=today) == warned
    assert refused_keys(request_body(), model, today=today) == refused


def test_the_days_until_retirement_are_counted() -> None:
    """The warning has the date and the number of days."""
    (warning,) = refusals(request_body(), TABLE.facts("claude-sonnet-4-5"), OLD, today=TODAY)
    assert warning.message.endswith("retires on 2026-11-30, in 8 days")


def test_fast_mode_that_ends() -> None:
    """Opus 4.8 has fast mode until 30 November, with a warning in the month before."""
    options = {"betas": ["fast-mode-2026-02-01"]}
    body, model = request_body(speed="fast"), "claude-opus-4-8"
    end = date(2026, 11, 30)
    assert refused_keys(body, model, today=end - timedelta(1), **options) == []
    assert refused_keys(body, model, severity="warning", today=TODAY, **options) == ["speed"]
    assert refused_keys(body, model, today=end, **options) == ["speed"]


WARNED = {
    "enabled on 4.6": ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, "thinking.type"),
    "fast on opus 4.6": ({"speed": "fast"}, "speed"),
    "old format": ({"output_format": {"type": "json_schema"}}, "output_format"),
}


@pytest.mark.parametrize(("more", "key"), WARNED.values(), ids=WARNED)
def test_settings_that_still_work_are_warnings(more: Any, key: Any) -> None:
    """A setting that works but should not be used is a warning, not an error."""
    body = request_body(**more)
    assert refused_keys(body, "claude-opus-4-6", severity="warning") == [key]
    assert refused_keys(body, "claude-opus-4-6") == []
