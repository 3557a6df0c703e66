"""Each attempt is recorded before and after it, retried as decided, and never after a stop."""

import asyncio
from collections import Counter
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from sending import (
    COMMIT_S,
    LATENCY_S,
    MODEL,
    PRICES,
    RESET,
    UNSENT,
    FakeApi,
    FakeRecorder,
    Harness,
    failed,
    good,
    pending,
)
from virtual_time import now, run

from batcher.core.answers.outcome import Status
from batcher.core.answers.response import NoResponse, Response
from batcher.core.job import LimitsSection
from batcher.core.pace.retry import Retry, Stop
from batcher.runner.sending.context import AttemptResult
from batcher.runner.sending.sender import Sender


def send_scripted(
    *script: Response | NoResponse, unknown: int = 0
) -> tuple[Harness, AttemptResult | None]:
    """Send one request that gets these responses; return its last result."""

    async def main() -> tuple[Harness, AttemptResult | None]:
        harness = Harness(FakeApi({0: list(script)}))
        result = await Sender(0, harness.ctx).send(pending(unknown=unknown))
        await asyncio.gather(*harness.ctx.in_flight.unrecorded)
        return harness, result

    return run(main())


def test_an_intent_is_durable_before_its_request_is_sent() -> None:
    """Of 20 requests at once, none is sent before its intent is committed."""

    async def main() -> None:
        recorder = FakeRecorder()

        def check(number: int) -> None:
            committed = {int.from_bytes(i.fingerprint, "big") for i in recorder.intents}
            assert number in committed

        harness = Harness(FakeApi(on_send=check), recorder)
        senders = [Sender(n, harness.ctx).send(pending(n)) for n in range(20)]
        await asyncio.gather(*senders)
        assert {sent_at for _, sent_at in harness.api.sent} == {COMMIT_S}

    run(main())


def test_a_response_is_recorded_in_full() -> None:
    """The record has the status, usage, exact cost, ids and raw bytes of the response."""
    response = good("hallo", **{"request-id": "req_1"})
    harness, result = send_scripted(response)
    (intent,), (outcome,) = harness.recorder.intents, harness.recorder.outcomes
    assert (intent.attempt_id, intent.run_id, intent.model) == (1, "run", MODEL)
    assert intent.worst_case_usd == Decimal("0.5")
    assert intent.fingerprint == outcome.fingerprint == pending().fingerprint
    assert (outcome.attempt_id, outcome.is_final, outcome.status) == (1, True, "succeeded")
    assert (outcome.billing, outcome.http_status, outcome.body) == ("billed", 200, response.body)
    assert (outcome.request_id, outcome.message_id, outcome.model) == ("req_1", "msg", MODEL)
    assert (outcome.input_tokens, outcome.output_tokens) == (100, 10)
    rates = PRICES.model(MODEL).standard
    assert outcome.cost_usd == (100 * rates.input + 10 * rates.output) / 1_000_000
    assert (outcome.latency_s, outcome.ttft_s) == (LATENCY_S, 0.5)
    assert result is not None
    assert result.outcome.status is Status.SUCCEEDED


def test_every_attempt_is_recorded() -> None:
    """Failed attempts are recorded too, each with its own intent."""
    harness, _ = send_scripted(failed(529), UNSENT, RESET, good())
    assert [intent.attempt_id for intent in harness.recorder.intents] == [1, 2, 3, 4]
    records = [
        (o.attempt_id, o.is_final, o.billing, o.http_status, o.error_type, o.cost_usd)
        for o in harness.recorder.outcomes
    ]
    cost = harness.recorder.outcomes[-1].cost_usd
    assert records == [
        (1, False, "free", 529, "error_529", 0),
        (2, False, "free", None, "client.connect", 0),
        (3, False, "unknown", None, "client.reset", None),
        (4, True, "billed", 200, None, cost),
    ]


