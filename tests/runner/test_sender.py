"""Each attempt is on record before and after it, tried again as decided, and never after a stop."""

import asyncio
from collections import Counter
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from sending import (
    COMMIT_S,
    LATENCY_S,
    LOST,
    MODEL,
    PRICES,
    UNSENT,
    FakeApi,
    FakeRecorder,
    Stage,
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


def played(*script: Response | NoResponse, unknown: int = 0) -> tuple[Stage, AttemptResult | None]:
    """Send one request that gets these answers."""

    async def main() -> tuple[Stage, AttemptResult | None]:
        stage = Stage(FakeApi({0: list(script)}))
        tried = await Sender(0, stage.ctx).send(pending(unknown=unknown))
        await asyncio.gather(*stage.ctx.in_flight.unrecorded)
        return stage, tried

    return run(main())


def test_an_intent_is_durable_before_its_request_leaves() -> None:
    """However many are sent at once."""

    async def main() -> None:
        recorder = FakeRecorder()

        def check(number: int) -> None:
            assert number in {int.from_bytes(i.fingerprint, "big") for i in recorder.intents}

        stage = Stage(FakeApi(on_send=check), recorder)
        senders = [Sender(n, stage.ctx).send(pending(n)) for n in range(20)]
        await asyncio.gather(*senders)
        assert {when for _, when in stage.api.sent} == {COMMIT_S}

    run(main())


def test_an_answer_is_recorded_with_all_it_says() -> None:
    """Status, usage, exact cost, names and the bytes as they came."""
    answer = good("hallo", **{"request-id": "req_1"})
    stage, tried = played(answer)
    (intent,), (outcome,) = stage.recorder.intents, stage.recorder.outcomes
    assert (intent.attempt_id, intent.run_id, intent.model) == (1, "run", MODEL)
    assert intent.worst_case_usd == Decimal("0.5")
    assert intent.fingerprint == outcome.fingerprint == pending().fingerprint
    assert (outcome.attempt_id, outcome.is_final, outcome.status) == (1, True, "succeeded")
    assert (outcome.billing, outcome.http_status, outcome.body) == ("billed", 200, answer.body)
    assert (outcome.request_id, outcome.message_id, outcome.model) == ("req_1", "msg", MODEL)
    assert (outcome.input_tokens, outcome.output_tokens) == (100, 10)
    rates = PRICES.model(MODEL).standard
    assert outcome.cost_usd == (100 * rates.input + 10 * rates.output) / 1_000_000
    assert (outcome.latency_s, outcome.ttft_s) == (LATENCY_S, 0.5)
    assert tried is not None
    assert tried.outcome.status is Status.SUCCEEDED


def test_every_attempt_is_recorded() -> None:
    """Those that failed too, each with an intent of its own."""
    stage, _ = played(failed(529), UNSENT, LOST, good())
    assert [intent.attempt_id for intent in stage.recorder.intents] == [1, 2, 3, 4]
    found = [
        (o.attempt_id, o.is_final, o.billing, o.http_status, o.error_type, o.cost_usd)
        for o in stage.recorder.outcomes
    ]
    cost = stage.recorder.outcomes[-1].cost_usd
    assert found == [
        (1, False, "free", 529, "error_529", 0),
        (2, False, "free", None, "client.connect", 0),
        (3, False, "unknown", None, "client.reset", None),
        (4, True, "billed", 200, None, cost),
    ]


@pytest.mark.parametrize(
    ("script", "unknown", "sends", "reason"),
    [
        pytest.param([good()], 0, 1, "final", id="an answer"),
        pytest.param([failed(400)], 0, 1, "final", id="a bad request"),
        pytest.param([failed(401)], 0, 1, "halt", id="a wrong key"),
        pytest.param([failed(500)], 0, 4, "attempts", id="attempts run out"),
        pytest.param([LOST], 0, 3, "unknown_attempts", id="the unknown allowance runs out"),
        pytest.param([LOST], 2, 1, "unknown_attempts", id="earlier runs count"),
        pytest.param([*[UNSENT] * 50, good()], 0, 51, "final", id="never left"),
        pytest.param([*[failed(429)] * 50, good()], 0, 51, "final", id="rate limited"),
    ],
)
def test_how_often_a_request_is_sent(
    script: list[Any], unknown: int, sends: int, reason: str
) -> None:
    """A request is sent exactly as often as its allowances permit."""
    stage, tried = played(*script, unknown=unknown)
    assert len(stage.api.sent) == sends
    assert tried is not None
    assert tried.decision == Stop(reason)


def test_waits_between_attempts() -> None:
    """Backoff grows; retry-after is obeyed, and by nobody undercut."""
    stage, _ = played(failed(500), failed(500), failed(529, retry_after="40"), good())
    starts = stage.api.times()
    waits = [later - earlier - LATENCY_S - COMMIT_S for earlier, later in pairwise(starts)]
    assert waits == pytest.approx([0.5, 1.0, 42.0])


def test_a_server_that_always_says_at_once_is_not_hammered() -> None:
    """429 with ``retry-after: 0`` for ever: waits grow to the longest allowed."""
    stage, _ = played(*[failed(429, retry_after="0")] * 12, good())
    starts = stage.api.times()
    assert starts[-1] - starts[-2] >= 30


def test_a_429_pauses_everybody() -> None:
    """No request is sent before the wait is over that the server gave to one of them."""

    async def main() -> Stage:
        stage = Stage(FakeApi({0: [failed(429, retry_after="30"), good()]}))
        first = asyncio.create_task(Sender(0, stage.ctx).send(pending(0)))
        await asyncio.sleep(2)
        await asyncio.gather(*(Sender(n, stage.ctx).send(pending(n)) for n in range(1, 9)))
        await first
        return stage

    stage = run(main())
    assert len(stage.api.sent) == 10
    assert sorted(when for _, when in stage.api.sent)[1] >= LATENCY_S + 30


def test_an_overload_that_says_how_long_pauses_everybody() -> None:
    """A 529 is no matter of one request."""

    async def main() -> Stage:
        stage = Stage(FakeApi({0: [failed(529, retry_after="30"), good()]}))
        first = asyncio.create_task(Sender(0, stage.ctx).send(pending(0)))
        await asyncio.sleep(2)
        await Sender(1, stage.ctx).send(pending(1))
        await first
        return stage

    assert sorted(when for _, when in run(main()).api.sent)[1] >= LATENCY_S + 30


def test_trouble_of_one_request_is_no_pause_for_others() -> None:
    """A 500 with a wait holds only its own request."""

    async def main() -> Stage:
        stage = Stage(FakeApi({0: [failed(500, retry_after="30"), good()]}))
        first = asyncio.create_task(Sender(0, stage.ctx).send(pending(0)))
        await asyncio.sleep(2)
        await Sender(1, stage.ctx).send(pending(1))
        assert now() < 4
        await first
        return stage

    assert len(run(main()).api.sent) == 3


def test_concurrent_errands_keep_their_own_counts() -> None:
    """Each fails as often as its own script says, and gets its own answer."""

    async def main() -> tuple[Stage, list[AttemptResult | None]]:
        scripts = {n: [failed(500)] * (n % 6) + [good(f"answer {n}")] for n in range(60)}
        stage = Stage(FakeApi(scripts))
        return stage, await asyncio.gather(
            *(Sender(n, stage.ctx).send(pending(n)) for n in range(60))
        )

    stage, endings = run(main())
    sends = Counter(number for number, _ in stage.api.sent)
    for number, tried in enumerate(endings):
        assert tried.pending.item == number
        assert sends[number] == min(number % 6 + 1, 4)
        if number % 6 < 4:
            assert tried.outcome.message.text == f"answer {number}"
        else:
            assert tried.decision == Stop("attempts")


def test_what_is_in_flight_is_known() -> None:
    """From the send to the record, with the most it can cost; and not for ever after an error."""

    async def main() -> None:
        stage = Stage()
        senders = [Sender(n, stage.ctx).send(pending(n)) for n in (0, 1)]
        senders.append(Sender(2, stage.ctx).send(pending(2, worst=None)))
        sending = asyncio.gather(*senders)
        await asyncio.sleep(0.5)
        assert (stage.ctx.in_flight.attempts, stage.ctx.in_flight.unknown_usd) == (3, Decimal(1))
        await sending
        rates = PRICES.model(MODEL).standard
        cost = (100 * rates.input + 10 * rates.output) / 1_000_000
        unrecorded = [len(stage.ctx.in_flight.unrecorded), stage.ctx.in_flight.unknown_usd]
        assert (stage.ctx.in_flight.attempts, unrecorded) == (0, [3, 3 * cost])
        await asyncio.gather(*stage.ctx.in_flight.unrecorded)
        assert (stage.ctx.in_flight.unrecorded, stage.ctx.in_flight.unknown_usd) == ({}, Decimal(0))

        def explode(_: int) -> None:
            raise ZeroDivisionError

        stage.api.on_send = explode
        with pytest.raises(ZeroDivisionError):
            await Sender(0, stage.ctx).send(pending())
        assert stage.ctx.in_flight.attempts == 0

    run(main())


def test_an_attempt_counts_only_once_it_is_on_the_disk() -> None:
    """The watcher may stop the run at once, but is first to count only after the commit."""
    stage, _ = played(good())
    ((_, tried_at),), ((_, recorded_at),) = stage.watcher.tries, stage.watcher.records
    assert tried_at == pytest.approx(COMMIT_S + LATENCY_S)
    assert recorded_at == pytest.approx(COMMIT_S + LATENCY_S + COMMIT_S)


@pytest.mark.parametrize(
    ("script", "stop_at"),
    [([failed(529, retry_after="100")], 50), ([failed(429, retry_after="100")], 50)],
    ids=["backoff", "429 wait"],
)
def test_a_stop_ends_the_wait_for_another_attempt(script: list[Any], stop_at: float) -> None:
    """Nothing is sent after it, and nobody waits on."""

    async def main() -> None:
        stage = Stage(FakeApi({0: script}))
        sending = asyncio.create_task(Sender(0, stage.ctx).send(pending()))
        await asyncio.sleep(stop_at)
        stage.stopping.set()
        await sending
        assert now() == pytest.approx(stop_at)
        assert len(stage.api.sent) == len(stage.recorder.intents) == 1

    run(main())


def test_a_stop_ends_the_wait_for_a_limit() -> None:
    """Requests that were not sent yet are never sent, and have no intents."""

    async def main() -> None:
        stage = Stage(limits=LimitsSection(requests_per_minute=1))
        sending = [asyncio.create_task(Sender(n, stage.ctx).send(pending(n))) for n in range(3)]
        await asyncio.sleep(10)
        stage.stopping.set()
        endings = await asyncio.gather(*sending)
        assert [tried is not None for tried in endings] == [True, False, False]
        assert len(stage.api.sent) == len(stage.recorder.intents) == 1
        assert now() == pytest.approx(10)

    run(main())


def test_a_stop_lets_what_is_in_flight_arrive() -> None:
    """Its answer is recorded; it is only not tried again."""

    async def main() -> None:
        stage = Stage(FakeApi({0: [failed(500)]}))
        sending = asyncio.create_task(Sender(0, stage.ctx).send(pending()))
        await asyncio.sleep(0.5)
        stage.stopping.set()
        tried = await sending
        await asyncio.gather(*stage.ctx.in_flight.unrecorded)
        assert tried is not None
        assert isinstance(tried.decision, Retry)
        assert (len(stage.api.sent), len(stage.recorder.outcomes)) == (1, 1)

    run(main())
