"""Costs that nobody knows: a budget holds them, the run goes on, and every hint leads out."""

import ast
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from test_budget_runs import rows
from whole_runs import Job, Server, batcher

import batcher as package

FREE = '[prices.overrides."claude-haiku-5-5"]\ninput = 0\noutput = 0\n'
PROMPT = 'prompt = "Classify: {{ text }}"\non_change = "redo"\n'
UNBOUNDED = f'{PROMPT}container = "container_1"\n'
RETRY = "[retry]\nattempts = 5\nmax_wait_s = 0.01\n"


def record_of(job: Job) -> dict[str, Any]:
    """Return run.json of the last run."""
    return json.loads(max((job.folder / "runs/job").glob("*/run.json")).read_text())


def job_with(folder: Path, fault: str, count: int = 80, **keys: str) -> Job:
    """Return a job whose server has this fault."""
    return Job(folder, Server("--latency", "0.01", "--fault", fault)).write(rows(count), **keys)


UNPRICED = [
    "usage_missing", "usage_empty", "usage_unknown", "usage_several_unknown", "usage_zero",
    "usage_huge",
]  # fmt: skip


@pytest.mark.parametrize("kind", UNPRICED)
@pytest.mark.parametrize("stream", [pytest.param("true", marks=pytest.mark.slow), "false"])
def test_one_answer_in_forty_of_unknown_cost_is_no_reason_to_stop(
    tmp_path: Path, kind: str, stream: str
) -> None:
    """The row is answered, its cost is unknown and held, and the run ends well and says so."""
    api = f"stream = {stream}"
    job = job_with(tmp_path, f"{kind}:every_n=40", 80, api=api)
    printed = job.run()
    assert "the cost of 2 answers is unknown" in printed
    assert "warning  " in printed
    record, table = record_of(job), job.table()
    assert (record["attempts"]["unpriced"], record["attempts"]["unknown"]) == (2, 0)
    assert Decimal(record["usd"]["unknown"]) > 0
    assert Decimal(record["usd"]["spent"]) < Decimal("0.1")  # not believed
    assert table["_status"].to_pylist() == ["succeeded"] * 80
    assert table["_cost_usd"].null_count == 2
    row = table["_cost_usd"].to_pylist().index(None) + 1
    assert "billed, amount unknown, at most $" in job.command("show", str(row))


def test_a_split_that_does_not_add_up_is_priced_and_said(tmp_path: Path) -> None:
    """The cost is known, at the higher reading, and the run says how it was read."""
    job = job_with(tmp_path, "usage_bad_split:every_n=4", 8)
    assert "'cache_creation' does not add up" in job.run()
    record = record_of(job)
    assert record["attempts"]["unpriced"] == 0
    assert record["tokens"]["cache_creation_1h_input_tokens"] == 2 * 7


@pytest.mark.parametrize("kind", ["gateway_504", "gateway_502", "gateway_524", "reset_billed"])
def test_a_gateway_that_loses_billed_answers_does_not_pass_the_budget(
    tmp_path: Path, kind: str
) -> None:
    """What the API bills stays below the cap; what may have been billed is unknown, never free."""
    job = job_with(tmp_path, f"{kind}:rate=0.2", 300, more=RETRY)
    cap = Decimal("0.006")
    printed = job.run("--max-cost", str(cap), code=6)
    assert "the budget holds; batcher run JOB --release-unknown releases it" in printed
    usd = record_of(job)["usd"]
    assert Decimal(job.server.ledger()["cost_usd"]) <= cap
    assert Decimal(usd["unknown"]) > 0
    assert Decimal(usd["spent"]) + Decimal(usd["unknown"]) <= cap


def test_a_row_that_a_gateway_always_loses_is_put_on_hold(tmp_path: Path) -> None:
    """It has three attempts, not twenty; the run says so while it happens, and retry sends it."""
    job = job_with(tmp_path, "gateway_504:match=thing 7 ,times=3", 30, more=RETRY)
    printed = job.run(code=3)
    assert "1 row is on hold until batcher retry JOB" in printed
    assert job.server.ledger()["requests"] == 29 + 3
    events = (max((job.folder / "runs/job").glob("*/events.jsonl"))).read_text().splitlines()
    found = [json.loads(line) for line in events if '"unknown_cost"' in line]
    assert found[-1]["rows_on_hold"] == 1
    assert batcher("retry", job.path, "--yes", key="test-key").code == 0
    assert job.table()["_status"].to_pylist() == ["succeeded"] * 30


# Each hint about a budget or about unknown costs, with a job that gets it and what it advises.


def _unbounded(job: Job) -> str:
    job.write(rows(8), request=UNBOUNDED).run()
    job.write(rows(8), request=PROMPT)
    printed = job.run("--max-cost", "1", code=2)
    job.run("--max-cost", "1", "--release-unknown")
    return printed


def _unbounded_request(job: Job) -> str:
    more = "[budget]\nmax_cost_usd = 1\n"
    printed = job.write(rows(8), request=UNBOUNDED, more=more).run(code=2)
    job.write(rows(8), request=UNBOUNDED).run()
    job.write(rows(8), request=PROMPT, more=more).run("--release-unknown")
    return printed


