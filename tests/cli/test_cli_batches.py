"""batcher batches: lists what a job has at the API, cancels it and deletes it, over real HTTP."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from commanding import JOB, Command, write_job

from batcher.api.key import Secret
from batcher.simulator import Fault, Settings, run_in_thread
from batcher.simulator.server import Simulator
from batcher.store.batches import add_event, begin_batch, stored_batches
from batcher.store.checkpoint import Checkpoint
from batcher.store.lock import Holder, Lock
from batcher.store.records import (
    BatchEvent,
    BatchEventName,
    BatchItem,
    BatchRecord,
    Intent,
    RunStart,
)

KEY = "sk-ant-canary-0123456789"
PATH = "/v1/messages/batches"
HEADERS = {"x-api-key": KEY, "anthropic-version": "2026-10-21"}
NOW = datetime.now(UTC)


class BatchJob:
    """A job with some batches, in its checkpoint and at a simulator."""

    def __init__(self, folder: Path, there: Simulator) -> None:
        self.there = there
        self.path = write_job(folder, f'{JOB}\n[api]\nbase_url = "{there.url}"\n')
        self.state = folder / "runs" / folder.name
        self.state.mkdir(parents=True)
        Checkpoint.create(self.state, version="0", now=NOW)
        with self.opened() as checkpoint:
            start = RunStart("run", NOW, 1, "host", "boot", "0", there.url, "digest", "2026-11-22")
            checkpoint.commit({"runs": [start]})

    @contextmanager
    def opened(self) -> Iterator[Checkpoint]:
        """Open the checkpoint."""
        checkpoint = Checkpoint(self.state)
        try:
            yield checkpoint
        finally:
            checkpoint.close()

    def submit(self, *events: BatchEventName, requests: int = 2, key: str = KEY) -> str:
        """Record a batch with these events, and create it at the API; return its id."""
        message = {"role": "user", "content": "Hello"}
        params = {"model": "claude-haiku-4-5", "max_tokens": 9, "messages": [message]}
        items = [{"custom_id": f"r{n}", "params": params} for n in range(requests)]
        response = httpx.post(
            f"{self.there.url}{PATH}",
            json={"requests": items},
            headers=HEADERS | {"x-api-key": key},
        )
        batch_id = str(response.json()["id"])
        self.record(batch_id, *events, requests=requests, key=key)
        return batch_id

    def record(
        self, batch_id: str, *events: BatchEventName, requests: int = 2, key: str = KEY
    ) -> None:
        """Record a batch with these events."""
        with self.opened() as checkpoint:
            number, first = len(stored_batches(checkpoint)) + 1, checkpoint.next_attempt_id()
            digest = Secret(key).digest(f"marker{number:06}")
            made = NOW - timedelta(minutes=5)
            record = BatchRecord(number, "run", f"marker{number:06}", requests, 9, digest, None,
                                 None, made)  # fmt: skip
            ids = range(first, first + requests)
            intents = [Intent(n, n.to_bytes(16, "big"), "run", "m", made, Decimal("0.25"))
                       for n in ids]  # fmt: skip
            begin_batch(checkpoint, record, intents, [BatchItem(n, number, 9, None) for n in ids])
            for event in events:
                has_id = batch_id if event == "created" else None
                add_event(checkpoint, BatchEvent(number, event, has_id, made))

    def states(self) -> list[str]:
        """Return the states of the batches as recorded."""
        with self.opened() as checkpoint:
            return [batch.state for batch in stored_batches(checkpoint)]

    def at_the_api(self) -> list[tuple[bool, bool]]:
        """Return of each batch whether it was canceled, and whether it was deleted."""
        found = self.there.batches()
        return [(b["cancel_initiated_at"] is not None, b["deleted_at"] is not None) for b in found]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., BatchJob]]:
    """Return a function that starts a simulator with any settings, and writes a job for it."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    with ExitStack() as stack:

        def started(**settings: Any) -> BatchJob:
            options = {"batch_speed": 0, "batch_spread": 0} | settings
            there = stack.enter_context(run_in_thread(Settings(**options)))
            return BatchJob(tmp_path / "job", there)

        yield started


def test_the_list(start: Callable[..., BatchJob], batcher: Command) -> None:
    """Each batch has a line; nothing is sent; the next command is named."""
    job = start()
    job.record("msgbatch_1", "created", "ended", "fetched")
    job.record("msgbatch_2", "created", requests=1_234)
    job.record("")
    result = batcher("batches", job.path)
    lines = [line.split() for line in result.out.splitlines()]
    assert result.code == 0
    assert result.out.startswith("3 batches, 2 of them not collected yet\n")
    assert lines[1] == ["batch", "id", "state", "age", "requests", "results", "cost"]
    assert lines[2][:3] == ["1", "msgbatch_1", "fetched"]
    assert lines[3] == ["2", "msgbatch_2", "created", *lines[3][3:7], "1,234", "0", "at", "most",
                        "$308.50"]  # fmt: skip
    assert lines[4][:3] == ["3", "-", "unconfirmed"]
    assert "2 with unknown billing status" in result.out.splitlines()[2]
    assert f"next   batcher run {job.path}" in result.err
    assert job.there.totals()["other_requests"] == 0
    listed = batcher("batches", job.path, "msgbatch_2", "1", "--json").json["batches"]
    assert [batch["batch"] for batch in listed] == [1, 2]
    assert (listed[1]["requests"], listed[1]["pending"], listed[1]["worst_usd"]) == (
        1_234, 1_234, "308.5",
    )  # fmt: skip
    assert listed[1]["age_s"] >= 300