@pytest.mark.parametrize(
    ("script", "unknown", "sends", "reason"),
    [
        pytest.param([good()], 0, 1, "final", id="a response"),
        pytest.param([failed(400)], 0, 1, "final", id="a bad request"),
        pytest.param([failed(401)], 0, 1, "halt", id="a wrong key"),
        pytest.param([failed(500)], 0, 4, "attempts", id="attempts run out"),
        pytest.param([RESET], 0, 3, "unknown_attempts", id="the unknown allowance runs out"),
        pytest.param([RESET], 2, 1, "unknown_attempts", id="earlier runs count"),
        pytest.param([*[UNSENT] * 50, good()], 0, 51, "final", id="never sent"),
        pytest.param([*[failed(429)] * 50, good()], 0, 51, "final", id="rate limited"),
    ],
)
def test_how_often_a_request_is_sent(
    script: list[Any], unknown: int, sends: int, reason: str
) -> None:
    """A request is sent as often as its allowances permit, and no more."""
    harness, result = send_scripted(*script, unknown=unknown)
    assert len(harness.api.sent) == sends
    assert result is not None
    assert result.decision == Stop(reason)


def test_waits_between_attempts() -> None:
    """Backoff grows, and no wait is shorter than ``retry-after``."""
    harness, _ = send_scripted(failed(500), failed(500), failed(529, retry_after="40"), good())
    starts = harness.api.times()
    waits = [later - earlier - LATENCY_S - COMMIT_S for earlier, later in pairwise(starts)]
    assert waits == pytest.approx([0.5, 1.0, 42.0])


def test_repeated_429s_without_a_wait_are_backed_off() -> None:
    """With 429 and ``retry-after: 0`` again and again, waits grow to at least 30 s."""
    harness, _ = send_scripted(*[failed(429, retry_after="0")] * 12, good())
    starts = harness.api.times()
    assert starts[-1] - starts[-2] >= 30


def test_a_429_pauses_every_request() -> None:
    """After a 429 no request is sent before its ``retry-after`` is over."""

    async def main() -> Harness:
        harness = Harness(FakeApi({0: [failed(429, retry_after="30"), good()]}))
        first = asyncio.create_task(Sender(0, harness.ctx).send(pending(0)))
        await asyncio.sleep(2)
        await asyncio.gather(*(Sender(n, harness.ctx).send(pending(n)) for n in range(1, 9)))
        await first
        return harness

    harness = run(main())
    assert len(harness.api.sent) == 10
    assert sorted(sent_at for _, sent_at in harness.api.sent)[1] >= LATENCY_S + 30


def test_two_overloads_with_retry_after_pause_every_request() -> None:
    """After two 529s in a row no request is sent before their ``retry-after`` is over."""

    async def main() -> Harness:
        overload = failed(529, retry_after="30")
        harness = Harness(FakeApi({0: [overload, good()], 1: [overload, good()]}))
        tasks = []
        for number in range(3):
            tasks.append(asyncio.create_task(Sender(number, harness.ctx).send(pending(number))))
            await asyncio.sleep(2)
        await asyncio.gather(*tasks)
        return harness

    assert sorted(sent_at for _, sent_at in run(main()).api.sent)[2] >= LATENCY_S + 30


def test_a_single_overload_with_retry_after_pauses_no_other_request() -> None:
    """The wish of one 529 holds its own request; the next one is sent and answered."""

    async def main() -> Harness:
        harness = Harness(FakeApi({0: [failed(529, retry_after="30"), good()]}))
        first = asyncio.create_task(Sender(0, harness.ctx).send(pending(0)))
        await asyncio.sleep(2)
        await Sender(1, harness.ctx).send(pending(1))
        assert now() < 4
        await first
        return harness

    assert sorted(sent_at for _, sent_at in run(main()).api.sent)[2] >= LATENCY_S + 30


def test_a_server_error_of_one_request_pauses_no_other() -> None:
    """The ``retry-after`` of a 500 delays only its own request."""

    async def main() -> Harness:
        harness = Harness(FakeApi({0: [failed(500, retry_after="30"), good()]}))
        first = asyncio.create_task(Sender(0, harness.ctx).send(pending(0)))
        await asyncio.sleep(2)
        await Sender(1, harness.ctx).send(pending(1))
        assert now() < 4
        await first
        return harness

    assert len(run(main()).api.sent) == 3


