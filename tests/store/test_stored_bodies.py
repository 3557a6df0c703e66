"""Response bodies of any size: read as they came, stored in short values, never half there."""

import random
import shutil
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sample_records import NOW, fingerprint_of, intent, opened, outcome, plan_row, run

from batcher.store.batches import invalid_answers
from batcher.store.checkpoint import FILE_NAME, Checkpoint
from batcher.store.database import MEMORY_BYTES
from batcher.store.journal import FILE_NAME as JOURNAL
from batcher.store.plans import add_to_plan, begin_plan, finish_plan
from batcher.store.repair.examination import Examination, examine
from batcher.store.repair.rescue import ANSWER_LOST
from batcher.store.results import attempts_of, begin_results, read_results
from batcher.store.stored_bodies import PACKED_ABOVE_BYTES, PART_BYTES

from plan_model import COMPARISON  # isort: skip

SIZES = [0, 1, PACKED_ABOVE_BYTES, PACKED_ABOVE_BYTES + 1, PART_BYTES, PART_BYTES * 5, 300_000]


def body_of(size: int, seed: int = 1) -> bytes:
    """Bytes that cannot be compressed."""
    return random.Random(seed).randbytes(size)


def record(checkpoint: Checkpoint, bodies: list[bytes | None]) -> None:
    """Record an attempt for each body; the group is one commit."""
    numbers = range(1, len(bodies) + 1)
    pairs = zip(numbers, bodies, strict=True)
    checkpoint.commit(
        {
            "attempts": [intent(n, n) for n in numbers],
            "outcomes": [outcome(n, n, body=body) for n, body in pairs],
        }
    )


def read(checkpoint: Checkpoint, rows: int) -> list[bytes | None]:
    """Return the bodies of the first results, as an output reads them."""
    begin_plan(checkpoint)
    add_to_plan(checkpoint, [plan_row(n, n + 1) for n in range(rows)])
    finish_plan(checkpoint, COMPARISON)
    begin_results(checkpoint)
    bodies: list[bytes | None] = read_results(checkpoint, 0, rows - 1).column("body").to_pylist()
    return bodies


@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(st.none() | st.sampled_from(SIZES) | st.integers(0, 100_000), min_size=1, max_size=8)
)
def test_bodies_are_read_as_they_came(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int | None]
) -> None:
    """From results and from attempts, before and after the log is folded, and by a reader."""
    folder = tmp_path_factory.mktemp("bodies")
    bodies = [None if size is None else body_of(size, n) for n, size in enumerate(sizes)]
    with opened(folder) as checkpoint:
        record(checkpoint, bodies)
        assert read(checkpoint, len(bodies)) == bodies
        ((longest,),) = checkpoint.rows(
            "SELECT greatest((SELECT max(octet_length(body)) FROM outcomes), "
            "(SELECT max(octet_length(data)) FROM body_parts))"
        )
        assert (longest or 0) <= PART_BYTES
    with opened(folder, is_read_only=True) as checkpoint:
        assert read(checkpoint, len(bodies)) == bodies
        for number, body in enumerate(bodies, 1):
            (attempt,) = attempts_of(checkpoint, fingerprint_of(number))
            assert attempt["body"] == body


def memory_limit(checkpoint: Checkpoint) -> int:
    """Return DuckDB's memory limit in bytes."""
    ((limit,),) = checkpoint.rows("SELECT value FROM duckdb_settings() WHERE name = 'memory_limit'")
    number, unit = limit.split()
    return int(float(number) * {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30}[unit])


@pytest.mark.parametrize("size", [20_000, 200_000, 4_000_000])
def test_the_memory_of_the_checkpoint_does_not_depend_on_the_longest_response(
    size: int, tmp_path: Path
) -> None:
    """What DuckDB may use stays the same, while they are written and when they are there."""
    with opened(tmp_path) as checkpoint:
        record(checkpoint, [body_of(size)])
        assert memory_limit(checkpoint) <= MEMORY_BYTES + 4 * 2048 * PART_BYTES
    with opened(tmp_path) as checkpoint:
        assert memory_limit(checkpoint) <= MEMORY_BYTES


def make_older(folder: Path, version: int, bodies: list[bytes]) -> None:
    """Make a checkpoint of schema 5 or 6, which has every body in one piece."""
    with opened(folder) as checkpoint:
        record(checkpoint, [b"{}"] * len(bodies))
        for number, body in enumerate(bodies, 1):
            checkpoint.execute(
                "UPDATE outcomes SET body = $body, body_bytes = $size WHERE attempt_id = $number",
                body=body, size=len(body), number=number,
            )  # fmt: skip
        lacking = ["body_parts", "batches", "batch_items", "batch_events"]
        for table in lacking[: 1 if version == 6 else None]:
            checkpoint.execute(f"DROP TABLE {table}")
        checkpoint.execute("UPDATE checkpoint SET schema_version = $version", version=version)


