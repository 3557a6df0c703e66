"""The simulator as a server on the command line."""

import signal
import socket
import subprocess
import sys
import urllib.request

import pytest
from commanding import Command

from batcher.cli.commands.simulate import command
from batcher.simulator.__main__ import parser


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_a_signal(number: signal.Signals) -> None:
    """It prints its address and how to use it, responds to requests, and exits 0."""
    with subprocess.Popen(
        [sys.executable, "-m", "batcher", "simulate", "--port", "0", "--seed", "3"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as server:  # fmt: skip
        line = server.stdout.readline()
        url = line.removeprefix("listening on ").strip()
        with urllib.request.urlopen(f"{url}/_simulator/ledger") as response:
            assert response.status == 200
        server.send_signal(number)
        _, stderr = server.communicate(timeout=20)
        assert server.returncode == 0
        assert f"next   ANTHROPIC_API_KEY=any batcher run JOB --set api.base_url={url}" in stderr


def test_all_options_of_the_simulator_are_passed_on() -> None:
    """The command has every option of the simulator's own program."""
    program_options = {option for action in parser()._actions for option in action.option_strings}
    command_options = {option for parameter in command.params for option in parameter.opts}
    assert program_options - command_options <= {"-h", "--help", "--exit-with-parent"}


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--fault", "nonsense"], "unknown fault 'nonsense'; known are a status from 400 to 599, "),
        (["--fault", "nonsense"], "overloaded, "),
        (["--fault", "overloaded:rte=1"], "unknown key 'rte' in a fault; known are rate, after_n"),
        (["--fault", "overloaded:rate=x"], "'x'"),
        (["--settings", "/nope/x.toml"], "/nope/x.toml"),
        (["--truth", "/nope/x.jsonl"], "/nope/x.jsonl"),
        (["--burst", "0"], "burst"),
    ],
)
def test_wrong_settings_are_one_message(words: list[str], reason: str) -> None:
    """An invalid setting gives one error line, without the usage of the program."""
    process = subprocess.run(
        [sys.executable, "-m", "batcher", "simulate", "--port", "0", *words],
        capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip
    assert process.returncode == 2
    assert process.stderr.count("error  ") == 1
    assert reason in process.stderr
    assert "usage:" not in process.stderr


def test_a_port_in_use_is_one_message() -> None:
    """The error says so, and how to pick a free port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = subprocess.run(
            [sys.executable, "-m", "batcher", "simulate", "--port", str(taken.getsockname()[1])],
            capture_output=True, text=True, timeout=20, check=False,
        )  # fmt: skip
    assert process.returncode == 2
    assert "pick a free port: batcher simulate --port 0" in process.stderr
    assert "Traceback" not in process.stderr


def test_a_wrong_port(batcher: Command) -> None:
    """Numbers are checked before the simulator starts."""
    assert batcher("simulate", "--port", "99999").code == 2