def test_concurrent_requests_count_their_own_attempts() -> None:
    """Each of 60 requests is retried by its own script, and gets its own response."""

    async def main() -> tuple[Harness, list[AttemptResult | None]]:
        scripts = {n: [failed(500)] * (n % 6) + [good(f"answer {n}")] for n in range(60)}
        harness = Harness(FakeApi(scripts))
        return harness, await asyncio.gather(
            *(Sender(n, harness.ctx).send(pending(n)) for n in range(60))
        )

    harness, results = run(main())
    sends = Counter(number for number, _ in harness.api.sent)
    for number, result in enumerate(results):
        assert result.pending.item == number
        assert sends[number] == min(number % 6 + 1, 4)
        if number % 6 < 4:
            assert result.outcome.message.text == f"answer {number}"
        else:
            assert result.decision == Stop("attempts")


def test_attempts_in_flight_are_counted() -> None:
    """An attempt counts with its worst case from the send to the record, or until an error."""

    async def main() -> None:
        harness = Harness()
        in_flight = harness.ctx.in_flight
        senders = [Sender(n, harness.ctx).send(pending(n)) for n in (0, 1)]
        senders.append(Sender(2, harness.ctx).send(pending(2, worst=None)))
        sending = asyncio.gather(*senders)
        await asyncio.sleep(0.5)
        assert (in_flight.attempts, in_flight.unknown_usd) == (3, Decimal(1))
        await sending
        rates = PRICES.model(MODEL).standard
        cost = (100 * rates.input + 10 * rates.output) / 1_000_000
        unrecorded = [len(in_flight.unrecorded), in_flight.unknown_usd]
        assert (in_flight.attempts, unrecorded) == (0, [3, 3 * cost])
        await asyncio.gather(*in_flight.unrecorded)
        assert (in_flight.unrecorded, in_flight.unknown_usd) == ({}, Decimal(0))

        def explode(_: int) -> None:
            raise ZeroDivisionError

        harness.api.on_send = explode
        with pytest.raises(ZeroDivisionError):
            await Sender(0, harness.ctx).send(pending())
        assert in_flight.attempts == 0

    run(main())


def test_an_attempt_counts_only_once_it_is_on_the_disk() -> None:
    """The watcher gets ``on_result`` at once, and ``on_committed`` after the commit."""
    harness, _ = send_scripted(good())
    ((_, received_at),), ((_, committed_at),) = harness.watcher.results, harness.watcher.committed
    assert received_at == pytest.approx(COMMIT_S + LATENCY_S)
    assert committed_at == pytest.approx(COMMIT_S + LATENCY_S + COMMIT_S)


@pytest.mark.parametrize(
    ("script", "stop_at"),
    [([failed(529, retry_after="100")], 50), ([failed(429, retry_after="100")], 50)],
    ids=["backoff", "429 wait"],
)
def test_a_stop_ends_the_wait_for_another_attempt(script: list[Any], stop_at: float) -> None:
    """After a stop the wait ends at once, and nothing is sent."""

    async def main() -> None:
        harness = Harness(FakeApi({0: script}))
        sending = asyncio.create_task(Sender(0, harness.ctx).send(pending()))
        await asyncio.sleep(stop_at)
        harness.stopping.set()
        await sending
        assert now() == pytest.approx(stop_at)
        assert len(harness.api.sent) == len(harness.recorder.intents) == 1

    run(main())


def test_a_stop_ends_the_wait_for_a_limit() -> None:
    """A request that waits at a stop is never sent, and has no intent."""

    async def main() -> None:
        harness = Harness(limits=LimitsSection(requests_per_minute=1))
        sending = [asyncio.create_task(Sender(n, harness.ctx).send(pending(n))) for n in range(3)]
        await asyncio.sleep(10)
        harness.stopping.set()
        results = await asyncio.gather(*sending)
        assert [result is not None for result in results] == [True, False, False]
        assert len(harness.api.sent) == len(harness.recorder.intents) == 1
        assert now() == pytest.approx(10)

    run(main())


def test_a_stop_waits_for_the_response_in_flight() -> None:
    """The response is recorded, and the request is not retried."""

    async def main() -> None:
        harness = Harness(FakeApi({0: [failed(500)]}))
        sending = asyncio.create_task(Sender(0, harness.ctx).send(pending()))
        await asyncio.sleep(0.5)
        harness.stopping.set()
        result = await sending
        await asyncio.gather(*harness.ctx.in_flight.unrecorded)
        assert result is not None
        assert isinstance(result.decision, Retry)
        assert (len(harness.api.sent), len(harness.recorder.outcomes)) == (1, 1)

    run(main())
