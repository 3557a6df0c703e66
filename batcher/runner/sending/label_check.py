"""Checks answers against the job's labels, and makes the request that asks again."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from batcher.core.answers.message import Message
from batcher.core.answers.outcome import Outcome
from batcher.core.delivery import Delivery
from batcher.core.labels.labels import Labels
from batcher.core.labels.repair import OnInvalid, max_growth_tokens, repair_request, validated
from batcher.core.money.bound import Bound
from batcher.core.pace.retry import History
from batcher.core.request.canonical import canonical_json
from batcher.runner.job_context import JobContext
from batcher.runner.sending.feed import PendingRequest

_LONG = 16_384
"""Answers of this many characters are checked in a thread; shorter ones take about 1 ms."""


@dataclass(frozen=True, slots=True)
class LabelCheck:
    """The labels of a run; ``bounds`` are those of requests, by delivery, where there are any."""

    labels: Labels
    on_invalid: OnInvalid
    repairs: int
    bounds: Mapping[Delivery, Bound]

    @classmethod
    def of(cls, context: JobContext) -> "LabelCheck | None":
        """Return the check of a job; None for a job without labels."""
        labels, section = context.loaded.labels, context.job.labels
        if labels is None:
            return None
        return cls(labels, section.on_invalid, section.repairs, context.policy.bounds)

    async def judge(self, outcome: Outcome, history: History) -> Outcome:
        """Return the outcome with the verdict on its labels: valid, to repair, or invalid.

        A long answer is checked in a thread, so that it does not block the event loop.
        """
        left, message = self.repairs - history.repairs, outcome.message
        if message is None or len(message.text) + len(message.tool_input or "") < _LONG:
            return validated(outcome, self.labels, self.on_invalid, left)
        return await asyncio.to_thread(validated, outcome, self.labels, self.on_invalid, left)

    def repair_request(
        self,
        pending: PendingRequest,
        message: Message,
        complaint: str,
        delivery: Delivery = "live",
    ) -> PendingRequest:
        """Return the request with one more complaint, and with the bound of its cost."""
        body = canonical_json(repair_request(json.loads(pending.body), message, complaint))
        worst, bound = pending.worst, self.bounds.get(delivery)
        if bound is not None and worst is not None:
            growth = max_growth_tokens(pending.max_tokens, self.labels.via)
            worst = bound.with_more_tokens(worst, growth)
        return replace(pending.with_body(body), worst=worst)
