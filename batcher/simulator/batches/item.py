"""Processes one item of a batch: its result, its bill and its entry in the ledger."""

import json
import logging
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from batcher.simulator.answering import Answers, BilledAnswer, Reader
from batcher.simulator.api_error import ApiError
from batcher.simulator.batches.batch import Batch
from batcher.simulator.billing.credit import Credit
from batcher.simulator.billing.ledger import BATCH_ITEM, Entry, Ledger
from batcher.simulator.billing.prompt_cache import PromptCache
from batcher.simulator.billing.usage import BATCH
from batcher.simulator.faults.damage import damage_message
from batcher.simulator.faults.failure import api_error
from batcher.simulator.faults.fault import Fault
from batcher.simulator.faults.schedule import Schedule
from batcher.simulator.json_body import Body, as_json, hashed
from batcher.simulator.model.seeded_random import SeededRandom
from batcher.simulator.validation.batch_params import check_params

Json = dict[str, Any]
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ItemProcessor:
    """Answers items; ``cache`` is the prompt cache of the batches, which live requests never see.

    ``own_cache_rate`` is the share of items that can read what their own batch has written.
    """

    answers: Answers
    ledger: Ledger
    cache: PromptCache
    credit: Credit
    faults: Schedule
    seed: int
    own_cache_rate: float

    def process(self, batch: Batch, time: float) -> None:
        """Process the next item of a batch; ``time`` is when it begins or ends unprocessed."""
        position = batch.done
        index = batch.order[position]
        custom_id, _, raw = batch.submission.items[index].partition(b"\n")
        entry = Entry(batch.first_sequence + index, time, BATCH_ITEM)
        entry.request_id = self.answers.new_id("req")
        entry.batch_id, entry.custom_id = batch.id, custom_id.decode()
        if batch.is_canceled(position):
            result = _unprocessed(entry, "canceled")
        elif batch.has_expired(position):
            result = _unprocessed(entry, "expired")
        else:
            answered = self._run(batch, raw, entry)
            if answered is None:
                batch.leave_behind()
                return
            result = answered
        line = as_json({"custom_id": entry.custom_id, "result": result}) + b"\n"
        batch.finish_item(result["type"], time, line, entry.cost)
        self.ledger.add(entry)

    def _run(self, batch: Batch, raw: bytes, entry: Entry) -> Json | None:
        """Return the result of an item; None for one that a fault keeps from beginning."""
        try:
            body = hashed(json.loads(raw)["params"], raw)
            entry.key = body.key
            fault = self.faults.next(body.key, raw) if self.faults.has_faults else None
            if fault is not None and fault.kind == "expired":
                return None
            if fault is not None and not fault.is_billed:
                return _failed(fault, entry)
            billed = self._answer(batch, body, entry)
        except ApiError as error:
            return _errored(error, entry)
        except (ValueError, RecursionError) as error:
            return _errored(ApiError(400, f"The request is not valid JSON: {error}"), entry)
        except Exception:
            log.exception("the simulator failed on an item of a batch")
            return _errored(ApiError(500), entry)
        message = billed.message(self.answers.new_id("msg"))
        if fault is not None:
            message = damage_message(fault, message)
        return {"type": "succeeded", "message": message}

    def _answer(self, batch: Batch, body: Body, entry: Entry) -> BilledAnswer:
        sent = batch.submission
        model = check_params(body.value, sent.version, sent.betas, self.answers.model)
        entry.model = model.id
        self.credit.check()
        reads_own = self.own_cache_rate > 0 and SeededRandom(
            self.seed, "own batch's cache", str(batch.number), entry.custom_id
        ).chance(self.own_cache_rate)
        not_from = None if reads_own else batch.id
        reader = Reader(entry.received_at, sent.workspace, not_from)
        prompt = self.answers.read_prompt(body, model, self.cache, reader)
        self.cache.begin(prompt.plan, entry.received_at, batch.id)
        self.cache.answered(prompt.plan, entry.received_at + batch.run_s)
        billed = self.answers.answer(prompt, tier=BATCH)
        entry.usage, entry.cost = billed.usage, billed.cost
        entry.status, entry.outcome = 200, "answered"
        self.credit.charge(entry.cost)
        return billed


def _unprocessed(entry: Entry, outcome: str) -> Json:
    entry.outcome = outcome
    return {"type": outcome}


def _failed(fault: Fault, entry: Entry) -> Json:
    result = _errored(api_error(fault) or ApiError(500), entry)
    entry.outcome = fault.kind
    return result


def _errored(error: ApiError, entry: Entry) -> Json:
    entry.status, entry.outcome, entry.cost = error.status, error.type, Decimal(0)
    return {"type": "errored", "error": error.as_json(entry.request_id)}
