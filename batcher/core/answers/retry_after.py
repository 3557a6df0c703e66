"""How long a server wants a client to wait, from the headers of its response."""

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from batcher.core.answers.response import Response


def retry_after_s(response: Response) -> float | None:
    """Return the seconds to wait: from ``retry-after-ms``, else seconds, else an HTTP date.

    A date is compared with the ``date`` of the response, because the local clock may be wrong.
    Negative, infinite and unreadable values are None.
    """
    headers = response.headers
    milliseconds = _finite(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    value = headers.get("retry-after")
    seconds = _finite(value)
    if seconds is not None or value is None:
        return seconds
    then, now = _http_date(value), _http_date(headers.get("date"))
    if then is None or now is None:
        return None
    return max(0.0, (then - now).total_seconds())


def _finite(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _http_date(text: str | None) -> datetime | None:
    try:
        date_time = parsedate_to_datetime(text or "")
    except (ValueError, OverflowError):
        return None
    return date_time if date_time.tzinfo else date_time.replace(tzinfo=UTC)
