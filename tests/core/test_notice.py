"""The event and the text of a notice for each ending of a run."""

import json
from dataclasses import replace
from decimal import Decimal

import pytest
from run_summaries import NOON, SUMMARY, run_summary

from batcher.core.notice import Notice, event_of


@pytest.mark.parametrize(
    ("code", "event"),
    [
        *((code, "finish") for code in (0, 3)),
        *((code, "failure") for code in (1, 2, 4, 5, 7, 8, 9, 10)),
        (6, "budget"),
        *((code, None) for code in (130, 143)),
    ],
)
def test_every_ending_except_an_interruption_is_an_event(code: int, event: str | None) -> None:
    """A run that needs attention is a failure; an interruption needs no notice."""
    assert event_of(code) == event


def test_a_notice_describes_the_run_in_one_line() -> None:
    """Chat programs show ``text``: the ending, the rows, the money and the next command."""
    by_status = {"succeeded": 1198, "errored": 2}
    rows = replace(SUMMARY.rows, total=1200, by_status=by_status)
    summary = run_summary(rows=rows, usd=replace(SUMMARY.usd, spent=Decimal("1.2345")))
    notice = Notice("finish", "nightly", "R", 3, "/s", summary, NOON, NOON, "batcher failures j")
    assert notice.text == (
        "nightly: finished; not every row succeeded (exit 3); "
        "1,200 rows, 2 errored, 1,198 succeeded; $1.23 spent. Next: batcher failures j"
    )
    content = json.loads(json.dumps(notice.content()))
    assert list(content) == [
        "text", "event", "job", "run_id", "exit_code", "state", "rows", "usd", "started", "ended",
        "next",
    ]  # fmt: skip
    assert content["rows"]["by_status"] == by_status
    assert content["usd"]["spent"] == "1.2345"
    assert content["ended"] == "2026-01-02T12:00:00+00:00"


def test_a_run_that_did_not_start_has_no_figures() -> None:
    """Unknown figures are left out, not shown as 0."""
    notice = Notice("failure", "j", "R", 2, "/s", None, NOON, NOON, "batcher run j")
    assert notice.text == (
        "j: not started: the job file or the input is wrong (exit 2). Next: batcher run j"
    )
    assert notice.content()["rows"] is None
