"""Decides whether a batch was created whose create call left no answer.

A batch has no name of ours before it has ended: only its number of requests, its time and its place
in the listing. Its results have our marker. So nothing is adopted before one of its results was
read, and nothing is sent again while a batch that may be ours is in progress.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from batcher.core.answers.gateway import TIMEOUTS_4XX
from batcher.core.answers.response import NoResponse, Response
from batcher.core.batches.wire import BatchObject

_CLOCK_ERROR = timedelta(days=1)  # how far our clock may be from the API's

# A timeout, or a conflict with what is going on: the request may have been passed on.
_NOT_A_REFUSAL = TIMEOUTS_4XX | {409}


class Unconfirmed(Protocol):
    """A batch whose intent is recorded, and no answer to its create call."""

    @property
    def requests(self) -> int: ...  # noqa: D102
    @property
    def newest_id(self) -> str | None: ...  # noqa: D102
    @property
    def made_at(self) -> datetime: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Inspect:
    """Read one result of this ended batch: it is ours if its id has our marker.

    If it is not, decide again with this id among the known ones.
    """

    id: str


@dataclass(frozen=True, slots=True)
class Wait:
    """One of these batches may be ours, but none of them has ended: look again later."""

    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LookAgain:
    """No batch can be ours, but a listing may be late: list again after these seconds."""

    after_s: float


@dataclass(frozen=True, slots=True)
class Absent:
    """The batch was never created: its requests may be sent again."""


@dataclass(frozen=True, slots=True)
class Gone:
    """One of these batches may be ours, and their results are gone: nobody can know any more."""

    ids: tuple[str, ...]


Match = Inspect | Wait | LookAgain | Absent | Gone


def was_refused(result: Response | NoResponse) -> bool:
    """Return whether a create call certainly created no batch.

    An error of the server is no refusal, not even one in the API's own form: batches were seen that
    exist and are billed although their create call failed.
    """
    if isinstance(result, NoResponse):
        return not result.was_sent or result.is_cut
    return 300 <= result.status < 500 and result.status not in _NOT_A_REFUSAL


def match(
    batch: Unconfirmed,
    listed: Sequence[BatchObject],
    known_ids: Collection[str],
    now: float,
    first_looked_at: float | None,
    settle_s: float,
) -> Match:
    """Decide about a batch from the API's listing, the newest first.

    ``listed`` goes back at least to the batch's ``newest_id``, or to a day before it was made.
    ``known_ids`` are the batches that are certainly others: the job's own, and those whose result
    was read. ``first_looked_at`` is when a listing first showed no candidate, None before; times
    are seconds of any monotonic clock. Two listings at least ``settle_s`` apart must both lack a
    batch that counts as absent, because a new one may be listed late.
    """
    found = list(_candidates(batch, listed, known_ids))
    ended = [other for other in found if other.has_ended]
    if readable := [other for other in ended if other.archived_at is None]:
        return Inspect(readable[0].id)
    if running := tuple(other.id for other in found if other not in ended):
        return Wait(running)
    if ended:
        return Gone(tuple(other.id for other in ended))
    waited_s = 0.0 if first_looked_at is None else now - first_looked_at
    return Absent() if waited_s >= settle_s else LookAgain(settle_s - waited_s)


def _candidates(
    batch: Unconfirmed, listed: Sequence[BatchObject], known_ids: Collection[str]
) -> Iterator[BatchObject]:
    """Yield the batches that may be this one: newer than those before it, and of its size."""
    is_bounded = batch.newest_id in {other.id for other in listed}
    for other in listed:
        if is_bounded and other.id == batch.newest_id:
            return
        is_near = abs(other.created_at - batch.made_at) <= _CLOCK_ERROR
        if other.id not in known_ids and other.total == batch.requests and is_near:
            yield other
