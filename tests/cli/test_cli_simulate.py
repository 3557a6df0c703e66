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
def test_it_serves_until_it_is_told_to_stop(number: signal.Signals) -> None:
    """It says where it listens and how to use it, answers, and ends with 0."""
    with subprocess.Popen(
        [sys.executable, "-m", "batcher", "simulate", "--port", "0", "--seed", "3"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as server:  # fmt: skip
        line = server.stdout.readline()
        url = line.removeprefix("listening on ").strip()
        with urllib.request.urlopen(f"{url}/_simulator/ledger") as answer:
            assert answer.status == 200
        server.send_signal(number)
        _, said = server.communicate(timeout=20)
        assert server.returncode == 0
        assert f"next   ANTHROPIC_API_KEY=any batcher run JOB --set api.base_url={url}" in said


def test_all_options_of_the_simulator_are_passed_on() -> None:
    """What the simulator's own program takes, the command takes."""
    theirs = {option for action in parser()._actions for option in action.option_strings}
    ours = {option for parameter in command.params for option in parameter.opts}
    assert theirs - ours <= {"-h", "--help", "--exit-with-parent"}


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
    """What the simulator does not take is said in one line, without its usage."""
    said = subprocess.run(
        [sys.executable, "-m", "batcher", "simulate", "--port", "0", *words],
        capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip
    assert said.returncode == 2
    assert said.stderr.count("error  ") == 1
    assert reason in said.stderr
    assert "usage:" not in said.stderr


def test_a_port_in_use_is_one_message() -> None:
    """It says so, and how to take a free one."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        said = subprocess.run(
            [sys.executable, "-m", "batcher", "simulate", "--port", str(taken.getsockname()[1])],
            capture_output=True, text=True, timeout=20, check=False,
        )  # fmt: skip
    assert said.returncode == 2
    assert "--port 0 takes a free port" in said.stderr
    assert "Traceback" not in said.stderr


def test_a_wrong_port(batcher: Command) -> None:
    """Numbers are checked before anything starts."""
    assert batcher("simulate", "--port", "99999").code == 2
