"""This version continues with the files of older versions: checkpoints, plans, records, jobs."""

import json
import re
import tarfile
import tomllib
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from whole_runs import Job, Server, batcher

from batcher.inputs.job_file.load import load_job

HERE = Path(__file__).parent
JOB_FILES = sorted((HERE / "jobs_0.6").glob("*.toml"))


def number(version: str) -> tuple[int, ...]:
    """Return a version as numbers, to compare versions."""
    return tuple(map(int, version.split(".")))


VERSIONS = sorted((path.name.removesuffix(".tar.xz") for path in HERE.glob("*.tar.xz")), key=number)
WITH_PLANS = [version for version in VERSIONS if number(version) >= (0, 4)]  # and schema 3
WITH_LABELS = [version for version in VERSIONS if number(version) >= (0, 5)]


def sampled(versions: list[str]) -> list[Any]:
    """Mark all versions except the first and last as slow."""
    ends = (versions[0], versions[-1])
    return [pytest.param(v, marks=() if v in ends else pytest.mark.slow) for v in versions]


class OldJob(Job):
    """A job as ``record.py`` left it: rows 1 to 8 have a response; row 9's attempt is unknown."""

    def __init__(self, version: str, folder: Path, server: Server) -> None:
        with tarfile.open(HERE / f"{version}.tar.xz") as archive:
            # Our own archive; before 3.11.4 there is no filter to choose.
            safely = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
            archive.extractall(folder, **safely)
        super().__init__(folder / "tickets", server)
        self.plan = self.folder / "plan.json"

    def resume(self, *arguments: str, code: int = 3) -> None:
        """Run the job with this test's simulator; exit 3: rows 5 and 6 have failed for good."""
        self.run("--set", f"api.base_url={self.server.url}", *arguments, code=code)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Query the checkpoint."""
        path = self.folder / "runs/tickets/checkpoint.duckdb"
        with duckdb.connect(str(path), read_only=True) as connection:
            return connection.execute(query).fetchall()

    def failures(self) -> set[str]:
        """Return the error types of the failed rows."""
        listed = batcher("failures", self.path, "--json")
        assert listed.code == 0, listed.err
        return set(re.findall(r"client\.\w+|refusal|max_tokens", listed.out))


@pytest.fixture
def old(version: str, tmp_path: Path, server: Server) -> OldJob:
    """Return the job of an older version."""
    return OldJob(version, tmp_path, server)


@pytest.mark.parametrize("version", sampled(VERSIONS))
def test_a_job_of_an_older_version_is_resumed(old: OldJob) -> None:
    """Only the row without a response is sent; recorded and written values do not change."""
    written = pq.read_table(old.output)
    attempts, outcomes = "FROM attempts ORDER BY 1", "FROM outcomes ORDER BY 1"
    columns = "SELECT attempt_id, fingerprint, status, billing, cost_usd, body "
    before = old.rows(columns + outcomes)
    sent = old.rows("SELECT attempt_id, fingerprint, worst_case_usd " + attempts)
    old.resume()
    assert old.server.ledger()["requests"] == 1
    assert old.rows(columns + outcomes)[:-1] == before
    assert old.rows("SELECT attempt_id, fingerprint, worst_case_usd " + attempts)[:-1] == sent
    resumed = old.table()
    assert resumed.num_rows == 9
    assert resumed.slice(0, 6).select(written.column_names).equals(written)
    assert resumed["_status"].to_pylist()[6:] == ["succeeded"] * 3
    assert resumed["_shared"].to_pylist() == [False] * 6 + [True, False, False]
    old.resume()
    assert old.server.ledger()["requests"] == 1


@pytest.mark.parametrize("version", sampled(WITH_LABELS))
def test_labels_of_an_older_version_keep_their_columns(old: OldJob) -> None:
    """Typed columns and their labels are equal, in old rows and new ones."""
    written = pq.read_table(old.output)
    old.resume()
    resumed = old.table()
    assert resumed.schema.field("team").type == pa.dictionary(pa.int32(), pa.string())
    assert resumed.schema.field("urgent").type == pa.bool_()
    for name in ("team", "urgent"):
        assert resumed[name].to_pylist()[:6] == written[name].to_pylist()
        assert None not in resumed[name].to_pylist()[6:]


@pytest.mark.parametrize("version", sampled(VERSIONS))
def test_records_of_an_older_version_are_shown(old: OldJob) -> None:
    """Status, failures, rows and exports read the records of older runs, also of killed ones."""
    before = json.loads(old.command("status", "--json"))
    assert (before["job"], before["state"], before["exit_code"]) == ("tickets", "died", None)
    if old.plan.exists():
        assert old.failures() == {"refusal", "max_tokens", "client.billing_unknown"}
    old.resume()
    assert json.loads(old.command("status", "--json"))["exit_code"] == 3
    assert old.failures() == {"refusal", "max_tokens"}
    spent = sum(cost for (cost,) in old.rows("SELECT cost_usd FROM outcomes WHERE cost_usd > 0"))
    assert old.metadata()["totals"]["cost_usd"] == f"{spent.normalize():f}"
    assert "req_" in old.command("show", "t-1")
    old.command("export", "--out", str(old.folder / "out.jsonl"))
    exported = (old.folder / "out.jsonl").read_text().splitlines()
    assert [json.loads(line)["_id"] for line in exported] == [f"t-{n}" for n in range(1, 10)]


@pytest.mark.parametrize("version", sorted(set(VERSIONS) - set(WITH_PLANS)))
def test_a_command_that_only_reads_leaves_an_older_checkpoint(old: OldJob) -> None:
    """The command names the one that migrates the checkpoint, and changes nothing."""
    bytes_before = (old.folder / "runs/tickets/checkpoint.duckdb").read_bytes()
    refused = batcher("failures", old.path)
    assert refused.code == 1
    assert "batcher run" in refused.err
    assert (old.folder / "runs/tickets/checkpoint.duckdb").read_bytes() == bytes_before


@pytest.mark.parametrize("version", sampled(WITH_PLANS))
def test_a_plan_of_an_older_version_is_held_to(old: OldJob) -> None:
    """The plan is accepted for an unchanged job; with one more row nothing is sent."""
    old.resume("--plan", str(old.plan))
    assert old.server.ledger()["requests"] == 1
    with (old.folder / "rows.jsonl").open("a") as rows:
        rows.write('{"id": "t-10", "text": "One more", "right": "other"}\n')
    old.resume("--plan", str(old.plan), code=9)
    assert old.server.ledger()["requests"] == 1


@pytest.mark.parametrize("version", sampled(VERSIONS))
def test_a_job_file_of_an_older_version_passes_check(old: OldJob) -> None:
    """The unchanged job file of each version is valid today."""
    old.resume()
    checked = batcher("check", old.path, key="test-key")
    assert checked.code == 0, checked.err


@pytest.mark.parametrize("path", JOB_FILES, ids=lambda path: path.stem)
def test_every_key_of_0_6_is_read(path: Path) -> None:
    """Together the files in ``jobs_0.6`` have all keys that version 0.6.0 knew."""
    loaded = load_job(path, ())
    for section, keys in tomllib.loads(path.read_text()).items():
        for key in keys:
            assert loaded.sources[f"{section}.{key}"].startswith(f"{path.name}:")