@pytest.mark.parametrize("version", [5, 6])
@pytest.mark.parametrize("is_read_only", [False, True])
def test_an_older_checkpoint_keeps_its_long_bodies(
    version: int, is_read_only: bool, tmp_path: Path
) -> None:
    """A reader reads them, a run updates the schema, and DuckDB gets the memory for them."""
    bodies = [b"short", b"<" * PACKED_ABOVE_BYTES]
    make_older(tmp_path, version, bodies)
    with opened(tmp_path, is_read_only=is_read_only) as checkpoint:
        assert read(checkpoint, 2) == bodies
        assert memory_limit(checkpoint) > MEMORY_BYTES


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a killed run: a short body, one in parts, a short one; all in the log."""
    working = tmp_path_factory.mktemp("working")
    folder = working.with_name(f"{working.name}-killed")
    with opened(working) as checkpoint:
        checkpoint.commit({"runs": [run()]})
        record(checkpoint, [b"one", body_of(PART_BYTES * 3), b"three"])
        shutil.copytree(working, folder)
    return folder


def repaired(folder: Path, tmp_path: Path) -> Examination:
    """Examine a checkpoint; the repaired one is in ``tmp_path / "repaired"``."""
    scratch, target = tmp_path / "scratch", tmp_path / "repaired"
    scratch.mkdir()
    target.mkdir()
    return examine(folder, scratch, target, NOW)


def test_parts_are_restored_from_the_journal(killed: Path, tmp_path: Path) -> None:
    """Without its log, a body in parts comes from the journal like any other."""
    folder = shutil.copytree(killed, tmp_path / "damaged")
    (folder / f"{FILE_NAME}.wal").unlink()
    found = repaired(folder, tmp_path)
    assert (found.missing, found.answers_lost) == (0, 0)
    with opened(tmp_path / "repaired") as checkpoint:
        assert read(checkpoint, 3) == [b"one", body_of(PART_BYTES * 3), b"three"]


@pytest.mark.parametrize("lost", ["part = 0", "part = 2", "true"])
def test_a_lost_part_loses_one_answer_and_no_cost(killed: Path, lost: str, tmp_path: Path) -> None:
    """Its row is sent again, its cost stays in the bill, and the other answers are kept."""
    folder = shutil.copytree(killed, tmp_path / "damaged")
    with duckdb.connect(folder / FILE_NAME) as connection:
        left = f"SELECT * FROM body_parts WHERE NOT ({lost})"
        connection.execute(f"CREATE OR REPLACE TABLE body_parts AS {left}")
    (folder / JOURNAL).unlink()
    found = repaired(folder, tmp_path)
    assert found.answers_lost == 1
    with opened(tmp_path / "repaired") as checkpoint:
        rows = checkpoint.rows(
            "SELECT is_final, error_type, cost_usd = 0.001 FROM outcomes ORDER BY attempt_id"
        )
        assert rows == [(True, None, True), (False, ANSWER_LOST, True), (True, None, True)]
        assert read(checkpoint, 3) == [b"one", None, b"three"]


def test_parts_without_their_outcome_are_not_kept(killed: Path, tmp_path: Path) -> None:
    """A later outcome of that attempt has its own body only."""
    folder = shutil.copytree(killed, tmp_path / "damaged")
    with duckdb.connect(folder / FILE_NAME) as connection:
        connection.execute("CREATE OR REPLACE TABLE outcomes AS SELECT * FROM outcomes LIMIT 1")
    (folder / JOURNAL).unlink()
    repaired(folder, tmp_path)
    later = body_of(PART_BYTES * 2, seed=2)
    with opened(tmp_path / "repaired") as checkpoint:
        checkpoint.commit({"outcomes": [outcome(2, 2, body=later)]})
        assert read(checkpoint, 2) == [b"one", later]


def test_an_invalid_answer_that_lost_a_part_is_not_quoted(tmp_path: Path) -> None:
    """What a repair quotes are whole answers, in parts or not."""
    folder = tmp_path / "damaged"
    folder.mkdir()
    wrong = {"status": "invalid", "is_final": False}
    bodies = [body_of(PART_BYTES * 3, seed) for seed in (1, 2)]
    with opened(folder) as checkpoint:
        groups = {
            "attempts": [intent(1, 1), intent(2, 1)],
            "outcomes": [outcome(n, 1, body=body, **wrong) for n, body in enumerate(bodies, 1)],
        }
        checkpoint.commit(groups)
        assert invalid_answers(checkpoint, [fingerprint_of(1)]) == {fingerprint_of(1): bodies}
    with duckdb.connect(folder / FILE_NAME) as connection:
        left = "SELECT * FROM body_parts WHERE NOT (attempt_id = 1 AND part = 1)"
        connection.execute(f"CREATE OR REPLACE TABLE body_parts AS {left}")
    repaired(folder, tmp_path)
    with opened(tmp_path / "repaired") as checkpoint:
        assert invalid_answers(checkpoint, [fingerprint_of(1)]) == {fingerprint_of(1): bodies[1:]}
