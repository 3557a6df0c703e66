"""A notice arrives or has a reason why not; the reason never has the address or token."""

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
    """Post the notice without waiting between tries; return the pauses in seconds."""
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    async def send_once() -> None:
        async with httpx.AsyncHTTPTransport() as transport:
            await post(transport, httpx.URL(url), token, CONTENT, sleep, timeout_s)

    asyncio.run(send_once())
    return pauses


def test_a_notice_is_posted_as_json(webhook: Webhook) -> None:
    """Path, token and content arrive unchanged, in one try."""
    assert send(webhook.url, TOKEN) == []
    ((path, headers, content),) = webhook.received
    assert path == f"/services/{SECRET}"
    assert headers["authorization"] == f"Bearer {TOKEN}"
    assert headers["content-type"] == "application/json"
    assert content == CONTENT


def test_without_a_token(webhook: Webhook) -> None:
    """There is no Authorization header."""
    send(webhook.url)
    assert "authorization" not in webhook.received[0][1]


@pytest.mark.parametrize("status", [500, 503, 429, 408])
def test_a_transient_error_is_tried_again(webhook: Webhook, status: int) -> None:
    """The third try succeeds; the pauses grow."""
    webhook.statuses = [status, status, 200]
    assert send(webhook.url) == [1.0, 2.0]
    assert len(webhook.received) == 3


@pytest.mark.parametrize(
    ("status", "tries", "reason"),
    [
        pytest.param(500, 3, "responded with 500, 3 times", id="always-fails"),
        pytest.param(404, 1, "responded with 404", id="wrong-address"),
        pytest.param(302, 1, "a redirect, which is not followed", id="redirect"),
    ],
)
def test_the_reason_has_the_status(webhook: Webhook, status: int, tries: int, reason: str) -> None:
    """A permanent error is not tried again, and no redirect is followed."""
    webhook.statuses = [status]
    with pytest.raises(NotDelivered, match=reason):
        send(webhook.url, TOKEN)
    assert [path for path, _, _ in webhook.received] == [f"/services/{SECRET}"] * tries


def test_a_webhook_that_hangs_times_out(webhook: Webhook) -> None:
    """The timeout bounds each whole try."""
    webhook.statuses = [0]
    with pytest.raises(NotDelivered, match=r"did not respond within 0.05 s, 3 times"):
        send(webhook.url, timeout_s=0.05)


def test_a_closed_port_is_one_reason() -> None:
    """A port without a server is tried three times."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/{SECRET}"
        with pytest.raises(NotDelivered, match=r"cannot be reached \(ConnectError\), 3 times"):
            send(url)


@pytest.mark.parametrize("status", [200, 302, 404, 500])
def test_address_and_token_are_never_shown(
    webhook: Webhook, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    """They are not in the reason and not in any log, even at debug level."""
    webhook.statuses = [status]
    caplog.set_level(logging.DEBUG)
    shown = ""
    try:
        send(webhook.url, TOKEN)
    except NotDelivered as error:
        shown = str(error)
    assert caplog.text  # httpcore has logged
    for secret in (SECRET, TOKEN):
        assert secret not in shown + caplog.text


@pytest.mark.parametrize("token", ["two words", "line\nbreak", "ü", ""])
def test_an_invalid_token_is_not_sent(webhook: Webhook, token: str) -> None:
    """It is refused before anything is sent, and the message does not repeat it."""
    with pytest.raises(NotDelivered, match="the token has spaces") as caught:
        send(webhook.url, token)
    assert not token or token not in str(caught.value)
    assert webhook.received == []


def test_a_command_reads_the_notice(tmp_path: Path) -> None:
    """It gets the JSON on standard input and the given environment; there is no shell."""
    script = tmp_path / "read notice.py"
    script.write_text(
        "import json, os, pathlib, sys\n"
        "received = {'notice': json.load(sys.stdin), 'words': sys.argv[1:],"
        " 'environ': os.environ['BATCHER_EVENT']}\n"
        "pathlib.Path(sys.argv[1]).write_text(json.dumps(received))\n"
    )
    out = tmp_path / "received.json"
    command = f"'{sys.executable}' '{script}' {out} '$HOME; true'"
    run_command(command, CONTENT, {"BATCHER_EVENT": "finish"})
    received = json.loads(out.read_text())
    assert received == {"notice": CONTENT, "words": [str(out), "$HOME; true"], "environ": "finish"}


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        pytest.param(f"{sys.executable} -c 'raise SystemExit(7)'", "exit status 7", id="fails"),
        pytest.param("/nowhere/at-all", r"cannot be started \(FileNotFoundError\)", id="missing"),
        pytest.param("'not closed", "its quotes are not closed", id="quotes"),
        pytest.param("''", "cannot be started|is empty", id="empty"),
        pytest.param(f"{sys.executable} -c 'input(); input()'", "exit status 1", id="reads-more"),
    ],
)
def test_a_command_that_fails_is_one_reason(command: str, reason: str) -> None:
    """The reason says what failed and does not repeat the command's output."""
    with pytest.raises(NotDelivered, match=reason):
        run_command(command, CONTENT, {})


def test_a_command_that_hangs_is_killed() -> None:
    """It runs until the timeout and not longer."""
    command = f"{sys.executable} -c 'import signal; signal.pause()'"
    with pytest.raises(NotDelivered, match=r"took more than 0.3 s"):
        run_command(command, CONTENT, {}, timeout_s=0.3)
