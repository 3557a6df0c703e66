"""The pages of a list: ``limit``, ``after_id`` and ``before_id``."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from batcher.simulator.api_error import ApiError

DEFAULT_PAGE = 20
MAX_PAGE = 1_000


class _HasId(Protocol):
    @property
    def id(self) -> str: ...


Row = TypeVar("Row", bound=_HasId)


def page_of(
    rows: Sequence[Row], query: Mapping[str, list[str]], show: Callable[[Row], dict[str, Any]]
) -> dict[str, Any]:
    """Return the page of the rows that the query asks for; ``has_more`` is about its direction."""
    limit = _limit(query)
    ids = [row.id for row in rows]
    if "before_id" in query:
        end = _position(ids, query["before_id"][0])
        page, has_more = rows[max(0, end - limit) : end], end > limit
    else:
        start = _position(ids, query["after_id"][0]) + 1 if "after_id" in query else 0
        page, has_more = rows[start : start + limit], len(rows) > start + limit
    return {
        "data": [show(row) for row in page],
        "has_more": has_more,
        "first_id": page[0].id if page else None,
        "last_id": page[-1].id if page else None,
    }


def _limit(query: Mapping[str, list[str]]) -> int:
    text = query.get("limit", [str(DEFAULT_PAGE)])[0]
    if not text.isdecimal() or not 1 <= int(text) <= MAX_PAGE:
        raise ApiError(400, "limit: Input should be between 1 and 1000")
    return int(text)


def _position(ids: list[str], name: str) -> int:
    if name not in ids:
        raise ApiError(400, f"pagination: unknown id {name}")
    return ids.index(name)
