"""The records that doctor saves: all records outside of the damage, exactly as they were."""

import os
import random
import shutil
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from damaging import LOG, build, content_of, copy_of

from batcher.store.checkpoint import FILE_NAME
from batcher.store.repair.examination import Examination, examine
from batcher.store.repair.rescue import ANSWER_LOST

ROW_GROUP = 16_384
SECTOR = 4096
BILL = ["attempt_id", "fingerprint", "billing", "cost_usd", "input_tokens", "output_tokens"]
MAY_BE_NULL = {"request_id", "message_id", "latency_s", "ended_at"}


@pytest.fixture(scope="module")
def undamaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of more than two row groups, and a log."""
    folder = tmp_path_factory.mktemp("recovery") / "whole"
    build(folder, parts=2, rows=ROW_GROUP + 100, logged=300, longest=100)
    return folder


class Recovery:
    """Damages copies of a checkpoint, repairs them, and compares the result with the original."""

    def __init__(self, undamaged: Path, working: Path) -> None:
        self._undamaged, self._working = undamaged, working
        self._original = content_of(undamaged)
        self.counts: Counter[str] = Counter()

    def check(self, seed: int) -> None:
        """Damage a sector, a bit or the log; then check the repaired checkpoint."""
        rng = random.Random(seed)
        case = self._working / str(seed)
        case.mkdir()
        state, scratch, saved = (case / name for name in ("state", "scratch", "saved"))
        scratch.mkdir()
        saved.mkdir()
        copy_of(self._undamaged, state)
        kind = ("sector", "bit", "log")[seed % 3]
        damage_file(state, kind, rng)
        found = examine(state, scratch, saved, datetime.now(UTC))
        self.counts[kind, self._verdict(found, saved)] += 1
        shutil.rmtree(case)

    def _verdict(self, found: Examination, saved: Path) -> str:
        kinds = {finding.kind for finding in found.findings}
        if "unreadable" in kinds:
            return "nothing saved: the catalogue is damaged"
        if found.open_attempts is None:
            assert not found.findings
            assert not found.missing
            return "harmless"
        saved_tables = content_of(saved)
        self._check_outcomes(saved_tables["outcomes"])
        self._check_attempts(saved_tables, found)
        self._check_order(saved_tables["rows_seen"])
        assert all(
            saved_tables[name].num_rows >= state.read for name, state in found.tables.items()
        )
        return "all saved" if not found.missing and not found.answers_lost else "the rest saved"

    def _check_outcomes(self, saved: pa.Table) -> None:
        """Saved columns are unchanged; an outcome with a lost response still has its bill."""
        original = self._original["outcomes"].take(pc.subtract(saved["attempt_id"], 1))
        is_lost = pc.fill_null(pc.equal(saved["error_type"], ANSWER_LOST), False)
        lost, kept = saved.filter(is_lost), saved.filter(pc.invert(is_lost))
        kept_original = original.filter(pc.invert(is_lost))
        for name in saved.column_names:
            is_there = pc.is_valid(kept[name])
            assert name in MAY_BE_NULL or kept[name].equals(kept_original[name]), name
            assert kept[name].filter(is_there).equals(kept_original[name].filter(is_there)), name
        assert lost.select(BILL).equals(original.filter(is_lost).select(BILL))
        assert not pc.any(lost["is_final"]).as_py()
        assert lost["body"].null_count == lost["body_bytes"].null_count == lost.num_rows
        assert set(lost["status"].to_pylist()) <= {"errored"}

    def _waiting(self, saved: dict[str, pa.Table]) -> pa.Array:
        """Return the attempts whose results can still be collected from a batch."""
        items, known = saved["batch_items"], set(saved["batches"]["batch"].to_pylist())
        events = saved["batch_events"].to_pylist()
        over = {row["batch"] for row in events if row["event"] in ("fetched", "lost", "deleted")}
        pairs = zip(items["attempt_id"].to_pylist(), items["batch"].to_pylist(), strict=True)
        waiting = [attempt for attempt, batch in pairs if batch in known - over]
        return pa.array(waiting, pa.int64())

    def _check_attempts(self, saved: dict[str, pa.Table], found: Examination) -> None:
        """Each outcome has its attempt; open attempts are counted with their worst case."""
        attempts, outcomes = saved["attempts"], saved["outcomes"]
        original = self._original["attempts"].take(pc.subtract(attempts["attempt_id"], 1))
        assert attempts["fingerprint"].equals(original["fingerprint"])
        assert not saved["runs"].num_rows or attempts["run_id"].equals(original["run_id"])
        assert pc.all(pc.is_in(outcomes["attempt_id"], attempts["attempt_id"])).as_py() is not False
        has_outcome = pc.is_in(attempts["attempt_id"], outcomes["attempt_id"])
        still_open = attempts.filter(pc.invert(has_outcome))
        waits = pc.is_in(still_open["attempt_id"], self._waiting(saved))
        still_open = still_open.filter(pc.invert(waits))
        assert found.open_attempts is not None
        assert found.open_attempts.attempts == still_open.num_rows
        assert found.open_attempts.at_most_usd == sum(
            still_open["worst_case_usd"].to_pylist(), Decimal(0)
        )

    def _check_order(self, saved: pa.Table) -> None:
        """The rows seen are in the original order, which matters."""
        original = self._original["rows_seen"]
        positions = pc.index_in(saved["key"], original["key"])
        assert original.take(positions).equals(saved)
        assert positions.to_pylist() == sorted(positions.to_pylist())


def damage_file(state: Path, kind: str, rng: random.Random) -> None:
    """Damage a file at a random position."""
    if kind == "log":
        log = state / LOG
        position = rng.randrange(log.stat().st_size)
        if rng.random() < 0.3:
            os.truncate(log, position)
            return
    path = state / (LOG if kind == "log" else FILE_NAME)
    size = SECTOR if kind == "sector" else 1
    position = rng.randrange(0, path.stat().st_size // size) * size
    with path.open("r+b") as file:
        file.seek(position)
        old = file.read(size)
        file.seek(position)
        file.write(rng.randbytes(size) if size > 1 else bytes([old[0] ^ 1 << rng.randrange(8)]))


@pytest.mark.parametrize("damages", [3, pytest.param(10, marks=pytest.mark.slow)])
def test_a_few_damages(damages: int, undamaged: Path, tmp_path: Path) -> None:
    """Saved rows are unchanged, and only damaged rows are lost."""
    recovery = Recovery(undamaged, tmp_path)
    for seed in range(damages):
        recovery.check(seed)
    assert recovery.counts.total() == damages


@pytest.mark.slow
@pytest.mark.crash
@pytest.mark.timeout(3600)
def test_a_hundred_damages(undamaged: Path, tmp_path: Path) -> None:
    """The same for 100 damages; the counts are printed with -s."""
    recovery = Recovery(undamaged, tmp_path)
    for seed in range(100):
        recovery.check(seed)
    for (kind, verdict), number in sorted(recovery.counts.items()):
        print(f"{kind}\t{verdict}\t{number}")
    assert recovery.counts.total() == 100
    nothing = sum(n for (_, verdict), n in recovery.counts.items() if verdict.startswith("no"))
    assert nothing < 20
