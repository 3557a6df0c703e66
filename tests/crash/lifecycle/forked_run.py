"""Runs batcher commands in forked processes, against a fake API, with signals at given moments.

``python forked_run.py`` imports everything once and then forks a command for each line of JSON on
its standard input; it prints the exit code, negative for a signal. batcher itself has no code for
this: the client and the commit are replaced before the command starts.
"""

import asyncio
import hashlib
import json
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as _pandas  # noqa: F401 - DuckDB imports it in every process, which takes a second

from batcher.cli import main
from batcher.cli.commands import retry as _retry  # noqa: F401 - imported once for all forked commands
from batcher.cli.commands import run as _run  # noqa: F401
from batcher.core.answers.response import NoResponse, Response
from batcher.runner.pipeline import sending
from batcher.store.checkpoint import Checkpoint

KINDS = ("success", "truncated", "bad request", "overloaded", "dropped")
WEIGHTS = ((8, 1, 1, 1, 1), (3, 5, 5, 1, 1), (5, 1, 1, 9, 1), (3, 1, 1, 1, 12))
"""The weights of the kinds: mostly successes, or mostly one kind of failure; the seed chooses."""
BILLED = ("success", "truncated", "dropped")
USD_PER_INPUT_TOKEN, USD_PER_OUTPUT_TOKEN = 1, 5
"""In millionths of a USD."""


@dataclass
class Interruption:
    """Sends a signal to this process when it reaches a moment for the n-th time."""

    moment: str
    number: int
    signal: int

    def reach(self, moment: str) -> None:
        """Count a moment; send the signal at the n-th one."""
        if moment == self.moment:
            self.number -= 1
            if self.number == 0:
                os.kill(os.getpid(), self.signal)


class FakeApi:
    """Answers requests by seed, and writes each request with its cost to the ledger."""

    connections = 16

    def __init__(self, ledger: str, run: int, seed: int, interruption: Interruption) -> None:
        self._ledger = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._run = run
        self._seed = seed
        self._interruption = interruption
        self._tries: Counter[str] = Counter()

    async def send(self, _slot: int, body: bytes, *_: object) -> Response | NoResponse:
        """Bill a request, and answer it after a short time."""
        request = json.loads(body)
        person = b"batcher-request1"
        name = hashlib.blake2b(b"0\n" + body, digest_size=16, person=person).hexdigest()
        self._tries[name] += 1
        rng = random.Random(f"{self._seed} {name} {self._tries[name]}")
        kind = rng.choices(KINDS, WEIGHTS[self._seed % len(WEIGHTS)])[0]
        tokens = len(body), rng.randint(1, request["max_tokens"])
        usd = tokens[0] * USD_PER_INPUT_TOKEN + tokens[1] * USD_PER_OUTPUT_TOKEN
        request_id = f"{self._run} {self._tries.total()}"
        line = {
            "run": self._run,
            "request_id": request_id,
            "fingerprint": name,
            "prompt": request["messages"][0]["content"],
            "kind": kind,
            "millionths": usd if kind in BILLED else 0,
        }
        os.write(self._ledger, json.dumps(line).encode() + b"\n")
        self._interruption.reach("call")
        await asyncio.sleep(rng.uniform(0, 0.003))
        return _answer(kind, name, request_id, tokens)

    async def aclose(self) -> None:
        """Do nothing; the ledger stays open."""


def _answer(
    kind: str, name: str, request_id: str, tokens: tuple[int, int]
) -> Response | NoResponse:
    if kind == "dropped":
        return NoResponse("client.reset", "the connection was reset", was_sent=True, latency_s=0.1)
    headers = {"request-id": request_id}
    if kind in ("bad request", "overloaded"):
        status, error = (400, "invalid_request_error") if kind == "bad request" else (529, "busy")
        content = {"type": "error", "error": {"type": error, "message": "no"}}
        return Response(status, headers, json.dumps(content).encode(), 0.1)
    message = {
        "id": f"msg {request_id}",
        "type": "message",
        "role": "assistant",
        "model": "claude-haiku-5-5",
        "content": [{"type": "text", "text": f"answer to {name}"}],
        "stop_reason": "end_turn" if kind == "success" else "max_tokens",
        "usage": {"input_tokens": tokens[0], "output_tokens": tokens[1]},
    }
    return Response(200, headers, json.dumps(message).encode(), 0.1)


def _commit_of(interruption: Interruption) -> Callable[..., None]:
    commit = Checkpoint.commit

    def committing(*arguments: Any) -> None:
        interruption.reach("before commit")
        commit(*arguments)
        interruption.reach("after commit")

    return committing


def run_command(order: dict[str, Any]) -> None:
    """Run the batcher command of an order; never returns."""
    with Path(order["log"]).open("wb") as output, Path(os.devnull).open("rb") as nothing:
        for number, file in ((0, nothing), (1, output), (2, output)):
            os.dup2(file.fileno(), number)
    interruption = Interruption(*order["interruption"])
    api = FakeApi(order["ledger"], order["run"], order["seed"], interruption)
    sending.MessagesClient = lambda *_, **__: api
    Checkpoint.commit = _commit_of(interruption)
    os.environ["ANTHROPIC_API_KEY"] = "test-key"
    sys.argv = ["batcher", *order["arguments"]]
    main()


def serve() -> None:
    """Fork a command for each line of stdin, one after the other."""
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            signal.alarm(120)
            run_command(json.loads(line))
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    serve()
