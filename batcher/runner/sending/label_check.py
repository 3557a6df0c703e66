"""Holds answers against the job's labels, and makes the request that asks again."""

import asyncio
import json
from dataclasses import dataclass, replace

from batcher.core.answers.message import Message
from batcher.core.answers.outcome import Outcome
from batcher.core.labels.labels import Labels
from batcher.core.labels.repair import OnInvalid, judged, most_growth, repaired
from batcher.core.money.bound import Bound
from batcher.core.pace.retry import History
from batcher.core.request.canonical import canonical_json
from batcher.runner.job_context import JobContext
from batcher.runner.sending.feed import PendingRequest

_LONG = 16_384
"""Characters of an answer that are judged in a thread; fewer take about a millisecond."""


@dataclass(frozen=True, slots=True)
class LabelCheck:
    """The labels of a run; ``bound`` bounds requests that ask again, None where nothing does."""

    labels: Labels
    on_invalid: OnInvalid
    repairs: int
    bound: Bound | None

    @classmethod
    def of(cls, context: JobContext) -> "LabelCheck | None":
        """Those of a job; None when it has none."""
        labels, said = context.loaded.labels, context.job.labels
        if labels is None:
            return None
        return cls(labels, said.on_invalid, said.repairs, context.policy.bound)

    async def judge(self, outcome: Outcome, history: History) -> Outcome:
        """Say whether an answer is what the job wants, and is asked again when it is not.

        A long one takes its time, and holds nobody up meanwhile.
        """
        left, message = self.repairs - history.repairs, outcome.message
        if message is None or len(message.text) + len(message.tool_input or "") < _LONG:
            return judged(outcome, self.labels, self.on_invalid, left)
        return await asyncio.to_thread(judged, outcome, self.labels, self.on_invalid, left)

    def repair_request(
        self, pending: PendingRequest, message: Message, complaint: str
    ) -> PendingRequest:
        """The request with one complaint more, and the bound of what that costs."""
        body = canonical_json(repaired(json.loads(pending.body), message, complaint))
        worst = pending.worst
        if self.bound is not None and worst is not None:
            growth = most_growth(pending.max_tokens, self.labels.via)
            worst = self.bound.with_more_tokens(worst, growth)
        return replace(pending.with_body(body), worst=worst)
