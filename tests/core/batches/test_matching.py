"""Whose batch it is: nothing is adopted unread, nothing is sent again while it may exist."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.core.answers.response import NoResponse, Response
from batcher.core.batches.matching import (
    Absent,
    Gone,
    Inspect,
    LookAgain,
    Wait,
    match,
    was_refused,
)
from batcher.core.batches.wire import BatchCounts, BatchObject

MADE_AT = datetime(2026, 11, 30, 22, 0, tzinfo=UTC)

SETTLE_S = 60.0


@dataclass(frozen=True)
class Intent:
    """A batch without an answer to its create call."""

    requests: int = 500
    newest_id: str | None = None
    made_at: datetime = MADE_AT


def listed_batch(
    name: str = "ours",
    status: str = "in_progress",
    total: int = 500,
    created_at: datetime = MADE_AT + timedelta(seconds=9),
    archived_at: datetime | None = None,
) -> BatchObject:
    """Return a batch of a listing."""
    counts = BatchCounts(total, 0, 0, 0, 0)
    expires_at = created_at + timedelta(days=1)
    return BatchObject(name, status, counts, created_at, expires_at, archived_at=archived_at)


OURS = listed_batch()


def test_an_ended_batch_of_this_size_is_read() -> None:
    """Its result tells whose it is; what was read and is another's is not read again."""
    listed = [replace(OURS, id="other", processing_status="ended"), OURS]
    assert match(Intent(), listed, (), 0.0, None, SETTLE_S) == Inspect("other")
    assert match(Intent(), listed, {"other"}, 0.0, None, SETTLE_S) == Wait(("ours",))


@pytest.mark.parametrize("status", ["in_progress", "canceling", "status_of_the_future"])
def test_a_batch_that_may_be_ours_is_waited_for(status: str) -> None:
    """However long it takes: it is neither adopted nor sent again."""
    listed = [replace(OURS, processing_status=status), replace(OURS, id="too")]
    assert match(Intent(), listed, (), 1e6, 0.0, SETTLE_S) == Wait(("ours", "too"))


def test_results_that_are_gone_are_shown() -> None:
    """An archived batch tells nothing, so a person decides; one that can be read is read first."""
    gone = replace(OURS, id="gone", processing_status="ended", archived_at=MADE_AT)
    assert match(Intent(), [gone], (), 1e6, 0.0, SETTLE_S) == Gone(("gone",))
    assert match(Intent(), [gone, OURS], (), 1e6, 0.0, SETTLE_S) == Wait(("ours",))
    ended = replace(OURS, processing_status="ended")
    assert match(Intent(), [gone, ended], (), 1e6, 0.0, SETTLE_S) == Inspect("ours")


@pytest.mark.parametrize(
    "listed",
    [
        [],
        [listed_batch(total=499)],
        [replace(OURS, created_at=MADE_AT - timedelta(days=2))],
        [replace(OURS, created_at=MADE_AT + timedelta(days=2))],
        [listed_batch("newest", total=1), OURS],
        [replace(OURS, id="known")],
    ],
)
def test_without_a_candidate_two_listings_have_to_agree(listed: list[BatchObject]) -> None:
    """Another size, another day, older than what was there before, known: none of these is ours."""
    batch = Intent(newest_id="newest")
    assert match(batch, listed, {"known"}, 50.0, None, SETTLE_S) == LookAgain(SETTLE_S)
    assert match(batch, listed, {"known"}, 70.0, 50.0, SETTLE_S) == LookAgain(SETTLE_S - 20)
    assert match(batch, listed, {"known"}, 50.0 + SETTLE_S, 50.0, SETTLE_S) == Absent()


@given(st.data())
def test_our_batch_is_never_missed(data: st.DataObject) -> None:
    """While our batch is listed among others, whatever is known of them, nothing is sent again."""
    names = [f"other{number}" for number in range(data.draw(st.integers(0, 6)))]
    status = st.sampled_from(["in_progress", "canceling", "ended"])
    hours = st.integers(-20, 20)
    others = [
        listed_batch(
            name,
            data.draw(status),
            data.draw(st.sampled_from([500, 7])),
            MADE_AT + timedelta(hours=data.draw(hours)),
            data.draw(st.sampled_from([None, MADE_AT])),
        )
        for name in names
    ]
    ours = listed_batch("ours", data.draw(status), 500, MADE_AT + timedelta(hours=data.draw(hours)))
    place = data.draw(st.integers(0, len(others)))
    newest = data.draw(st.sampled_from([None, "deleted", *names[place:]]))
    listed = [*others[:place], ours, *others[place:]]
    known = set(data.draw(st.lists(st.sampled_from(names)))) if names else set()
    found: object = None
    for _ in range(len(listed) + 1):  # every inspected batch that is not ours becomes known
        found = match(Intent(newest_id=newest), listed, known, 1e6, 0.0, SETTLE_S)
        if not isinstance(found, Inspect) or found.id == "ours":
            break
        assert found.id not in known
        known.add(found.id)
    if ours.processing_status == "ended":
        assert found == Inspect("ours")
    else:
        assert isinstance(found, Wait)
        assert "ours" in found.ids


@pytest.mark.parametrize(
    ("status", "refused"),
    [
        (400, True), (401, True), (403, True), (404, True), (413, True), (429, True), (307, True),
        (200, False), (201, False), (408, False), (409, False), (460, False), (499, False),
        (500, False), (502, False), (503, False), (504, False), (529, False),
    ],
)  # fmt: skip
def test_only_a_refusal_created_nothing(status: int, refused: bool) -> None:
    """An error of the server may hide a batch, even when it has the API's own form."""
    body = b'{"type":"error","error":{"type":"api_error","message":"x"}}'
    assert was_refused(Response(status, {}, body, 1.0)) == refused


@pytest.mark.parametrize(
    ("was_sent", "is_cut", "refused"),
    [(False, False, True), (True, True, True), (True, False, False)],
)
def test_a_lost_answer_is_no_refusal(was_sent: bool, is_cut: bool, refused: bool) -> None:
    """Only a request that did not arrive as a whole created nothing."""
    result = NoResponse("client.connection", "x", was_sent, 1.0, is_cut=is_cut)
    assert was_refused(result) == refused
