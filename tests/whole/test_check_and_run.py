"""``batcher check`` and ``batcher run`` agree: what one passes, the other does not refuse."""

import re
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from odd_jobs import fill, job_text, network, put
from odd_values import FITTING, KINDS, ODD, PLAIN, SEARCH, Edit, changes
from samples import examples
from whole_runs import CommandResult, batcher

ENVIRONMENT = {key.removeprefix("env.") for key in {**FITTING, **ODD} if key.startswith("env.")}
ERROR = re.compile(r"^error  (.*)$", re.MULTILINE)


def run_command(folder: Path, values: Mapping[str, Any], *words: str) -> CommandResult:
    """Run a command on a job, with the job's environment variables."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ENVIRONMENT:
            patch.delenv(name, raising=False)
            if values.get(f"env.{name}") is not None:
                patch.setenv(name, values[f"env.{name}"])
        flags = [key.removeprefix("flag.") for key in values if key.startswith("flag.")]
        return batcher(words[0], folder / "job.toml", *words[1:], *flags)


def errors(command: CommandResult) -> set[str]:
    """Return the error messages of a command."""
    return set(ERROR.findall(command.err))


def compare(folder: Path, values: Mapping[str, Any]) -> CommandResult:
    """Check a job, run it, and assert that they agree; return the result of the check."""
    (folder / "job.toml").write_text(job_text(values))
    for key, value in values.items():
        if key.startswith("disk.") and value is not None:
            put(folder, key.removeprefix("disk."), value)
    before = sorted(folder.rglob("*"))
    with network() as net:
        check = run_command(folder, values, "check")
        assert net.sent == []
        assert sorted(folder.rglob("*")) == before, "a check leaves nothing behind"
        run = run_command(folder, values, "run", "--yes")
    assert "(in batcher" not in check.err + run.err, "an unexpected error"
    to_api = [url for url in net.sent if "/messages" in url]
    is_refused = run.code in (1, 2, 10) and not to_api
    if is_refused and "request.on_change" in run.err and "request.on_change" in check.err:
        return check  # answered rows are sent again only when the user agrees
    assert (check.code != 0) == is_refused, (check, run, net.sent)
    if is_refused:
        assert errors(run)
        assert errors(run) <= errors(check)
    else:
        assert ("a run would send nothing" in check.err) == (run.code == 6 and not to_api)
    return check


def play(kind: Mapping[str, Any], first: list[Edit], second: list[Edit]) -> CommandResult:
    """Check and run a job, then again with other values in the same folder."""
    with TemporaryDirectory() as name:
        folder, job = Path(name), {**PLAIN, **kind, **dict(first)}
        fill(folder)
        compare(folder, job)
        return compare(folder, {**job, **dict(second)})


property_of_jobs = given(st.sampled_from(KINDS), changes, changes)


@settings(max_examples=examples(8), suppress_health_check=[HealthCheck.too_slow])
@property_of_jobs
def test_what_check_passes_run_does_not_refuse(
    kind: Mapping[str, Any], first: list[Edit], second: list[Edit]
) -> None:
    """What a run refuses before sending, check reports with the same messages."""
    play(kind, first, second)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@property_of_jobs
def test_check_and_run_agree_on_many_jobs(
    kind: Mapping[str, Any], first: list[Edit], second: list[Edit]
) -> None:
    """The same property for many more jobs."""
    play(kind, first, second)


SEARCHES = [("request.tools", [SEARCH]), ("budget.max_cost_usd", 5)]
FORMERLY: dict[str, tuple[list[Edit], list[Edit], str]] = {
    "header": ([], [("api.headers", {"transfer-encoding": "chunked"})], "transfer-encoding"),
    "proxy": ([], [("env.HTTPS_PROXY", "socks5://p")], "proxy"),
    "certificates": ([], [("env.SSL_CERT_FILE", "/none.pem")], "SSL_CERT_FILE"),
    "bound": ([], SEARCHES, "a budget needs a cost bound"),
    "output around the state": ([], [("output.path", "runs")], "job's state"),
    "output named too long": ([], [("output.path", "a/" + "x" * 240)], "220 bytes"),
    "lock that is a folder": ([("disk.runs/job", "locked")], [], "lock"),
    "answers that cannot be kept": (
        [],
        [("request.prompt", "{{ n }}"), ("request.on_change", "keep")],
        "cannot keep the answer",
    ),
}


@pytest.mark.parametrize("case", FORMERLY)
def test_check_reports_what_only_a_run_refused_in_0_6(case: str) -> None:
    """Each of these jobs passed check in version 0.6 and was refused by run."""
    first, second, words = FORMERLY[case]
    check = play({}, first, second)
    assert check.code != 0
    assert words in check.err


def test_check_warns_of_a_budget_that_no_request_fits() -> None:
    """The run sends nothing and exits with 6, which is not a mistake in the job file."""
    check = play({}, [("budget.max_cost_usd", Decimal("1e-9"))], [])
    assert check.code == 0
    assert "a run would send nothing" in check.err