def test_a_job_without_batches(start: Callable[..., BatchJob], batcher: Command) -> None:
    """A job that has run live has none; one that has not run says so."""
    job = start()
    assert batcher("batches", job.path).out == "0 batches, 0 of them not collected yet\n"
    cancel = batcher("batches", job.path, "--cancel")
    assert (cancel.code, cancel.out) == (0, "there is no batch to cancel\n")
    fresh = batcher("batches", write_job(job.path.parent / "fresh"))
    assert fresh.code == 2
    assert "no run yet" in fresh.err


def test_cancel_all(start: Callable[..., BatchJob], batcher: Command) -> None:
    """Those that are at the API and not canceled yet; each is recorded once the API has said so."""
    job = start(batch_cancel_rate=0)
    for events in (("created",), ("created", "cancel"), ("created",), ("created", "ended")):
        job.submit(*events)
    result = batcher("batches", job.path, "--cancel")
    assert result.code == 0, result.err
    assert [line.rpartition(": ")[2] for line in result.out.splitlines()] == ["canceled"] * 2
    assert job.states() == ["canceling", "canceling", "canceling", "ended"]
    assert [was_canceled for was_canceled, _ in job.at_the_api()] == [True, False, True, False]
    assert f"next   batcher run {job.path}" in result.err


def test_cancel_some(start: Callable[..., BatchJob], batcher: Command) -> None:
    """A number and an id name batches; a repeated cancel is no error."""
    job = start(batch_cancel_rate=0)
    ids = [job.submit("created") for _ in range(3)]
    for _ in range(2):
        result = batcher("batches", job.path, "--cancel", "3", ids[0], "--json")
        assert [(b["id"], b["is_done"]) for b in result.json["batches"]] == [
            (ids[0], True), (ids[2], True),
        ]  # fmt: skip
    assert job.states() == ["canceling", "created", "canceling"]


def test_a_batch_that_has_ended_meanwhile(start: Callable[..., BatchJob], batcher: Command) -> None:
    """There is nothing to cancel, which is no failure."""
    job = start()
    job.submit("created")
    job.there.advance(86_400)
    result = batcher("batches", job.path, "--cancel")
    assert result.code == 0
    assert "has ended already; a run collects its results" in result.out
    assert job.states() == ["created"]


def test_delete(start: Callable[..., BatchJob], batcher: Command) -> None:
    """Only batches whose results are recorded are deleted, all of them without a name."""
    job = start()
    job.submit("created", "ended", "fetched")
    job.submit("created", "ended")
    job.submit("created", "ended", "fetched")
    job.there.advance(86_400)
    assert batcher("batches", job.path, "--delete", "3").code == 0
    assert job.states() == ["fetched", "ended", "deleted"]
    result = batcher("batches", job.path, "--delete")
    assert result.code == 0
    assert job.states() == ["deleted", "ended", "deleted"]
    assert [was_deleted for _, was_deleted in job.at_the_api()] == [True, False, True]
    assert batcher("batches", job.path, "--delete").out == "there is no batch to delete\n"


@pytest.mark.parametrize(("events", "action", "reason"), [
    ((), "cancel", "nobody knows yet whether it exists"),
    (("absent",), "cancel", "it was never created"),
    (("created", "ended"), "cancel", "it has ended; a run collects its results"),
    (("created", "ended", "fetched"), "cancel", "its results are recorded"),
    (("created", "lost"), "cancel", "its results are gone"),
    (("created", "ended", "fetched", "deleted"), "cancel", "it was deleted"),
    ((), "delete", "nobody knows yet whether it exists"),
    (("created",), "delete", "cancel it first"),
    (("created", "cancel"), "delete", "it has not ended"),
    (("created", "ended"), "delete", "its results are not recorded yet"),
    (("created", "ended", "fetched", "deleted"), "delete", "it was deleted"),
])  # fmt: skip
def test_a_batch_in_the_wrong_state(
    start: Callable[..., BatchJob], batcher: Command, events: Any, action: str, reason: str
) -> None:
    """The reason is given, and nothing is sent for the other batches either."""
    job = start()
    job.submit(*events)
    job.submit(*(("created",) if action == "cancel" else ("created", "ended", "fetched")))
    result = batcher("batches", job.path, f"--{action}", "1", "2")
    assert result.code == 2
    assert "batch 1 is" in result.err
    assert reason in result.err
    assert job.at_the_api() == [(False, False)] * 2


