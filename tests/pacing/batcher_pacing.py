"""batcher's pacing as a strategy: its decision code without the event loop."""

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


class BatcherPacing:
    """What the sender and the rate gate do for one model, response by response."""

    def __init__(self, known: Known, random: Random, _now: float) -> None:
        self.pace = Pace(known.concurrency, POLICY.max_wait_s, {})
        self._random = random
        self._permits: dict[int, Permit] = {}
        self._failed: dict[int, tuple[History, bool]] = {}

    def admit(self, job: Job, now: float) -> float:
        """Send the head of the queue, or return how long it has to wait."""
        _, is_retry = self._failed.get(job.number, (History(), False))
        decision = self.pace.admit(AttemptCost(job.body_bytes, job.max_tokens, is_retry), now)
        if isinstance(decision, Permit):
            self._permits[job.number] = decision
            return 0.0
        return decision.seconds

    def on_reply(self, job: Job, reply: Reply, now: float) -> float | None:
        """Classify the reply, learn from it and decide what follows, as the sender does."""
        outcome, usage = _classified(reply)
        history, _ = self._failed.pop(job.number, (History(), False))
        history = history.after(outcome)
        decision = decide(outcome, history, POLICY, self._random.random())
        after_s = decision.after_s if isinstance(decision, Retry) else None
        completion = Completion(outcome, reply.headers, usage, reply.latency_s, after_s)
        self.pace.on_completion(
            self._permits.pop(job.number), completion, now, self._random.random()
        )
        if after_s is not None:
            self._failed[job.number] = history, not outcome.is_rate_limited
        return after_s


def _classified(reply: Reply) -> tuple[Outcome, Usage | None]:
    if reply.status == 200:
        return SUCCEEDED, Usage(input_tokens=reply.input_tokens, output_tokens=reply.output_tokens)
    if reply.status is None:
        return classify(
            NoResponse("client.connect", "", was_sent=False, latency_s=reply.latency_s)
        ), None
    error = {"type": "x", "message": "x", "details": {"error_code": reply.error_code}}
    body = json.dumps({"type": "error", "error": error}).encode()
    return classify(Response(reply.status, reply.headers, body, reply.latency_s)), None
