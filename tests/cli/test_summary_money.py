"""What the end of a run says of its money: estimate against actual, waste, and what is odd."""

from collections.abc import Mapping
from typing import Any

import pytest

from batcher.cli.summary import summary
from batcher.core.pace.halt import Halt
from batcher.runner.options import RunResult

ESTIMATE = {"expected": "12.1", "low": "11.2", "high": "13.1", "worst": "40"}
NOTHING = {"failed": 0, "repeated": 0, "unknown": 0, "released": 0}
LINE = {"model": "m", "delivery": "live", "rates": "standard", "quantity": None, "usd": "-0.0001"}


def said(sent: int = 10, **changes: Any) -> list[str]:
    """The lines about a run that was to send ten requests."""
    record: dict[str, Any] = {
        "plan": {"to_send": 10},
        "rows": {"sent": sent},
        "attempts": {"sent": sent, "unknown": 0},
        "usd": {"spent": "11.95", "unknown": "0", "cache_saved": "0", "estimate": ESTIMATE},
        "tokens": {"input_tokens": 1, "output_tokens": 1, "cache_read_input_tokens": 0},
        "is_simulated": False,
        "waste": wasted(),
        "repairs": {"attempts": 0, "usd": "0"},
        "checkpoint": {"bill": []},
    }
    halt = Halt(6, "budget reached", None)
    result = RunResult(6, "run", {**record, **changes}, None, halt)
    return list(summary(result, "batcher run job.toml"))


def wasted(failed_usd: str = "0", repeated_usd: str = "0", **attempts: int) -> Mapping[str, Any]:
    """Waste as in run.json."""
    return {
        "failed_usd": failed_usd,
        "repeated_usd": repeated_usd,
        "attempts": NOTHING | attempts,
    }


@pytest.mark.parametrize(
    ("sent", "line"),
    [
        (10, "estimate $12.10 ($11.20 to $13.10), actual $11.95"),
        (4, "estimate $12.10 ($11.20 to $13.10) for 10 requests; $11.95 for the 4 that were sent"),
    ],
)
def test_the_estimate_is_compared_with_what_came(sent: int, line: str) -> None:
    """A run that stopped early is not measured by the estimate of all of it."""
    assert line in said(sent)


def test_a_run_without_an_estimate_compares_nothing() -> None:
    """A retry has none."""
    usd = {"spent": "1", "unknown": "0", "cache_saved": "0", "estimate": None}
    assert not [line for line in said(usd=usd) if line.startswith("estimate")]


def test_waste_is_said_when_there_is_some() -> None:
    """What failed and what was repeated, with their attempts; nothing when nothing was wasted."""
    assert not [line for line in said() if line.startswith("waste")]
    both = wasted("0.25", "0.06", failed=1, repeated=1200)
    assert (
        "waste  $0.25 for 1 attempt of rows without a good answer; "
        "$0.06 for 1,200 attempts of rows that another attempt answered" in said(waste=both)
    )
    free = wasted(failed=3)
    assert not [line for line in said(waste=free) if line.startswith("waste")]


def test_repairs_are_said_apart() -> None:
    """They are no waste where the row got its answer by them."""
    assert not [line for line in said() if line.startswith("repairs")]
    repairs = {"attempts": 3, "usd": "0.25"}
    assert "repairs $0.25 for 3 attempts that asked again with a complaint" in said(repairs=repairs)


def test_a_bill_that_does_not_add_up_is_a_warning() -> None:
    """Whatever run it comes from, and in whichever direction."""
    bill = [{**LINE, "kind": "input"}, {**LINE, "kind": "unexplained"}]
    (line,) = [line for line in said(checkpoint={"bill": bill}) if line.startswith("warning")]
    assert line.startswith("warning  $-0.0001 of what m was billed is not explained")
