"""Measures the processor time of each stage that a row goes through, in microseconds a row.

    python benchmarks/stages.py [--rows N] [--json]

The stages are those of a run, called one by one with the same rows: read, render, name (the
canonical JSON and its hash), plan (all of the planning pass, with read, render and name), pace,
send, judge, price, record (the intent and the outcome, durable, 64 at a time) and write. Threads
count. The last column is in units of a fixed loop in pure Python, measured beside each stage, so
that figures of a busy machine compare.
"""

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from far_side import ANSWER, HEADERS, fast_server
from measure import reference_ms
from report import stage_table
from resume import RUN_ID, THEN, records_of, requests_of, write_responses

from batcher import __version__
from batcher.api.client import MessagesClient
from batcher.api.key import Secret
from batcher.core.answers.outcome import classify
from batcher.core.answers.response import Response
from batcher.core.job import ApiSection
from batcher.core.money.bill import Sent, bill
from batcher.core.pace.pace import AttemptCost, Completion, Pace, Permit
from batcher.core.request.canonical import canonical_json, fingerprint
from batcher.core.row import Row
from batcher.core.template.template import Template
from batcher.inputs.job_file.load import load_job
from batcher.runner.job_context import JobContext, open_job
from batcher.runner.planning.planner import make_plan
from batcher.runner.writing.output import Target, export_parquet
from batcher.store.checkpoint import Checkpoint
from batcher.store.records import RunStart
from batcher.store.results import begin_results
from batcher.store.writer import Writer
from jobs import rows_file, write_job

ROUNDS = 3
WORKERS = 64
Stage = Callable[[], float]
"""Does the work for all rows and returns the seconds of processor time that it took."""


def timed(work: Callable[[], object]) -> float:
    """Return the seconds of processor time of a call."""
    before = time.process_time()
    work()
    return time.process_time() - before


class Stages:
    """The rows, the job and its requests, made once; each method measures one stage."""

    def __init__(self, folder: Path, rows: int, url: str) -> None:
        self._folder, self._url = folder, url
        place = folder / "job"
        job = write_job(place, rows_file(folder, rows), url, WORKERS)
        self._context = open_job(load_job(job), is_simulated=False, today=THEN.date())
        self._rows = list(self._read())
        self._requests = list(requests_of(self._context))
        assert self._context.loaded.prompt is not None
        self._prompt = Template(self._context.loaded.prompt, "prompt")
        response = Response(200, HEADERS, ANSWER.encode(), latency_s=1.0)
        self._response, self._outcome = response, classify(response)
        self._states = 0

    def all(self) -> dict[str, Stage]:
        """Return the stages in the order of a run."""
        return {
            "read": lambda: timed(lambda: list(self._read())),
            "render": lambda: timed(self._render),
            "name": lambda: timed(self._name),
            "plan": self.plan,
            "pace": lambda: timed(self._pace),
            "send": lambda: asyncio.run(self.send()),
            "judge": lambda: timed(self._judge),
            "price": lambda: timed(self._price),
            "record": lambda: asyncio.run(self.record()),
            "write": self.write,
        }

    def _read(self) -> Iterator[Row]:
        for chunk in self._context.source.chunks(self._context.maker.builder.columns):
            for row in chunk.rows:
                assert isinstance(row, Row)
                yield row

    def _render(self) -> None:
        for row in self._rows:
            self._prompt.render(row.values)

    def _name(self) -> None:
        for request in self._requests:
            fingerprint(canonical_json(request.fields), 0)

    def plan(self) -> float:
        """Measure the planning pass, into a new checkpoint."""
        context, folder = self._new_state()
        checkpoint = Checkpoint(folder)
        try:
            return timed(lambda: make_plan(context, checkpoint.call))
        finally:
            checkpoint.close()

    def _pace(self) -> None:
        pace, now, sent = Pace(WORKERS, 60.0, {}), 0.0, list[Permit]()
        completion = Completion(self._outcome, HEADERS, None, 1.0)
        cost = AttemptCost(500, 100)
        left = len(self._rows)
        while left or sent:
            permit = pace.admit(cost, now) if left else None
            if isinstance(permit, Permit):
                sent.append(permit)
                left -= 1
                continue
            now += 1.0 / WORKERS
            if sent:
                pace.on_completion(sent.pop(0), completion, now, 0.5)

    async def send(self) -> float:
        """Measure the client: one attempt for each request, from 64 workers."""
        api, requests = ApiSection(base_url=self._url), iter(self._requests)
        async with MessagesClient(api, Secret("key"), connections=WORKERS, timeout_s=60) as client:

            async def work(slot: int) -> None:
                for request in requests:
                    response = await client.send(slot, request.body)
                    assert isinstance(response, Response)

            before = time.process_time()
            await asyncio.gather(*(work(slot) for slot in range(WORKERS)))
            return time.process_time() - before

    def _judge(self) -> None:
        for _ in self._rows:
            classify(self._response)

    def _price(self) -> None:
        sent, message = Sent("claude-haiku-5-5", 100), self._outcome.message
        assert message is not None
        for _ in self._rows:
            bill(message, sent, self._context.prices)

    async def record(self) -> float:
        """Measure the writer: intents and outcomes, each made durable, 64 workers at a time."""
        _, folder = self._new_state()
        writer = Writer(folder)
        try:
            records = [records_of(request, n + 1) for n, request in enumerate(self._requests)]
            before = time.process_time()
            for start in range(0, len(records), WORKERS):
                group = records[start : start + WORKERS]
                await asyncio.gather(*(writer.add("attempts", intent) for intent, _ in group))
                await asyncio.gather(*(writer.add("outcomes", outcome) for _, outcome in group))
            return time.process_time() - before
        finally:
            writer.close()

    def write(self) -> float:
        """Measure the output: everything is answered, and the Parquet file is written."""
        context, folder = self._new_state(makes=False)
        write_responses(context, folder, frozenset())
        checkpoint = Checkpoint(folder)
        try:
            plan = make_plan(context, checkpoint.call)
            checkpoint.call(begin_results)
            target = Target(folder.with_suffix(".parquet"), RUN_ID)
            return timed(lambda: export_parquet(context, plan, checkpoint.call, target))
        finally:
            checkpoint.close()

    def _new_state(self, *, makes: bool = True) -> tuple[JobContext, Path]:
        self._states += 1
        folder = self._folder / f"state-{self._states}"
        if makes:
            folder.mkdir()
            Checkpoint.create(folder, version=__version__, now=THEN)
            checkpoint = Checkpoint(folder)
            start = RunStart(RUN_ID, THEN, 1, "bench", "", __version__, "bench", "", "2026-11-21")
            checkpoint.commit({"runs": [start]})
            checkpoint.close()
        return self._context, folder


def measure(rows: int, rounds: int, chosen: str) -> Iterator[dict[str, Any]]:
    """Measure the stages in turn, ``rounds`` times."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        folder.chmod(0o755)
        with fast_server(folder) as server:
            stages = Stages(folder, rows, server.url).all()
            names = chosen.split(",") if chosen else list(stages)
            for _ in range(rounds):
                for name in names:
                    loop_ms = reference_ms()
                    us = stages[name]() / rows * 1e6
                    yield {"stage": name, "us": us, "loops": us / loop_ms}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--only", default="", metavar="STAGE,STAGE")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    records = list(measure(options.rows, options.rounds, options.only))
    print(json.dumps(records) if options.json else stage_table(records))


if __name__ == "__main__":
    main()
