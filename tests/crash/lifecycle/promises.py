"""The promises that a job must keep in every scenario."""

import json
from collections import Counter
from decimal import Decimal

import pyarrow.parquet as pq
from lifecycle_job import ALLOWANCE, CONCURRENCY, CheckpointContent, CommandRun, Job

GROUP = 64
_MILLION = Decimal(1_000_000)


def check(job: Job) -> None:
    """Check all promises after a job's last command."""
    command_run = job.commands[-1]
    allowed = {0, 3, 5, 143, -9}
    assert command_run.exit_code in allowed, (command_run.exit_code, job.output_text())
    nothing_is_lost(command_run)
    nothing_is_sent_needlessly(command_run)
    results_are_single(job)
    intents_come_first(job)
    unknown_attempts_are_limited(job)
    money_is_exact(job)
    if command_run.has_ended:
        output_is_whole(job)


def nothing_is_lost(command_run: CommandRun) -> None:
    """Check that all recorded attempts are still there, unchanged."""
    after = {attempt.attempt_id: attempt for attempt in command_run.after.attempts}
    for attempt in command_run.before.attempts:
        assert after[attempt.attempt_id] == attempt
    assert command_run.before.replacements <= command_run.after.replacements


def intents_come_first(job: Job) -> None:
    """Check that each request that was sent has a recorded attempt."""
    recorded = Counter(attempt.fingerprint for attempt in job.commands[-1].after.attempts)
    sent = Counter(line["fingerprint"] for line in job.ledger())
    assert sent <= recorded


def nothing_is_sent_needlessly(command_run: CommandRun) -> None:
    """Check that a run sends no request with a final outcome, and a retry none that succeeded."""
    settled = {
        outcome.fingerprint
        for outcome in command_run.before.finals()
        if not command_run.is_retry or outcome.status == "succeeded"
    }
    assert not settled & {line["fingerprint"] for line in command_run.lines}
    if command_run.is_retry:
        for line in command_run.lines:
            replaced = {
                old for old, new in command_run.after.replacements if line["fingerprint"] == new
            }
            answers = map(command_run.before.answer, replaced | {line["fingerprint"]})
            failed = [answer is None or answer.status != "succeeded" for answer in answers]
            assert any(failed)


def results_are_single(job: Job) -> None:
    """Check that a request has one final outcome, and more only through retries."""
    finals, retries = job.commands[-1].after.finals(), retries_of(job)
    by_run = Counter((outcome.run_id, outcome.fingerprint) for outcome in finals)
    assert max(by_run.values(), default=0) <= 1
    for fingerprint, number in Counter(outcome.fingerprint for outcome in finals).items():
        assert number <= 1 + retries[fingerprint]


def unknown_attempts_are_limited(job: Job) -> None:
    """Check the limit of unknown attempts per request; each retry allows as many again."""
    attempts, retries = job.commands[-1].after.attempts, retries_of(job)
    unknown = Counter(attempt.fingerprint for attempt in attempts if attempt.is_unknown)
    for fingerprint, number in unknown.items():
        assert number <= ALLOWANCE * (1 + retries[fingerprint])


def retries_of(job: Job) -> Counter[str]:
    """Count the retries of each request."""
    retries: Counter[str] = Counter()
    for command_run in job.commands:
        if command_run.is_retry:
            retries.update({attempt.fingerprint for attempt in command_run.new_attempts()})
    return retries


def money_is_exact(job: Job) -> None:
    """Check that recorded costs are the billed ones; after a kill a cost may be unknown."""
    ledger = {line["request_id"]: line for line in job.ledger()}
    attempts = job.commands[-1].after.attempts
    recorded = {attempt.request_id: attempt for attempt in attempts if attempt.request_id}
    assert recorded.keys() <= ledger.keys()
    for request_id, attempt in recorded.items():
        line = ledger[request_id]
        assert attempt.fingerprint == line["fingerprint"]
        assert attempt.cost_usd == line["millionths"] / _MILLION
    for command_run in job.commands:
        unrecorded = [line for line in command_run.lines if line["request_id"] not in recorded]
        if command_run.was_killed:
            assert len(unrecorded) <= CONCURRENCY + GROUP
        else:
            assert {line["kind"] for line in unrecorded} <= {"dropped"}
    unrecorded = Counter(
        line["fingerprint"]
        for key, line in ledger.items()
        if key not in recorded and line["millionths"]
    )
    assert unrecorded <= Counter(attempt.fingerprint for attempt in attempts if attempt.is_unknown)


def output_is_whole(job: Job) -> None:
    """Check that the output has each row once, in order, with the checkpoint's answer and cost."""
    after, table = job.commands[-1].after, job.table()
    rows = table.to_pylist()
    assert [row["n"] for row in rows] == [row["n"] for row in job.rows]
    sent = {line["fingerprint"] for line in job.commands[-1].lines}
    assert sent <= {variant for row in rows for variant in after.variants(row["_fingerprint"])}
    prompts = {line["fingerprint"]: line["prompt"] for line in job.ledger()}
    for row in rows:
        answer = after.answer(row["_fingerprint"])
        variants = after.variants(row["_fingerprint"])
        was_sent = any(attempt.fingerprint in variants for attempt in after.attempts)
        without = "errored" if was_sent else "unsent"
        assert row["_status"] == (without if answer is None else answer.status)
        if row["_fingerprint"] in prompts:
            assert prompts[row["_fingerprint"]].endswith(f": {row['text']}")
        if row["_text"] is not None:
            assert row["_text"] == f"answer to {answer.fingerprint}"
    payers = [row["_fingerprint"] for row in rows if not row["_shared"]]
    assert sorted(payers) == sorted({row["_fingerprint"] for row in rows})
    metadata = json.loads(pq.read_metadata(job.output).metadata[b"batcher"])
    bill = bill_of(after, payers)
    assert Decimal(metadata["totals"]["cost_usd"]) == bill
    assert abs(Decimal(sum(row["_cost_usd"] for row in rows)) - bill) < Decimal("1e-12")
    statuses = {row["_status"] for row in rows}
    assert (statuses == {"succeeded"}) is (job.commands[-1].exit_code == 0)


def bill_of(content: CheckpointContent, fingerprints: list[str]) -> Decimal:
    """Return the cost of all attempts of some requests and their replacements."""
    requests = {
        variant for fingerprint in fingerprints for variant in content.variants(fingerprint)
    }
    costs = (a.cost_usd for a in content.attempts if a.fingerprint in requests and a.cost_usd)
    return sum(costs, Decimal(0))
