"""What doctor saves: all that is not under the damage, exactly as it was."""

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
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two row groups and more, and a log."""
    folder = tmp_path_factory.mktemp("recovery") / "whole"
    build(folder, parts=2, rows=ROW_GROUP + 100, logged=300, longest=100)
    return folder


class Recovery:
    """Damages copies of one checkpoint, lets doctor save them, and holds that against the whole."""

    def __init__(self, whole: Path, working: Path) -> None:
        self._whole, self._working = whole, working
        self._was = content_of(whole)
        self.counted: Counter[str] = Counter()

    def hold(self, seed: int) -> None:
        """Spoil a sector, or flip a bit, or cut the log; then examine what is saved."""
        rng = random.Random(seed)
        case = self._working / str(seed)
        case.mkdir()
        state, scratch, saved = (case / name for name in ("state", "scratch", "saved"))
        scratch.mkdir()
        saved.mkdir()
        copy_of(self._whole, state)
        kind = ("sector", "bit", "log")[seed % 3]
        spoil(state, kind, rng)
        found = examine(state, scratch, saved, datetime.now(UTC))
        self.counted[kind, self._verdict(found, saved)] += 1
        shutil.rmtree(case)

    def _verdict(self, found: Examination, saved: Path) -> str:
        kinds = {finding.kind for finding in found.findings}
        if "unreadable" in kinds:
            return "nothing saved: the table of contents is damaged"
        if found.open_attempts is None:
            assert not found.findings
            assert not found.missing
            return "harmless"
        saved_tables = content_of(saved)
        self._hold_outcomes(saved_tables["outcomes"])
        self._hold_attempts(saved_tables, found)
        self._hold_order(saved_tables["rows_seen"])
        assert all(
            saved_tables[name].num_rows >= state.read for name, state in found.tables.items()
        )
        return "all saved" if not found.missing and not found.answers_lost else "the rest saved"

    def _hold_outcomes(self, saved: pa.Table) -> None:
        """What is there is what it was; of a lost answer the bill is."""
        was = self._was["outcomes"].take(pc.subtract(saved["attempt_id"], 1))
        is_lost = pc.fill_null(pc.equal(saved["error_type"], ANSWER_LOST), False)
        lost, kept = saved.filter(is_lost), saved.filter(pc.invert(is_lost))
        was_kept = was.filter(pc.invert(is_lost))
        for name in saved.column_names:
            is_there = pc.is_valid(kept[name])
            assert name in MAY_BE_NULL or kept[name].equals(was_kept[name]), name
            assert kept[name].filter(is_there).equals(was_kept[name].filter(is_there)), name
        assert lost.select(BILL).equals(was.filter(is_lost).select(BILL))
        assert not pc.any(lost["is_final"]).as_py()
        assert lost["body"].null_count == lost["body_bytes"].null_count == lost.num_rows
        assert set(lost["status"].to_pylist()) <= {"errored"}

    def _hold_attempts(self, saved: dict[str, pa.Table], found: Examination) -> None:
        """Every outcome has its attempt; those without one are counted with their worst case."""
        attempts, outcomes = saved["attempts"], saved["outcomes"]
        was = self._was["attempts"].take(pc.subtract(attempts["attempt_id"], 1))
        assert attempts["fingerprint"].equals(was["fingerprint"])
        assert not saved["runs"].num_rows or attempts["run_id"].equals(was["run_id"])
        assert pc.all(pc.is_in(outcomes["attempt_id"], attempts["attempt_id"])).as_py() is not False
        has_outcome = pc.is_in(attempts["attempt_id"], outcomes["attempt_id"])
        unseen = attempts.filter(pc.invert(has_outcome))
        assert found.open_attempts is not None
        assert found.open_attempts.attempts == unseen.num_rows
        assert found.open_attempts.at_most_usd == sum(
            unseen["worst_case_usd"].to_pylist(), Decimal(0)
        )

    def _hold_order(self, saved: pa.Table) -> None:
        """The order of the rows seen has a meaning."""
        was = self._was["rows_seen"]
        places = pc.index_in(saved["key"], was["key"])
        assert was.take(places).equals(saved)
        assert places.to_pylist() == sorted(places.to_pylist())


def spoil(state: Path, kind: str, rng: random.Random) -> None:
    """Damage a file somewhere."""
    if kind == "log":
        log = state / LOG
        at = rng.randrange(log.stat().st_size)
        if rng.random() < 0.3:
            os.truncate(log, at)
            return
    path = state / (LOG if kind == "log" else FILE_NAME)
    size = SECTOR if kind == "sector" else 1
    at = rng.randrange(0, path.stat().st_size // size) * size
    with path.open("r+b") as file:
        file.seek(at)
        old = file.read(size)
        file.seek(at)
        file.write(rng.randbytes(size) if size > 1 else bytes([old[0] ^ 1 << rng.randrange(8)]))


@pytest.mark.parametrize("damages", [3, pytest.param(10, marks=pytest.mark.slow)])
def test_a_few_damages(damages: int, whole: Path, tmp_path: Path) -> None:
    """Every row that is saved is what it was, and only what lies under the damage is gone."""
    recovery = Recovery(whole, tmp_path)
    for seed in range(damages):
        recovery.hold(seed)
    assert recovery.counted.total() == damages


@pytest.mark.slow
@pytest.mark.crash
@pytest.mark.timeout(3600)
def test_a_hundred_damages(whole: Path, tmp_path: Path) -> None:
    """The same; the counts are printed with -s."""
    recovery = Recovery(whole, tmp_path)
    for seed in range(100):
        recovery.hold(seed)
    for (kind, verdict), number in sorted(recovery.counted.items()):
        print(f"{kind}\t{verdict}\t{number}")
    assert recovery.counted.total() == 100
    nothing = sum(n for (_, verdict), n in recovery.counted.items() if verdict.startswith("no"))
    assert nothing < 20
