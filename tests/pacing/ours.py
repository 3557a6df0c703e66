"""batcher's own pacing as a strategy: the decision code of the product, without its event loop."""

import json
from random import Random

from strategy import Job, Known, Reply

from batcher.core.answers.outcome import Billing, Outcome, Status, Verdict, classify
from batcher.core.answers.response import NoResponse, Response
from batcher.core.money.usage import Usage
from batcher.core.pace.pace import AttemptCost, Completion, Pace, Permit
from batcher.core.pace.retry import History, Retry, RetryPolicy, decide

POLICY = RetryPolicy(attempts=20, max_wait_s=60.0, unknown_attempts=3)
SUCCEEDED = Outcome(Status.SUCCEEDED, Verdict.FINAL, Billing.BILLED)


class Ours:
    """What the sender and the rate gate do for one model, answer by answer."""

    def __init__(self, known: Known, random: Random, _now: float) -> None:
        self.pace = Pace(known.concurrency, POLICY.max_wait_s, {})
        self._random = random
        self._leaves: dict[int, Permit] = {}
        self._failed: dict[int, tuple[History, bool]] = {}

    def ask(self, job: Job, now: float) -> float:
        """Let the head of the queue go, or say how long it waits."""
        _, is_retry = self._failed.get(job.number, (History(), False))
        decision = self.pace.ask(AttemptCost(job.body_bytes, job.max_tokens, is_retry), now)
        if isinstance(decision, Permit):
            self._leaves[job.number] = decision
            return 0.0
        return decision.seconds

    def answered(self, job: Job, reply: Reply, now: float) -> float | None:
        """Judge, learn and decide what follows, as the sender does."""
        outcome, usage = _judged(reply)
        history, _ = self._failed.pop(job.number, (History(), False))
        history = history.after(outcome)
        decision = decide(outcome, history, POLICY, self._random.random())
        after_s = decision.after_s if isinstance(decision, Retry) else None
        completion = Completion(outcome, reply.headers, usage, reply.latency_s, after_s)
        self.pace.on_completion(
            self._leaves.pop(job.number), completion, now, self._random.random()
        )
        if after_s is not None:
            self._failed[job.number] = history, not outcome.is_rate_limited
        return after_s


def _judged(reply: Reply) -> tuple[Outcome, Usage | None]:
    if reply.status == 200:
        return SUCCEEDED, Usage(input_tokens=reply.input_tokens, output_tokens=reply.output_tokens)
    if reply.status is None:
        return classify(
            NoResponse("client.connect", "", was_sent=False, latency_s=reply.latency_s)
        ), None
    error = {"type": "x", "message": "x", "details": {"error_code": reply.error_code}}
    body = json.dumps({"type": "error", "error": error}).encode()
    return classify(Response(reply.status, reply.headers, body, reply.latency_s)), None
