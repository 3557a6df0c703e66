"""A job of batches that is killed again and again, and the checks at its end.

Nothing may be lost or paid for twice, wherever a batch was when its run was killed. There is one
moment in which nobody could know whether the API has created a batch: between the create call and
its answer. The checkpoint names the batch by its number of requests, its place in the list and its
marker, so the next run finds out from the list and the results; until then its rows wait. So no
kill leaves a batch unknown, unless its results are gone: deleted by somebody else or 29 days old.

Live requests are another matter: the answers in flight at a kill are lost and may be paid for
again, as ``docs/reliability.md`` says. They are counted apart.
"""

import json
import signal
import urllib.request
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from evidence import PROMISES, Evidence
from gate import Gate, Stop
from kill_points import Point
from run_launcher import Launcher
from whole_runs import Server

ANSWERS = ("n", "response", "_status")


@dataclass(frozen=True, slots=True)
class Scenario:
    """A kind of job: what its job file adds, and how the simulator is set.

    ``arguments`` are those of the first runs, one run each; later ones have those of the last.
    ``budget_usd`` is the budget that it must not pass.
    """

    name: str
    rows: int
    job: str
    server: tuple[str, ...] = ()
    request: str = 'prompt = "Say {{ n }}"\n'
    arguments: tuple[tuple[str, ...], ...] = ((),)
    budget_usd: Decimal | None = None


_FAST = ("--batch-speed", "600", "--batch-spread", "0", "--batch-median-s", "60")
_SLOWER = ("--batch-speed", "30", "--batch-spread", "0", "--batch-median-s", "60")
_POLL = "poll_s = 0.05\nlisted_after_s = 0.1\n"
_BATCH = f'[delivery]\nmode = "batch"\nbatch_rows = 9\n{_POLL}'
_LONG = "Rule: " + "think of every word that was ever said. " * 1500
_AUTO = f'[delivery]\nmode = "auto"\ndeadline = "9h"\nallow_batch = true\nbatch_rows = 9\n{_POLL}'

SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("batch", 40, _BATCH, _FAST),
        Scenario(
            "repairs",
            30,
            _BATCH + '[labels]\nfields = "label: a|b|c"\nrepairs = 5\n',
            (*_FAST, "--invalid-rate", "0.2", "--seed", "3"),
        ),
        Scenario(
            "budget",
            40,
            _BATCH + "[budget]\nmax_cost_usd = 0.003\n",
            _FAST,
            budget_usd=Decimal("0.003"),
        ),
        Scenario(
            "priming",
            60,
            _BATCH.replace("9", "30"),
            _FAST,
            f'system = "{_LONG}"\nprompt = "Say {{{{ n }}}}"\n',
        ),
        Scenario(
            "auto",
            40,
            _AUTO,
            _SLOWER,
            arguments=(("--deadline", "9h"), ("--deadline", "10m")),
        ),
    )
}


