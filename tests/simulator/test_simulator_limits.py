"""Rate limits: three token buckets for each group of models, refilled continuously."""

from collections.abc import Callable

import pytest
from simulator_bodies import Client, body_of

from batcher.simulator.api_error import ApiError
from batcher.simulator.billing.rate_limits import Limits, Spacing
from batcher.simulator.settings import LIMIT_HEADERS

Start = Callable[..., Client]
START = 1_700_000_000.0


def refusal(limits: Limits, tokens: int, now: float) -> ApiError:
    """Return the 429 that a request gets."""
    with pytest.raises(ApiError) as error:
        limits.admit(tokens, now)
    assert error.value.status == 429
    return error.value


def test_requests_refill_continuously() -> None:
    """After the burst, one more request passes every 60/limit seconds, not once a minute."""
    limits = Limits((60, 10**9, 10**9), burst=1 / 30, now=START)
    limits.admit(0, START)
    limits.admit(0, START)
    assert refusal(limits, 0, START).headers["retry-after"] == "1"
    limits.admit(0, START + 1)
    refusal(limits, 0, START + 1.5)


def test_input_tokens() -> None:
    """Input is charged at the start of the request; the wait is exact, in whole seconds."""
    limits = Limits((10**6, 6_000, 10**9), burst=1, now=START)
    limits.admit(6_000, START)
    error = refusal(limits, 250, START)
    assert error.headers["retry-after"] == "3"
    assert "6,000 input tokens per minute" in error.message
    refusal(limits, 250, START + 2.4)
    limits.admit(250, START + 2.5)


def test_output_can_exceed_the_bucket() -> None:
    """Produced output is charged, not ``max_tokens``; the next request waits for the refill."""
    limits = Limits((10**6, 10**9, 600), burst=1, now=START)
    limits.admit(1, START)
    limits.charge_output(700)
    assert "output tokens" in refusal(limits, 1, START).message
    limits.admit(1, START + 10.2)


def test_a_request_above_the_limit() -> None:
    """It never passes; each refusal has a ``retry-after``."""
    limits = Limits((100, 1_000, 1_000), burst=1, now=START)
    assert int(refusal(limits, 1_001, START + 600).headers["retry-after"]) >= 1


def test_headers() -> None:
    """They show limit, remaining amount (tokens in thousands) and time of full refill."""
    limits = Limits((60, 100_000, 10_000), burst=1, now=START)
    limits.admit(40_600, START)
    limits.charge_output(5_400)
    headers = limits.headers(START)
    assert {key.removeprefix("anthropic-ratelimit-"): value for key, value in headers.items()} == {
        "requests-limit": "60",
        "requests-remaining": "59",
        "requests-reset": "2023-11-14T22:13:21Z",
        "input-tokens-limit": "100000",
        "input-tokens-remaining": "59000",
        "input-tokens-reset": "2023-11-14T22:13:45Z",
        "output-tokens-limit": "10000",
        "output-tokens-remaining": "5000",
        "output-tokens-reset": "2023-11-14T22:13:53Z",
        "tokens-limit": "110000",
        "tokens-remaining": "64000",
        "tokens-reset": "2023-11-14T22:13:53Z",
    }


def test_over_the_wire(simulate: Start) -> None:
    """A model above its limit returns an unbilled 429; other groups of models are not affected."""
    client = simulate(requests_per_minute=2)
    statuses = [client.send(body_of()).status_code for _ in range(3)]
    assert statuses == [200, 200, 429]
    response = client.send(body_of())
    assert 1 <= int(response.headers["retry-after"]) <= 30
    assert response.headers["anthropic-ratelimit-requests-remaining"] == "0"
    assert client.send(body_of(model="claude-opus-4-6")).status_code == 200
    assert client.send(body_of(model="claude-opus-4-8")).status_code == 200
    assert client.send(body_of(model="claude-opus-4-5")).status_code == 429
    assert client.totals["answered"] == 4


def test_cache_reads_do_not_count(simulate: Start) -> None:
    """Tokens read from the cache are not charged to the input bucket."""
    client = simulate(input_tokens_per_minute=1_500)
    long = body_of("word " * 500, cache_control={"type": "ephemeral"})
    assert [client.send(long).status_code for _ in range(5)] == [200] * 5
    assert client.send(body_of("drow " * 500)).status_code == 429


def test_unlimited_by_default(shared: Client) -> None:
    """Without limits, the headers are still sent."""
    response = shared.send(body_of())
    assert int(response.headers["anthropic-ratelimit-requests-remaining"]) > 10**8
    assert response.headers["anthropic-organization-id"]


@pytest.mark.parametrize("burst", [1, 5, 20])
def test_a_spacing_refuses_whatever_the_headers_tell(burst: int) -> None:
    """One request each 50 ms, and a few at once; a refusal takes nothing."""
    limits = Limits((10**6, 10**9, 10**9), 1.0, START, Spacing(0.05, burst))
    for _ in range(burst):
        limits.admit(0, START)
    assert refusal(limits, 0, START + 0.049).headers["retry-after"] == "1"
    limits.admit(0, START + 0.05)
    refusal(limits, 0, START + 0.051)
    for second in (2, 4, 6):
        for _ in range(burst):
            limits.admit(0, START + second)
        refusal(limits, 0, START + second)


def test_headers_can_tell_too_much_or_nothing() -> None:
    """Of 100 a minute 97 remain, or always all, or there are no headers; also when refused."""
    shown = {}
    for claim in LIMIT_HEADERS:
        limits = Limits((100, 10**9, 10**9), 1.0, START, Spacing(0.001, 3, claim))
        for _ in range(3):
            limits.admit(0, START)
        refused = refusal(limits, 0, START).headers
        shown[claim] = limits.headers(START).get("anthropic-ratelimit-requests-remaining")
        assert refused.get("anthropic-ratelimit-requests-remaining") == shown[claim]
        assert refused["retry-after"] == "1"
    assert shown == {"minute": "97", "plenty": "100", "nothing": None}
