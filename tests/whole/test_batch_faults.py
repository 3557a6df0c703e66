"""Runs in batches whose endpoints fail: every row is answered, and nothing is paid for twice.

The faults are those of docs/faults.md, each on every endpoint that it can hit.
"""

from decimal import Decimal
from pathlib import Path

import pytest
from whole_runs import Job, Server

from batcher.simulator.faults.fault import BATCHES_ONLY

FAST = ("--latency", "0", "--batch-speed", "600", "--batch-spread", "0", "--batch-median-s", "60",
        "--batch-results-after-s", "0")  # fmt: skip
BATCH = '[delivery]\nmode = "batch"\nbatch_rows = 5\npoll_s = 0.2\nlisted_after_s = 0.3\n'
ROWS = [{"text": f"row {number}"} for number in range(12)]
LIMITS = "concurrency = 4\ntimeout_s = 1\n"
API = "idle_timeout_s = 0.5\n"

LOST = ["reset_billed", "reset_before", "hang", "truncated", "reset_mid_body", "stall", "half_json",
        "junk", "giant_header", "error_200", "gzip_bomb", "gzip_cut", "late_error", "gateway_502",
        "gateway_504", "server_error_html", "overloaded", "rate_limit", "500"]  # fmt: skip
"""The response does not arrive, or says nothing; the request may have been carried out."""
HARMLESS = ["gzipped", "slow_body", "reset_after", "wrong_content_type"]
IN_RESULTS = ["line_junk", "line_missing", "line_stranger", "line_twice", "line_nan", "line_bytes",
              "line_long", "lines_odd", "lines_endless"]  # fmt: skip
SIZES = {"giant_header": 200_000, "gzip_bomb": 40_000_000, "line_long": 34_000_000}


CASES = [
    # make test tries the first one only
    *((kind, place) for place in ("create", "list", "results") for kind in LOST + HARMLESS),
    ("reset_in_request", "create"),
    *((kind, "results") for kind in IN_RESULTS),
    ("foreign_results_url", "list"),
    ("foreign_results_url", "retrieve"),
]


def test_every_kind_is_tried() -> None:
    """What the simulator can do to batches alone is in the cases and in the document."""
    page = (Path(__file__).parents[2] / "docs/faults.md").read_text()
    assert {kind for kind, _ in CASES} >= BATCHES_ONLY
    assert all(f"| `{kind}` |" in page for kind in BATCHES_ONLY)


@pytest.mark.parametrize(("kind", "place"), CASES)
def test_a_fault_costs_nothing(kind: str, place: str, tmp_path: Path) -> None:
    """One run answers every row, each is paid for once, and the bill is the ledger's."""
    size = SIZES.get(kind, 1000)
    fault = f"{kind}:on={place},times=2,seconds=0.2,size={size},retry_after_s=0.1"
    server = Server(*FAST, "--keep-requests", "--fault", fault)
    try:
        job = Job(tmp_path, server).write(ROWS, more=BATCH, limits=LIMITS, api=API)
        job.run("--set", "retry.max_wait_s=0.2")
        assert job.table().column("_status").to_pylist() == ["succeeded"] * len(ROWS)
        kinds = [(entry["endpoint"], entry["outcome"]) for entry in server.entries()]
        assert kinds.count(("batch_item", "answered")) == len(ROWS)
        billed = Decimal(server.ledger()["cost_usd"])
        assert Decimal(job.metadata()["totals"]["cost_usd"]) == billed
    finally:
        server.close()


@pytest.mark.parametrize("kind", ["line_nan", "line_missing", "line_junk"])
def test_damage_that_stays_is_an_unknown_cost(kind: str, tmp_path: Path) -> None:
    """The item of a line that can never be read may have been billed, and its row is sent again."""
    server = Server(*FAST, "--fault", f"{kind}:on=results,times=5")
    try:
        job = Job(tmp_path, server).write(ROWS[:4], more=BATCH, limits=LIMITS, api=API)
        job.run("--set", "retry.max_wait_s=0.2")
        assert job.table().column("_status").to_pylist() == ["succeeded"] * 4
        totals, billed = job.metadata()["totals"], Decimal(server.ledger()["cost_usd"])
        if kind == "line_junk":  # the items around it are whole
            assert Decimal(totals["cost_usd"]) == billed
        else:
            assert Decimal(totals["cost_usd"]) < billed
            assert server.ledger()["answered"] == 5
    finally:
        server.close()
