"""The simulator as a program, and its settings."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from simulator_bodies import HEADERS, body_of

from batcher.simulator import Fault, Settings, load
from batcher.simulator.__main__ import main, parser, settings_of


@contextmanager
def program(*options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start the program on a free port; yield the process and its address."""
    command = [sys.executable, "-m", "batcher.simulator", "--port", "0", *options]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            line = process.stdout.readline()
            assert line.startswith("listening on http://127.0.0.1:")
            yield process, line.split()[-1]
        finally:
            process.kill()


def send(url: str, **changes: Any) -> dict[str, Any]:
    """Return the message that answers one request."""
    return httpx.post(f"{url}/v1/messages", json=body_of(**changes), headers=HEADERS).json()


def test_stops_with_its_parent(tmp_path: Path) -> None:
    """It prints its address, answers, and stops cleanly when standard input is closed."""
    path = tmp_path / "ledger.jsonl"
    with program("--seed", "3", "--ledger", str(path), "--exit-with-parent") as (process, url):
        assert send(url)["type"] == "message"
        process.stdin.close()
        assert process.wait(10) == 0
        assert process.stderr.read() == ""
    assert json.loads(path.read_text())["outcome"] == "answered"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stops_at_a_signal(number: int) -> None:
    """Both signals stop it cleanly, also with a client connected."""
    with program() as (process, url), httpx.Client(base_url=url, headers=HEADERS) as client:
        assert client.get("/v1/models").status_code == 200
        process.send_signal(number)
        assert process.wait(10) == 0
        assert process.stderr.read() == ""


def test_options_override_the_file(tmp_path: Path) -> None:
    """An option overrides its own key of the settings file only."""
    path = tmp_path / "simulator.toml"
    path.write_text(
        'seed = 4\nlatency = 0.5\nmodels = ["claude-haiku-5-5"]\n'
        '[[faults]]\nkind = "overloaded"\nrate = 0.1\n'
    )
    options = parser().parse_args(["--settings", str(path), "--seed", "9"])
    assert settings_of(options) == Settings(
        seed=9, latency=0.5, models=("claude-haiku-5-5",), faults=(Fault("overloaded", rate=0.1),)
    )
    (tmp_path / "simulator.json").write_text('{"burst": 0.5}')
    assert load(tmp_path / "simulator.json") == Settings(burst=0.5)


def test_faults_on_the_command_line() -> None:
    """Each --fault adds a rule."""
    options = parser().parse_args(["--fault", "500:first_n=3", "--fault", "hang:rate=0.1"])
    assert settings_of(options).faults == (
        Fault("status", status=500, first_n=3), Fault("hang", rate=0.1),
    )  # fmt: skip


WRONG = ["batch_cancel_rate = 2", "batch_speed = -1", "batch_queue_limit = 0",
         'batch_refusal = "mood"', 'credit_usd = "much"', "latency = -1", "burst = 0",
         "refusal_rate = 2", "requests_per_minute = 0", "seeds = 1",
         '[[faults]]\nkind = "flood"', "[[faults]]\nrate = 1"]  # fmt: skip


@pytest.mark.parametrize("text", WRONG)
def test_invalid_settings(tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Invalid settings end the program with exit code 2 and a message."""
    path = tmp_path / "simulator.toml"
    path.write_text(text)
    assert main(["--settings", str(path)]) == 2
    assert capsys.readouterr().err.startswith("batcher.simulator: ")


def test_an_invalid_answer_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A missing or broken answer key ends the program with exit code 2 and a message."""
    path = tmp_path / "answers.jsonl"
    assert main(["--truth", str(path)]) == 2
    assert str(path) in capsys.readouterr().err
    path.write_text("{}\n")
    assert main(["--truth", str(path)]) == 2
    assert f"{path}, line 1: must look like" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_of_batches() -> None:
    """Batches of 15 MB leave no more in memory than one of one item, also while they are read."""
    system = "rubric " * 1_400

    def peak(process: subprocess.Popen[str]) -> int:
        status = Path(f"/proc/{process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1])

    def run(url: str, count: int) -> None:
        items = [
            {"custom_id": f"r{n}", "params": body_of(f"row {n}", system=system)}
            for n in range(count)
        ]
        with httpx.Client(base_url=url, headers=HEADERS, timeout=60) as client:
            batch = client.post("/v1/messages/batches", json={"requests": items}).json()["id"]
            client.post("/_simulator/clock", json={"advance_s": 86_400})
            results = client.get(f"/v1/messages/batches/{batch}/results").text
        assert len(results.splitlines()) == count

    with program("--batch-speed", "0") as (process, url):
        run(url, 1)
        before = peak(process)
        run(url, 1_500)
        assert peak(process) - before < 10_000


def test_batch_options() -> None:
    """Amounts of money are exact; the other options of batches are numbers."""
    options = parser().parse_args(["--credit-usd", "0.10", "--batch-speed", "60"])
    assert settings_of(options) == Settings(credit_usd=Decimal("0.10"), batch_speed=60)


def test_every_setting_has_an_option() -> None:
    """The command line can set what a file can set, except four settings that only tests need."""
    options = set(vars(parser().parse_args([])))
    fields = set(Settings.__dataclass_fields__)
    assert fields - options == {
        "models", "max_body_bytes", "max_batch_bytes", "organization_id",
    }  # fmt: skip
