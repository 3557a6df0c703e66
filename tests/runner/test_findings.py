"""What is wrong with a job is found all at once."""

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
    """Raise an error."""
    raise error


def test_a_step_that_goes_well_leaves_nothing() -> None:
    """Its result is returned, and nothing is raised."""
    findings = Findings()
    assert findings.attempt(lambda: 5) == 5
    findings.stop()
    assert findings.problems == ()


def test_a_single_error_is_raised_as_it_is() -> None:
    """Its class, exit code and hint are those of the step."""
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


def test_what_is_no_mistake_of_the_user_is_not_collected() -> None:
    """A damaged checkpoint ends everything at once."""
    with pytest.raises(CheckpointError):
        Findings().attempt(lambda: fail(CheckpointError("damaged")))
