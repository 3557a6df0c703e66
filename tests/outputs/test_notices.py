"""A notice arrives or says why not, and its address and token are never in what it says."""

import asyncio
import json
import logging
import socket
import sys
from pathlib import Path

import httpx
import pytest
from webhook_server import SECRET, Webhook

from batcher.core.notice import NotDelivered
from batcher.outputs.notices.command import run_command
from batcher.outputs.notices.webhook import post

CONTENT = {"text": "a job: finished ✓", "event": "finish"}
TOKEN = "canary-token"


def send(url: str, token: str | None = None, timeout_s: float = 10.0) -> list[float]:
    """Post the notice with a clock that does not wait; return the pauses it asked for."""
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    async def go() -> None:
        async with httpx.AsyncHTTPTransport() as transport:
            await post(transport, httpx.URL(url), token, CONTENT, sleep, timeout_s)

    asyncio.run(go())
    return pauses


def test_a_notice_is_posted_as_json(webhook: Webhook) -> None:
    """Path, token and content arrive as they are, in one try."""
    assert send(webhook.url, TOKEN) == []
    ((path, headers, content),) = webhook.seen
    assert path == f"/services/{SECRET}"
    assert headers["authorization"] == f"Bearer {TOKEN}"
    assert headers["content-type"] == "application/json"
    assert content == CONTENT


def test_without_a_token_nothing_stands_for_it(webhook: Webhook) -> None:
    """There is no Authorization header."""
    send(webhook.url)
    assert "authorization" not in webhook.seen[0][1]


@pytest.mark.parametrize("passing", [500, 503, 429, 408])
def test_passing_trouble_is_tried_again(webhook: Webhook, passing: int) -> None:
    """It arrives at the third try, after pauses that grow."""
    webhook.statuses = [passing, passing, 200]
    assert send(webhook.url) == [1.0, 2.0]
    assert len(webhook.seen) == 3


@pytest.mark.parametrize(
    ("status", "tries", "said"),
    [
        pytest.param(500, 3, "answered 500, 3 times", id="never-well"),
        pytest.param(404, 1, "answered 404", id="wrong-address"),
        pytest.param(302, 1, "a redirect, which is not followed", id="redirect"),
    ],
)
def test_a_refusal_says_what_was_answered(
    webhook: Webhook, status: int, tries: int, said: str
) -> None:
    """What another try cannot mend is not tried again, and no redirect is followed."""
    webhook.statuses = [status]
    with pytest.raises(NotDelivered, match=said):
        send(webhook.url, TOKEN)
    assert [path for path, _, _ in webhook.seen] == [f"/services/{SECRET}"] * tries


def test_a_webhook_that_hangs_is_left(webhook: Webhook) -> None:
    """Each try is bounded as a whole."""
    webhook.statuses = [0]
    with pytest.raises(NotDelivered, match=r"did not answer within 0.05 s, 3 times"):
        send(webhook.url, timeout_s=0.05)


def test_nobody_there_is_one_reason() -> None:
    """A port where nothing listens is tried three times."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/{SECRET}"
        with pytest.raises(NotDelivered, match=r"cannot be reached \(ConnectError\), 3 times"):
            send(url)


@pytest.mark.parametrize("status", [200, 302, 404, 500])
def test_address_and_token_are_nowhere(
    webhook: Webhook, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Not in the reason, nor in any log, even when everything is logged."""
    webhook.statuses = [status]
    caplog.set_level(logging.DEBUG)
    reason = ""
    try:
        send(webhook.url, TOKEN)
    except NotDelivered as error:
        reason = str(error)
    assert caplog.text  # httpcore has logged
    for secret in (SECRET, TOKEN):
        assert secret not in reason + caplog.text


@pytest.mark.parametrize("token", ["two words", "line\nbreak", "ü", ""])
def test_a_token_that_is_none_is_not_sent(webhook: Webhook, token: str) -> None:
    """It is refused without repeating it, before anything leaves."""
    with pytest.raises(NotDelivered, match="the token has spaces") as caught:
        send(webhook.url, token)
    assert not token or token not in str(caught.value)
    assert webhook.seen == []


def test_a_command_reads_the_notice(tmp_path: Path) -> None:
    """It gets the JSON on its standard input and the environment that it is given, no shell."""
    script = tmp_path / "tell me.py"
    script.write_text(
        "import json, os, pathlib, sys\n"
        "told = {'notice': json.load(sys.stdin), 'words': sys.argv[1:],"
        " 'environ': os.environ['BATCHER_EVENT']}\n"
        "pathlib.Path(sys.argv[1]).write_text(json.dumps(told))\n"
    )
    out = tmp_path / "told"
    command = f"'{sys.executable}' '{script}' {out} '$HOME; true'"
    run_command(command, CONTENT, {"BATCHER_EVENT": "finish"})
    told = json.loads(out.read_text())
    assert told == {"notice": CONTENT, "words": [str(out), "$HOME; true"], "environ": "finish"}


@pytest.mark.parametrize(
    ("command", "said"),
    [
        pytest.param(f"{sys.executable} -c 'raise SystemExit(7)'", "exit status 7", id="fails"),
        pytest.param("/nowhere/at-all", r"cannot be started \(FileNotFoundError\)", id="missing"),
        pytest.param("'not closed", "its quotes are not closed", id="quotes"),
        pytest.param("''", "cannot be started|is empty", id="empty"),
        pytest.param(f"{sys.executable} -c 'input(); input()'", "exit status 1", id="reads-more"),
    ],
)
def test_a_command_that_fails_is_one_reason(command: str, said: str) -> None:
    """What it says is not repeated, what went wrong is."""
    with pytest.raises(NotDelivered, match=said):
        run_command(command, CONTENT, {})


def test_a_command_that_hangs_is_killed() -> None:
    """It gets as long as it may take, and no longer."""
    command = f"{sys.executable} -c 'import signal; signal.pause()'"
    with pytest.raises(NotDelivered, match=r"took more than 0.3 s"):
        run_command(command, CONTENT, {}, timeout_s=0.3)
