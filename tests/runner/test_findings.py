"""All errors of a job are reported together."""

import pytest

from batcher.errors import (
    CheckpointError,
    ConfigurationError,
    InputError,
    JobFileError,
    Problem,
    ProblemsError,
)
from batcher.runner.findings import Findings


def fail(error: Exception) -> None:
    """Raise this error."""
    raise error


def test_a_successful_step_leaves_no_error() -> None:
    """The result of the step is returned, and ``stop`` raises nothing."""
    findings = Findings()
    assert findings.attempt(lambda: 5) == 5
    findings.stop()
    assert findings.problems == ()


def test_a_single_error_is_raised_as_it_is() -> None:
    """A single error keeps its class, exit code and hint."""
    findings, error = Findings(), InputError("no rows", hint="write some")
    assert findings.attempt(lambda: fail(error)) is None
    with pytest.raises(InputError) as caught:
        findings.stop()
    assert caught.value is error


def test_several_errors_are_raised_as_one_that_lists_them() -> None:
    """Each problem is listed once, with its place and hint."""
    findings = Findings()
    mistakes = [Problem("a", "job.toml", 1), Problem("b", "job.toml", 2)]
    for error in (JobFileError(mistakes), InputError("c", hint="h"), InputError("c", hint="h")):
        findings.attempt(lambda error=error: fail(error))
    with pytest.raises(ProblemsError) as caught:
        findings.stop()
    assert caught.value.problems == (*mistakes, Problem("c", hint="h"))
    assert isinstance(caught.value, ConfigurationError)
    assert caught.value.exit_code == 2


def test_an_error_that_is_not_in_the_job_is_not_collected() -> None:
    """A CheckpointError is raised at once."""
    with pytest.raises(CheckpointError):
        Findings().attempt(lambda: fail(CheckpointError("damaged")))