@pytest.mark.parametrize("words", [("9",), ("msgbatch_none",), ("--cancel", "9"),
                                   ("--delete", "r0"), ("--cancel", "--delete")])  # fmt: skip
def test_mistakes(start: Callable[..., BatchJob], batcher: Command, words: Any) -> None:
    """A name that no batch has, and two actions at once, are exit code 2."""
    job = start()
    job.submit("created")
    result = batcher("batches", job.path, *words)
    assert result.code == 2
    assert job.at_the_api() == [(False, False)]


def test_another_key(
    start: Callable[..., BatchJob], batcher: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key of another workspace cannot see the batch, and is told so; nothing is recorded."""
    job = start()
    job.submit("created")
    job.submit("created", "ended", "fetched")
    job.there.advance(86_400)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "other-workspace")
    for action in ("--cancel", "--delete"):
        result = batcher("batches", job.path, action)
        assert result.code == 4
        assert "another key submitted it" in result.out
        assert "other-workspace" not in result.out + result.err
    assert job.states() == ["created", "fetched"]


def test_a_batch_that_was_deleted_elsewhere(
    start: Callable[..., BatchJob], batcher: Command
) -> None:
    """The same key does not find it any more: a delete has what it wants, a cancel fails."""
    job = start()
    for events in (("created",), ("created", "ended", "fetched")):
        batch_id = job.submit(*events)
        job.there.advance(86_400)
        httpx.delete(f"{job.there.url}{PATH}/{batch_id}", headers=HEADERS)
    assert batcher("batches", job.path, "--delete").code == 0
    result = batcher("batches", job.path, "--cancel")
    assert (result.code, "does not know it any more" in result.out) == (4, True)
    assert job.states() == ["created", "deleted"]


SLOW = {
    kind: pytest.param(kind, 5, False, marks=pytest.mark.slow)
    for kind in ("overloaded", "junk", "truncated", "gateway_502")
}


@pytest.mark.parametrize(("kind", "code", "is_ended"), [
    ("reset_billed", 5, False), ("half_json", 5, False), ("status", 4, True), ("redirect", 4, True),
    *SLOW.values(),
])  # fmt: skip
@pytest.mark.parametrize("action", ["cancel", "delete"])
def test_a_call_that_fails(
    start: Callable[..., BatchJob], batcher: Command, action: str, kind: str, code: int,
    is_ended: bool,
) -> None:  # fmt: skip
    """Nothing is recorded that the API did not confirm, and the same command does the rest."""
    fault = Fault(kind, on=action, times=1, status=401 if kind == "status" else 529)
    job = start(faults=(fault,), batch_cancel_rate=0)
    events: Any = ("created",) if action == "cancel" else ("created", "ended", "fetched")
    for _ in range(2):
        job.submit(*events)
    if action == "delete":
        job.there.advance(86_400)
    result = batcher("batches", job.path, f"--{action}")
    assert result.code == code, result.out
    done = "canceling" if action == "cancel" else "deleted"
    before = "created" if action == "cancel" else "fetched"
    assert job.states() == [before, before if is_ended else done]
    assert "run: batcher" in result.err
    assert batcher("batches", job.path, f"--{action}").code == 0
    assert job.states() == [done, done]
    assert KEY not in result.out + result.err


def test_a_run_that_holds_the_job(start: Callable[..., BatchJob], batcher: Command) -> None:
    """Nothing is listed, canceled or deleted, and the message says who holds it."""
    job = start()
    job.submit("created")
    with Lock(job.state, Holder.this_process(NOW), for_run=True):
        for words in ((), ("--cancel",), ("--delete",)):
            result = batcher("batches", job.path, *words)
            assert result.code == 8
            assert "this job is locked by process" in result.err
            assert "batcher status" in result.err
    assert job.at_the_api() == [(False, False)]


def test_a_missing_key(
    start: Callable[..., BatchJob], batcher: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list needs none; a cancel says which variable is not set."""
    job = start()
    job.submit("created")
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    assert batcher("batches", job.path).code == 0
    result = batcher("batches", job.path, "--cancel")
    assert (result.code, "ANTHROPIC_API_KEY is not set" in result.err) == (2, True)


def test_simulated_batches(start: Callable[..., BatchJob], batcher: Command) -> None:
    """The embedded simulator's batches cannot be canceled, because it does not run any more."""
    job = start()
    job.state.rename(job.state.with_name("job.simulated"))
    assert batcher("batches", job.path, "--simulate").code == 0
    result = batcher("batches", job.path, "--simulate", "--cancel")
    assert (result.code, "end with its run" in result.err) == (2, True)
    assert json.loads(batcher("batches", job.path, "--simulate", "--json").out) == {"batches": []}