def _held(job: Job) -> str:
    job.write(rows(60), more=RETRY)
    printed = job.run("--max-cost", "0.003", code=6)
    before = job.server.ledger()["answered"]
    batcher("run", job.path, "--max-cost", "0.003", "--release-unknown", key="test-key")
    assert job.server.ledger()["answered"] > before
    if batcher("run", job.path, "--max-cost", "1", key="test-key").code:
        assert batcher("retry", job.path, "--yes", key="test-key").code == 0
    return printed


def _too_small(job: Job) -> str:
    more = "[budget]\nmax_cost_usd = 0.000001\n"
    job.write(rows(4), more=more)
    checked = batcher("check", job.path, key="test-key")
    printed = job.run(code=6)
    job.write(rows(4)).run()
    return checked.out + checked.err + printed


def _unpriced(job: Job) -> str:
    printed = job.write(rows(60)).run(code=1)
    job.run("--set", "prices.max_unpriced=1")
    return printed


def _unpriced_field(job: Job) -> str:
    printed = job.write(rows(60)).run(code=1)
    job.write(rows(60), more='[prices]\nfree_usage_fields = ["hologram_tokens"]\n').run()
    return printed


def _unpriced_free(job: Job) -> str:
    printed = job.write(rows(60)).run(code=1)
    job.write(rows(60), more=FREE).run()
    return printed


def _impossible(job: Job) -> str:
    job.write(rows(60), more="[budget]\nmax_cost_usd = 1\n")
    printed = job.run(code=1)
    assert "10^" not in printed
    job.run("--release-unknown")
    return printed


RELEASE = "check the API's console, then add --release-unknown"
CHANGE = "change the request, or remove budget.max_cost_usd"
RAISE = "raise budget.max_cost_usd"
MORE = "to send them, raise budget.max_cost_usd or add --max-cost"
UNKNOWN = "; add --release-unknown if the API's console shows that what is unknown was not billed"
HOLDS = (
    ", which the budget holds; batcher run JOB --release-unknown releases it, once the API's "
    "console shows that it was not billed"
)
UNPRICED_HINT = (
    "the answers are recorded; name fields that cost nothing in prices.free_usage_fields, give a "
    "server that costs nothing prices of 0 in prices.overrides, or set prices.max_unpriced = 1 to "
    "go on"
)
IMPOSSIBLE = (
    "the answers are recorded, and the budget holds the most that they can have cost; run the same "
    "command to go on, with --release-unknown if the API's console shows that they cost nothing"
)

# A fault of the server, what to do, and the hints that are followed.
WALKS: dict[str, tuple[str, Callable[[Job], str], tuple[str, ...]]] = {
    "an answer without a bound": ("usage_missing:first_n=8,every_n=2", _unbounded, (RELEASE,)),
    "a lost answer without a bound": ("reset_billed:first_n=1", _unbounded, (RELEASE,)),
    "a request without a bound": ("usage_zero:first_n=1", _unbounded_request, (CHANGE,)),
    "money held by a gateway": ("gateway_504:first_n=8", _held, (HOLDS, MORE, UNKNOWN)),
    "money held by answers": ("usage_missing:first_n=8", _held, (HOLDS, MORE, UNKNOWN)),
    "a budget that is too small": ("usage_zero:after_n=100", _too_small, (RAISE, MORE)),
    "no usage, to go on": ("usage_missing", _unpriced, (UNPRICED_HINT,)),
    "no usage, from a free server": ("usage_missing", _unpriced_free, (UNPRICED_HINT,)),
    "a field that is free": ("usage_unknown", _unpriced_field, (UNPRICED_HINT,)),
    "a usage that cannot be": ("usage_huge:first_n=5", _impossible, (IMPOSSIBLE,)),
}


SLOW = "money held by a gateway"


@pytest.mark.parametrize(
    "walk", [*sorted(set(WALKS) - {SLOW}), pytest.param(SLOW, marks=pytest.mark.slow)]
)
def test_every_hint_leads_out(tmp_path: Path, walk: str) -> None:
    """Following what a hint says, the job ends with every row answered and a budget that works."""
    fault, follow, hints = WALKS[walk]
    job = Job(tmp_path, Server("--latency", "0.01", "--fault", fault))
    printed = follow(job)
    assert [hint for hint in hints if hint not in printed] == []
    assert set(job.table()["_status"].to_pylist()) == {"succeeded"}


WORDS = ("--release-unknown", "max_cost_usd", "max_unpriced")
NOT_WALKED = "to go on without one, and please report this"  # only with a bound that is wrong


def test_all_hints_are_walked() -> None:
    """Whatever the program advises about budgets and unknown costs is followed by a walk."""
    root, advice = Path(package.__file__).parent, set()
    for path in [*root.glob("core/pace/*.py"), *root.glob("runner/**/*.py")]:
        tree = ast.parse(path.read_text("utf-8"))
        docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        advice |= {
            node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
            if any(word in node.value for word in WORDS) and id(node) not in docstrings
        }
    walked = " ".join(hint for _, _, hints in WALKS.values() for hint in hints)
    missing = [text for text in advice if text not in walked]
    assert [text for text in missing if NOT_WALKED not in text] == []
