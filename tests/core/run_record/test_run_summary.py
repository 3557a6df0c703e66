"""run.json has one typed shape, which a schema describes and older versions are read into."""

import json
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from run_summaries import SUMMARY

from batcher.core.run_record.run_schema import run_schema, schema_text
from batcher.core.run_record.run_status import RunStatus
from batcher.core.run_record.run_summary import RunSummary

ROOT = Path(__file__).parents[3]
ARCHIVES = sorted((ROOT / "tests/whole/older_versions").glob("*.tar.xz"))
VERSIONS = [path.name.removesuffix(".tar.xz") for path in ARCHIVES]


def old_file(version: str, name: str) -> dict[str, Any]:
    """Return a JSON file that a version left behind."""
    with tarfile.open(ROOT / f"tests/whole/older_versions/{version}.tar.xz") as archive:
        (member,) = (entry for entry in archive if Path(entry.name).name == name)
        file = archive.extractfile(member)
        assert file is not None
        content: dict[str, Any] = json.load(file)
        return content


def keys(content: object, prefix: str = "") -> Iterator[str]:
    """Yield the dotted keys of an object and of the objects in it."""
    if isinstance(content, dict):
        for key, value in content.items():
            yield prefix + key
            yield from keys(value, f"{prefix}{key}.")
    elif isinstance(content, list):
        for value in content:
            yield from keys(value, prefix)


def test_the_committed_schema_is_current() -> None:
    """``schemas/run.schema.json`` was regenerated with the code (``make schemas``)."""
    assert (ROOT / "schemas/run.schema.json").read_text(encoding="utf-8") == schema_text()


def test_every_key_of_a_summary_is_required_and_described_by_its_type() -> None:
    """Programs may rely on each key: it is there even when it is null."""
    schema, content = run_schema(), SUMMARY.to_json()
    assert schema["required"] == list(schema["properties"]) == list(content)
    validator = jsonschema.Draft202012Validator(schema)
    assert validator.is_valid(content)
    for key in content:
        assert not validator.is_valid({name: content[name] for name in content if name != key})


def test_a_summary_is_read_as_it_was_written() -> None:
    """Amounts stay exact on the way through JSON."""
    text = json.dumps(SUMMARY.to_json())
    assert '"spent": "11.95"' in text
    assert RunSummary.from_json(json.loads(text)) == SUMMARY


@pytest.mark.parametrize("version", VERSIONS)
def test_run_json_of_an_older_version_is_read(version: str) -> None:
    """Its figures are the same under today's names, and what is read fits today's schema."""
    old = old_file(version, "run.json")
    summary = RunSummary.from_json(old)
    assert summary.plan.already_answered == old["plan"]["known"]
    assert summary.plan.attempted_before == old["plan"]["tried"]
    assert summary.plan.on_hold == old["plan"]["held"]
    assert summary.rows.already_answered == old["rows"]["known"]
    assert summary.rows.by_status == old["rows"]["by_status"]
    assert summary.attempts.unpriced == old["usd"]["unpriced_attempts"]
    assert summary.seconds_by_limiter == old["pace"]
    assert [error.rows for error in summary.errors] == [error["n"] for error in old["errors"]]
    limits = {
        group: {kind: [limit.per_minute, limit.burst] for kind, limit in limits.items()}
        for group, limits in summary.observed_limits.items()
    }
    assert limits == old.get("limits", {})
    new = summary.to_json()
    for name in ("run_id", "started", "ended", "tokens", "latency_s", "models", "output"):
        assert new[name] == old[name]
    assert new["usd"]["spent"] == old["usd"]["spent"]
    jsonschema.Draft202012Validator(run_schema()).validate(new)


def test_every_key_of_0_6_has_a_key_today() -> None:
    """Only names and places differ."""
    moved = {
        "pace": "seconds_by_limiter",
        "plan.known": "plan.already_answered",
        "plan.held": "plan.on_hold",
        "plan.tried": "plan.attempted_before",
        "plan.gone": "plan.removed",
        "plan.least_worst_case_usd": "plan.min_worst_case_usd",
        "rows.known": "rows.already_answered",
        "usd.unpriced_attempts": "attempts.unpriced",
        "checkpoint.usd.unpriced_attempts": "checkpoint.attempts.unpriced",
        "errors.n": "errors.rows",
        "quality.classes": "quality.class_counts",
        "quality.new_classes": "quality.new_class_counts",
        "quality.gold.is_open": "quality.gold.has_classes",
        "limits": "observed_limits",
    }
    old = old_file("0.6.0", "run.json")
    new = set(keys(RunSummary.from_json(old).to_json()))
    assert {_today(key, moved) for key in keys(old)} <= new


def _today(key: str, moved: Mapping[str, str]) -> str:
    """Return the name that a key of version 1 has today."""
    for old, new in moved.items():
        if key == old or key.startswith(f"{old}."):
            return new + key.removeprefix(old)
    return key


@pytest.mark.parametrize("version", VERSIONS)
def test_status_json_of_an_older_version_is_read(version: str) -> None:
    """The run was killed while it was sending, so its status says how far it was."""
    old = old_file(version, "status.json")
    status = RunStatus.from_json(old)
    assert (status.run.run_id, status.run.state) == (old["run_id"], "running")
    assert (status.process.pid, status.process.boot_id) == (old["pid"], old["boot_id"])
    assert status.moment.phase == "sending"
    assert status.rows is not None
    assert status.rows.total == old["rows"]["total"]
    assert status.usd is not None
    assert status.to_json()["usd"]["spent"] == old["usd"]["spent"]
    assert RunStatus.from_json(json.loads(json.dumps(status.to_json()))) == status


@pytest.mark.parametrize("version", [0, 3, "1", None])
def test_a_version_that_is_not_known_is_an_error(version: object) -> None:
    """It may mean something else by the same keys."""
    with pytest.raises(ValueError, match="version"):
        RunSummary.from_json({**SUMMARY.to_json(), "schema_version": version})
