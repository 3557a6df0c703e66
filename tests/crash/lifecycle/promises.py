"""The promises that a job keeps whatever happens to it."""

import json
from collections import Counter
from decimal import Decimal

import pyarrow.parquet as pq
from lives import ALLOWANCE, CONCURRENCY, Episode, Held, Job

GROUP = 64
_MILLION = Decimal(1_000_000)


def check(job: Job) -> None:
    """Hold every promise after a job's last command."""
    episode = job.episodes[-1]
    allowed = {0, 3, 5, 143, -9}
    assert episode.exit_code in allowed, (episode.exit_code, job.printed())
    nothing_is_lost(episode)
    nothing_is_sent_needlessly(episode)
    results_are_single(job)
    intents_come_first(job)
    doubts_are_few(job)
    money_is_exact(job)
    if episode.has_ended:
        output_is_whole(job)


def nothing_is_lost(episode: Episode) -> None:
    """What was recorded once is there for ever, as it was."""
    after = {attempt.attempt_id: attempt for attempt in episode.after.attempts}
    for attempt in episode.before.attempts:
        assert after[attempt.attempt_id] == attempt
    assert episode.before.replacements <= episode.after.replacements


def intents_come_first(job: Job) -> None:
    """No request was sent whose attempt is not recorded."""
    recorded = Counter(attempt.fingerprint for attempt in job.episodes[-1].after.attempts)
    sent = Counter(line["fingerprint"] for line in job.ledger())
    assert sent <= recorded


def nothing_is_sent_needlessly(episode: Episode) -> None:
    """A run sends nothing that is settled, a retry nothing that has succeeded."""
    settled = {
        outcome.fingerprint
        for outcome in episode.before.finals()
        if not episode.is_retry or outcome.status == "succeeded"
    }
    assert not settled & {line["fingerprint"] for line in episode.lines}
    if episode.is_retry:
        for line in episode.lines:
            asked_for = {
                old for old, new in episode.after.replacements if line["fingerprint"] == new
            }
            answers = map(episode.before.answer, asked_for | {line["fingerprint"]})
            failed = [answer is None or answer.status != "succeeded" for answer in answers]
            assert any(failed)


def results_are_single(job: Job) -> None:
    """A request is settled once, and again only by a retry."""
    finals, retries = job.episodes[-1].after.finals(), retries_of(job)
    by_run = Counter((outcome.run_id, outcome.fingerprint) for outcome in finals)
    assert max(by_run.values(), default=0) <= 1
    for fingerprint, number in Counter(outcome.fingerprint for outcome in finals).items():
        assert number <= 1 + retries[fingerprint]


def doubts_are_few(job: Job) -> None:
    """A request has few unknown attempts, and as many again for each retry of it."""
    attempts, retries = job.episodes[-1].after.attempts, retries_of(job)
    unknown = Counter(attempt.fingerprint for attempt in attempts if attempt.is_unknown)
    for fingerprint, number in unknown.items():
        assert number <= ALLOWANCE * (1 + retries[fingerprint])


def retries_of(job: Job) -> Counter[str]:
    """How many retries each request was part of."""
    retries: Counter[str] = Counter()
    for episode in job.episodes:
        if episode.is_retry:
            retries.update({attempt.fingerprint for attempt in episode.news()})
    return retries


def money_is_exact(job: Job) -> None:
    """What is recorded is what was billed, but for what a kill hid; and that is in doubt."""
    ledger = {line["request_id"]: line for line in job.ledger()}
    attempts = job.episodes[-1].after.attempts
    recorded = {attempt.request_id: attempt for attempt in attempts if attempt.request_id}
    assert recorded.keys() <= ledger.keys()
    for request_id, attempt in recorded.items():
        line = ledger[request_id]
        assert attempt.fingerprint == line["fingerprint"]
        assert attempt.cost_usd == line["millionths"] / _MILLION
    for episode in job.episodes:
        hidden = [line for line in episode.lines if line["request_id"] not in recorded]
        if episode.was_killed:
            assert len(hidden) <= CONCURRENCY + GROUP
        else:
            assert {line["kind"] for line in hidden} <= {"dropped"}
    hidden = Counter(
        line["fingerprint"]
        for key, line in ledger.items()
        if key not in recorded and line["millionths"]
    )
    assert hidden <= Counter(attempt.fingerprint for attempt in attempts if attempt.is_unknown)


def output_is_whole(job: Job) -> None:
    """Every row has its one line, in order, with the answer and the costs of the checkpoint."""
    after, table = job.episodes[-1].after, job.table()
    shown = table.to_pylist()
    assert [row["n"] for row in shown] == [row["n"] for row in job.rows]
    sent = {line["fingerprint"] for line in job.episodes[-1].lines}
    assert sent <= {form for row in shown for form in after.forms(row["_fingerprint"])}
    prompts = {line["fingerprint"]: line["prompt"] for line in job.ledger()}
    for row in shown:
        answer = after.answer(row["_fingerprint"])
        assert row["_status"] == ("errored" if answer is None else answer.status)
        if row["_fingerprint"] in prompts:
            assert prompts[row["_fingerprint"]].endswith(f": {row['text']}")
        if row["_text"] is not None:
            assert row["_text"] == f"answer to {answer.fingerprint}"
    payers = [row["_fingerprint"] for row in shown if not row["_shared"]]
    assert sorted(payers) == sorted({row["_fingerprint"] for row in shown})
    metadata = json.loads(pq.read_metadata(job.output).metadata[b"batcher"])
    bill = bill_of(after, payers)
    assert Decimal(metadata["totals"]["cost_usd"]) == bill
    assert abs(Decimal(sum(row["_cost_usd"] for row in shown)) - bill) < Decimal("1e-12")
    statuses = {row["_status"] for row in shown}
    assert (statuses == {"succeeded"}) is (job.episodes[-1].exit_code == 0)


def bill_of(held: Held, fingerprints: list[str]) -> Decimal:
    """What all attempts of some requests cost, and those of what replaced them."""
    asked = {form for fingerprint in fingerprints for form in held.forms(fingerprint)}
    costs = (a.cost_usd for a in held.attempts if a.fingerprint in asked and a.cost_usd)
    return sum(costs, Decimal(0))
