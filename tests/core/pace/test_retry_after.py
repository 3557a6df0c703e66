"""The wait that a server asks for; no headers and no body can raise an error."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.core.answers.outcome import Billing, Outcome, classify
from batcher.core.answers.response import Response
from batcher.core.answers.retry_after import retry_after_s


def classified(status: int, **headers: str) -> Outcome:
    """Classify an empty response; header names are given with underscores."""
    with_dashes = {name.replace("_", "-"): value for name, value in headers.items()}
    return classify(Response(status, with_dashes, b"", 1.0))


DATE = "Sun, 22 Nov 2026 10:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        pytest.param({}, None, id="nothing"),
        pytest.param({"retry_after": "30"}, 30.0, id="seconds"),
        pytest.param({"retry_after": "0"}, 0.0, id="zero"),
        pytest.param({"retry_after": " 1.5 "}, 1.5, id="fraction"),
        pytest.param({"retry_after_ms": "1500"}, 1.5, id="milliseconds"),
        pytest.param({"retry_after_ms": "5", "retry_after": "9"}, 0.005, id="milliseconds first"),
        pytest.param({"retry_after_ms": "x", "retry_after": "9"}, 9.0, id="invalid milliseconds"),
        pytest.param({"retry_after_ms": "-1", "retry_after": "9"}, 9.0, id="negative milliseconds"),
        pytest.param({"retry_after": "-1"}, None, id="negative"),
        pytest.param({"retry_after": "nan"}, None, id="nan"),
        pytest.param({"retry_after": "inf"}, None, id="infinite"),
        pytest.param({"retry_after": "soon"}, None, id="invalid"),
        pytest.param({"retry_after": ""}, None, id="empty"),
        pytest.param(
            {"retry_after": "Sun, 22 Nov 2026 10:01:30 GMT", "date": DATE}, 90.0, id="date"
        ),
        pytest.param(
            {"retry_after": "Sun, 22 Nov 2026 09:00:00 GMT", "date": DATE}, 0.0, id="past date"
        ),
        pytest.param({"retry_after": DATE}, None, id="no date to compare with"),
        pytest.param(
            {"retry_after": DATE, "date": "junk"}, None, id="invalid date to compare with"
        ),
        pytest.param(
            {"retry_after": "Sun, 22 Nov 2026 10:00:05 -0000", "date": DATE}, 5.0, id="no zone"
        ),
        pytest.param(
            {"retry_after": "Sun, 22 Nov 99999999999999999999 10:00:00 GMT", "date": DATE},
            None,
            id="impossible year",
        ),
        pytest.param(
            {"retry_after": f"{DATE[:-3]}+99999999999999999999", "date": DATE},
            None,
            id="impossible zone",
        ),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    """Milliseconds, then seconds, then a date minus the response's date; others are ignored."""
    assert classified(529, **headers).retry_after_s == seconds


@pytest.mark.parametrize("status", [400, 401])
def test_only_a_retry_has_a_wait(status: int) -> None:
    """An error that is not retried has no wait."""
    assert classified(status, retry_after="5").retry_after_s is None


HEADERS = st.dictionaries(
    st.sampled_from(["retry-after", "retry-after-ms", "date", "x-should-retry", "request-id"]),
    st.text(max_size=30)
    | st.integers().map(str)
    | st.floats().map(str)
    | st.from_regex(r"\w{3}, \d+ (Jan|Feb|Nov) \d+ \d+:\d+:\d+ ([+-]\d+|GMT)", fullmatch=True),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "type",
                    "error",
                    "message",
                    "content",
                    "stop_reason",
                    "stop_details",
                    "usage",
                    "text",
                ]
            ),
            inner | st.sampled_from(["error", "message", "text", "end_turn"]),
            max_size=4,
        )
    ),
    max_leaves=12,
)
STATUSES = st.sampled_from([200, 400, 429, 500]) | st.integers(100, 999)
ANY_FAULT = st.none() | st.sampled_from(["client.cut_short", "client.stream_error"])


@given(STATUSES, st.binary(max_size=60) | JSON.map(json.dumps).map(str.encode), HEADERS, ANY_FAULT)
def test_no_response_can_raise(
    status: int, body: bytes, headers: dict[str, str], fault: str | None
) -> None:
    """Arbitrary bytes and headers get a verdict, and only a complete message is billed."""
    outcome = classify(Response(status, headers, body, 1.0, fault=fault))
    assert (outcome.billing is Billing.BILLED) == (outcome.message is not None)
    assert outcome.message is None or (status < 300 and fault is None)
    assert outcome.retry_after_s is None or outcome.retry_after_s >= 0
    if status == 200:
        assert outcome.billing is not Billing.FREE


@given(HEADERS)
def test_a_wait_is_a_number_of_seconds_or_nothing(headers: dict[str, str]) -> None:
    """It is finite and not negative."""
    seconds = retry_after_s(Response(429, headers, b"", 0.0))
    assert seconds is None or 0 <= seconds < float("inf")
