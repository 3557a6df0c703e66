"""Rebuilds the conversation of a request whose earlier answers were invalid, to ask again."""

from collections.abc import Sequence

from batcher.core.answers.outcome import classify
from batcher.core.answers.response import Response
from batcher.core.delivery import Delivery
from batcher.core.pace.retry import History
from batcher.runner.sending.feed import PendingRequest
from batcher.runner.sending.label_check import LabelCheck


async def with_complaints(
    pending: PendingRequest, answers: Sequence[bytes], label_check: LabelCheck, delivery: Delivery
) -> PendingRequest:
    """Return the request with its invalid answers, oldest first, and a complaint after each."""
    for body in answers:
        outcome = await label_check.judge(classify(Response(200, {}, body, 0.0)), History())
        if outcome.message is not None and outcome.complaint is not None:
            pending = label_check.repair_request(
                pending, outcome.message, outcome.complaint, delivery
            )
    return pending