@dataclass(slots=True)
class BatchTally:
    """What came of the kills: published figures, and broken promises, which must be none.

    ``live_in_flight`` counts live answers that a kill has lost (see the module).
    """

    jobs: int = 0
    kills: int = 0
    batches: int = 0
    adopted: int = 0
    never_created: int = 0
    live_in_flight: int = 0
    by_place: Counter[str] = field(default_factory=Counter)
    broken: Counter[str] = field(default_factory=Counter)

    def add(self, other: "BatchTally") -> None:
        """Add what came of other kills."""
        for name in ("jobs", "kills", "batches", "adopted", "never_created", "live_in_flight"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.by_place.update(other.by_place)
        self.broken.update(other.broken)

    def summary(self) -> dict[str, object]:
        """Return the published figures; those below ``broken`` must be 0."""
        return {
            "jobs": self.jobs,
            "kills": self.kills,
            "at_calls_or_points": self.kills - self.by_place["at any time"],
            "batches": self.batches,
            "adopted": self.adopted,
            "never_created": self.never_created,
            "live_answers_lost_in_flight": self.live_in_flight,
            "broken": {promise: self.broken[promise] for promise in PROMISES},
        }

    def check(self) -> None:
        """Check all promises."""
        assert not +self.broken, (self.broken, self.by_place)


class BatchJob:
    """A job with its own simulator, and a gate between the two."""

    def __init__(self, folder: Path, launcher: Launcher, scenario: Scenario) -> None:
        folder.mkdir(parents=True)
        self.tally = BatchTally(jobs=1)
        self.scenario = scenario
        self.folder = folder
        self.path = folder / "job.toml"
        self.output = folder / "out.parquet"
        self.checkpoint = folder / "runs" / "job" / "checkpoint.duckdb"
        self._log = folder.parent / f"{folder.name}.log"
        self._launcher = launcher
        self._server = Server("--latency", "0", "--keep-requests", *scenario.server)
        self._gate = Gate(self._server.url)
        self._starts = 0
        self._write()

    def __enter__(self) -> "BatchJob":
        return self

    def __exit__(self, *error: object) -> None:
        if self._launcher.is_running:
            self._launcher.kill()
            self._launcher.exit_code()
        self._gate.close()
        self._server.close()

    def _write(self) -> None:
        rows = "".join(json.dumps({"n": n}) + "\n" for n in range(self.scenario.rows))
        (self.folder / "rows.jsonl").write_text(rows)
        self.path.write_text(
            '[input]\npath = "rows.jsonl"\n'
            f'[request]\nmodel = "claude-haiku-5-5"\nmax_tokens = 400\n{self.scenario.request}'
            '[output]\npath = "out.parquet"\n[limits]\nconcurrency = 4\n'
            "[retry]\nunknown_attempts = 30\nmax_wait_s = 0.2\n"
            f'[api]\nbase_url = "{self._gate.url}"\n{self.scenario.job}'
        )

    def start(self, trap: Sequence[object] = (), command: Sequence[str] = ()) -> None:
        """Start the next run, or another command on the job."""
        given = self.scenario.arguments
        arguments = given[min(self._starts, len(given) - 1)]
        words = command or ["run", str(self.path), "--yes", *arguments]
        self._starts += not command
        self._launcher.start(list(words), self._log, trap)

    def kill_at_call(self, stop: Stop, command: Sequence[str] = ()) -> bool:
        """Start a run and kill it at a moment of a call; return whether it got there."""
        stop.act = self._launcher.kill
        self._gate.set_stop(stop)
        self.start(command=command)
        return self._was_killed(stop.name)

    def kill_at_point(self, point: Point, number: int) -> bool:
        """Start a run that kills itself at a point; return whether it got there."""
        self.start((point.name, number, 0.0, 1))
        return self._was_killed(point.name)

    def kill_after(self, seconds: float) -> bool:
        """Start a run and kill it after a time; return whether it was still running."""
        self.start()
        self._launcher.has_ended(seconds)
        self._launcher.kill()
        return self._was_killed("at any time")

    def _was_killed(self, place: str) -> bool:
        code = self._launcher.exit_code()
        self._gate.set_stop(None)
        if code == -signal.SIGKILL:
            self.tally.kills += 1
            self.tally.by_place[place] += 1
        else:
            assert code == 0, [place, code, self.log()]
        return code == -signal.SIGKILL

    def log(self) -> str:
        """Return the end of what the commands said."""
        return self._log.read_text()[-3000:]

    def finish(self) -> None:
        """Run to the end; one more run must send nothing."""
        self._gate.set_stop(None)
        for _ in range(max(1, len(self.scenario.arguments) - self._starts) + 1):
            self.start()
            code = self._launcher.exit_code()
            assert code == 0, self.log()
        assert "; 0 to send" in self._log.read_text().rpartition("plan  ")[2], self.log()

    def answers(self) -> pa.Table:
        """Return what does not depend on the way that an answer came."""
        table = pq.read_table(self.output)
        return table.select([name for name in ANSWERS if name in table.column_names])

    def batches(self) -> list[dict[str, Any]]:
        """Return what became of each batch, by the simulator's own record."""
        with urllib.request.urlopen(f"{self._server.url}/_simulator/batches") as response:
            return json.load(response)["data"]

    def compare(self, expected: pa.Table) -> BatchTally:
        """Compare output, checkpoint and ledger with each other and with an undisturbed run's."""
        metadata = json.loads(pq.read_metadata(self.output).metadata[b"batcher"])
        evidence = Evidence.read(self.checkpoint, self._server.entries())
        answers, tally = self.answers(), self.tally
        made = self.batches()
        rows = answers.num_rows if answers.equals(expected) else 0
        statuses = answers.column("_status").to_pylist()
        budget = self.scenario.budget_usd
        tally.broken.update(
            rows_without_answer=self.scenario.rows - statuses.count("succeeded"),
            answers_that_differ=self.scenario.rows - rows,
            usd_off=Decimal(metadata["totals"]["cost_usd"]) != evidence.recorded_usd,
            budget_passed=budget is not None and evidence.billed_usd > budget,
            **evidence.broken(made),
        )
        tally.batches += len(made)
        tally.adopted += self._adopted(evidence)
        tally.never_created += evidence.states["absent"]
        tally.live_in_flight += len(evidence.live_unrecorded)
        return tally

    def _adopted(self, evidence: Evidence) -> int:
        """Count the batches that another run than the one that made them has found in the list."""
        found = 0
        for log in self.checkpoint.parent.glob("**/events.jsonl"):
            events = map(json.loads, log.read_text().splitlines())
            for event in events:
                if event["event"] == "batch_created":
                    found += evidence.run_ids[event["batch"]] != log.parent.name
        return found
