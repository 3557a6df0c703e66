"""Overrides: keys of a job file that the command line sets."""

from decimal import Decimal
from pathlib import Path
from textwrap import dedent

import pytest

from batcher.errors import JobFileError
from batcher.inputs.job_file.load import LoadedJob, load_job

PLAIN = """
    [input]
    path = "in.jsonl"
    [request]
    model = "m"
    max_tokens = 10
    prompt = "{{ text }}"
"""


def write(folder: Path, text: str, name: str = "demo.toml") -> Path:
    """Write a job file; its first line is line 1."""
    path = folder / name
    path.write_text(dedent(text).lstrip("\n"), encoding="utf-8")
    return path


def load(folder: Path, text: str, *overrides: str) -> LoadedJob:
    """Load a job file of this text."""
    return load_job(write(folder, text), overrides)


def mistakes(folder: Path, text: str, *overrides: str) -> list[str]:
    """Return the mistakes of a wrong job file: line (or --set) and first line of the message."""
    with pytest.raises(JobFileError) as caught:
        load(folder, text, *overrides)
    return [
        f"{problem.line or problem.file}: {problem.message}".split("\n", 1)[0].replace(
            str(folder), "FOLDER"
        )
        for problem in caught.value.problems
    ]


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("request.model=claude-x", "claude-x"),
        ('request.model="claude-x"', "claude-x"),
        ("request.model= claude-x", " claude-x"),
        ("request.model=a=b", "a=b"),
        ("request.model=1\n[x]\ny = 2", "1\n[x]\ny = 2"),
    ],
)
def test_an_override_is_toml_or_else_text(tmp_path: Path, override: str, value: str) -> None:
    """Text needs no quotes, and can only become the value of its key."""
    assert load(tmp_path, PLAIN, override).job.request.model == value


def test_overrides_reach_every_kind_of_key(tmp_path: Path) -> None:
    """Overrides may be exact numbers, arrays, quoted keys and templates."""
    job = load(
        tmp_path,
        PLAIN,
        "limits.timeout_s=0.1",
        'output.keep=["a", "b"]',
        'prices.overrides."m.1".input=1',
        'prices.overrides."m.1".output=0.25',
        "request.prompt={{ other }}",
        "request.top_p=0.5",
    ).job
    assert job.limits.timeout_s == Decimal("0.1")
    assert job.output.keep == ("a", "b")
    assert job.prices.overrides["m.1"].output == Decimal("0.25")
    assert job.request.prompt == "{{ other }}"
    assert job.request.parameters == {"top_p": 0.5}


def test_overrides_are_checked_as_the_file_is(tmp_path: Path) -> None:
    """A wrong override is reported at --set, not at a line of the file."""
    expected = [
        "--set: this must look like section.key=value",
        "--set: request.model is not a table",
        "--set: limits.concurrency must be at least 1, got 0",
        "--set: there is no key limits.nope",
        "--set: request.max_tokens must be a whole number",
    ]
    found = mistakes(
        tmp_path,
        PLAIN,
        *("nonsense", "request=3", "a b=3", "request.model.x=1"),
        *("limits.concurrency=0", "limits.nope=1", "request.max_tokens=many"),
    )
    assert sorted(expected) == sorted(found)
