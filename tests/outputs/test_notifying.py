"""Which end of a run sends a notice, and that a notice never changes how a run ends."""

import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from run_summaries import SUMMARY, run_summary
from webhook_server import SECRET, Webhook

from batcher.core.run_record.run_summary import RunSummary
from batcher.errors import BatcherError, DamageError, InputError
from batcher.inputs.job_file.load import LoadedJob, load_job
from batcher.runner.record import webhook as notifying_webhook
from batcher.runner.record.events import FILE_NAME, Events
from batcher.runner.record.notify import Notifier, notice_problems
from batcher.runner.record.status_file import RunIdentity
from batcher.runner.signals import Terminated
from batcher.runner.workspace import Workspace

JOB = """
[input]
path = "rows.jsonl"
[request]
model = "m"
max_tokens = 5
prompt = "{{ x }}"
[notify]
"""
ENDED = run_summary(
    rows=replace(SUMMARY.rows, total=3, by_status={"succeeded": 3}),
    usd=replace(SUMMARY.usd, spent=Decimal("0.25")),
)


class NotifiedJob:
    """A notifier for one job file, with the messages and files that it writes."""

    def __init__(self, folder: Path, notify: str, environ: Mapping[str, str]) -> None:
        self.folder = folder
        self.environ = environ
        self.messages: list[str] = []
        (folder / "job.toml").write_text(JOB + notify)
        self.loaded: LoadedJob = load_job(folder / "job.toml", [])

    def end_run(
        self, summary: RunSummary | None = None, error: BaseException | None = None
    ) -> None:
        """End a run with a summary or an error."""

        async def sleep(_: float) -> None:
            """Return at once."""

        events = Events(self.folder / "run", self.messages.append)
        events.begin()
        workspace = Workspace.of(self.loaded, is_simulated=False)
        identity = RunIdentity("R", datetime.now(UTC), "boot")
        notifier = Notifier(
            self.loaded, workspace, identity, self.environ, events, self.messages.append, sleep
        )
        with notifier:
            if error is not None:
                raise error
            notifier.summary = summary
        events.close()

    def written(self) -> str:
        """Return the text of all files."""
        files = [path for path in self.folder.rglob("*") if path.is_file()]
        return "".join(path.read_text() for path in files)


def test_a_damaged_checkpoint_leads_to_doctor(tmp_path: Path, webhook: Webhook) -> None:
    """The notice names doctor: the same command would be refused again."""
    notified = NotifiedJob(tmp_path, 'webhook_env = "HOOK"\n', {"HOOK": webhook.url})
    with pytest.raises(DamageError):
        notified.end_run(error=DamageError("its log is missing"))
    ((_, _, content),) = webhook.received
    assert content["next"] == f"batcher doctor {tmp_path / 'job.toml'}"


def test_a_finished_run_sends_a_notice(tmp_path: Path, webhook: Webhook) -> None:
    """The notice has rows, cost, the state folder and the next command."""
    NotifiedJob(tmp_path, 'webhook_env = "HOOK"\n', {"HOOK": webhook.url}).end_run(ENDED)
    ((_, _, content),) = webhook.received
    assert content["text"].startswith("job: finished (exit 0); 3 rows, 3 succeeded; $0.25 spent.")
    assert content["event"] == "finish"
    assert content["state"] == str(tmp_path / "runs" / "job")
    assert content["next"] == f"batcher status {tmp_path / 'job.toml'}"


@pytest.mark.parametrize(
    ("error", "code"),
    [(InputError("row 7 says sk-secret"), 2), (BatcherError("x"), 1), (ValueError("sk-secret"), 1)],
)
def test_the_notice_of_an_error_has_no_error_text(
    tmp_path: Path, webhook: Webhook, error: Exception, code: int
) -> None:
    """An error's text may quote a row, so the notice only has the exit code."""
    notified = NotifiedJob(tmp_path, 'webhook_env = "HOOK"\n', {"HOOK": webhook.url})
    with pytest.raises(type(error)):
        notified.end_run(error=error)
    ((_, _, content),) = webhook.received
    assert (content["event"], content["exit_code"], content["rows"]) == ("failure", code, None)
    assert "secret" not in json.dumps(content)


@pytest.mark.parametrize(
    ("notify", "summary", "error"),
    [
        pytest.param('on = ["failure"]\n', ENDED, None, id="not-wanted"),
        pytest.param('on = ["finish"]\n', replace(ENDED, exit_code=6), None, id="another-event"),
        pytest.param("", replace(ENDED, exit_code=143), None, id="drained"),
        pytest.param("", None, KeyboardInterrupt(), id="interrupted"),
    ],
)
def test_unwanted_events_send_no_notice(
    tmp_path: Path,
    webhook: Webhook,
    notify: str,
    summary: RunSummary | None,
    error: BaseException | None,
) -> None:
    """``on`` selects events; a run that the user stopped sends no notice."""
    notified = NotifiedJob(tmp_path, f'webhook_env = "HOOK"\n{notify}', {"HOOK": webhook.url})
    if error is None:
        notified.end_run(summary)
    else:
        with pytest.raises(type(error)):
            notified.end_run(error=error)
    assert webhook.received == []
    assert notified.messages == []


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        pytest.param("", "HOOK is not set", id="unset"),
        pytest.param(f"http://hooks.example/{SECRET}", "must be https", id="clear"),
        pytest.param(f"file:///{SECRET}", "must look like https://host", id="no-web"),
        pytest.param(f"https://h:no-port/{SECRET}", "is not an address", id="no-address"),
        pytest.param(f"{SECRET} and more", "must look like https://host", id="words"),
        pytest.param(f"http://127.0.0.1:1/{SECRET}", "cannot be reached", id="closed port"),
    ],
)
def test_a_failed_notice_is_reported_without_secrets(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], address: str, reason: str
) -> None:
    """There is one line for the user and one event, and the run's end does not change."""
    environ = {"HOOK": address, "TOKEN": "canary-token"}
    notified = NotifiedJob(tmp_path, 'webhook_env = "HOOK"\ntoken_env = "TOKEN"\n', environ)
    notified.end_run(ENDED)
    (line,) = notified.messages
    assert line.startswith("warning  no notice was sent by the webhook: ")
    assert reason in line
    event = json.loads((tmp_path / "run" / FILE_NAME).read_text().splitlines()[-1])
    assert (event["event"], event["channel"]) == ("notice_failed", "webhook")
    everything = "".join([line, notified.written(), *capfd.readouterr()])
    assert not any(secret in everything for secret in ("CANARY", "T0SECRET", "canary-token"))


def test_a_webhook_that_refuses_leaves_no_secret(tmp_path: Path, webhook: Webhook) -> None:
    """The command is run even when the webhook failed."""
    webhook.statuses = [302]
    environ = {"HOOK": webhook.url, "TOKEN": "canary-token"}
    command = f"command = \"{sys.executable} -c 'raise SystemExit(9)'\"\n"
    notify = f'webhook_env = "HOOK"\ntoken_env = "TOKEN"\n{command}'
    notified = NotifiedJob(tmp_path, notify, environ)
    notified.end_run(ENDED)
    assert len(webhook.received) == 1
    webhook_message, command_message = notified.messages
    assert "redirect" in webhook_message
    assert "exit status 9" in command_message
    everything = "".join([*notified.messages, notified.written()])
    assert not any(secret in everything for secret in ("CANARY", "T0SECRET", "canary-token"))


@pytest.mark.parametrize("stop", [KeyboardInterrupt, Terminated])
def test_a_signal_stops_waiting_for_a_notice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: type[BaseException]
) -> None:
    """The run has ended and keeps its exit code: the signal only stops the notice."""

    async def fail(*_: object) -> None:
        raise stop

    monkeypatch.setattr(notifying_webhook, "post", fail)
    notified = NotifiedJob(tmp_path, 'webhook_env = "HOOK"\n', {"HOOK": "https://hooks.example"})
    notified.end_run(ENDED)
    assert notified.messages == ["warning  no notice was sent by the webhook: interrupted"]


def test_an_unexpected_error_is_named_by_its_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The text of such an error may have the address, so it is not shown."""

    async def fail(_: object, url: object, *__: object) -> None:
        raise RuntimeError(f"no way to {url}")

    monkeypatch.setattr(notifying_webhook, "post", fail)
    hook = {"HOOK": f"https://hooks.example/{SECRET}"}
    notified = NotifiedJob(tmp_path, 'webhook_env = "HOOK"\n', hook)
    notified.end_run(ENDED)
    assert notified.messages == [
        "warning  no notice was sent by the webhook: unexpected RuntimeError"
    ]
    assert "CANARY" not in notified.written()


def test_a_command_does_not_get_the_key(tmp_path: Path) -> None:
    """Its environment has the event and the exit code, but not the API key."""
    script = tmp_path / "read_notice.py"
    script.write_text(
        "import json, os, pathlib, sys\n"
        "received = {'environ': dict(os.environ), 'notice': json.load(sys.stdin)}\n"
        "pathlib.Path(sys.argv[1]).write_text(json.dumps(received))\n"
    )
    out = tmp_path / "received.json"
    notify = f'command = "{sys.executable} {script} {out}"\n'
    notified = NotifiedJob(tmp_path, notify, {"ANTHROPIC_API_KEY": "sk-canary", "LANG": "C"})
    notified.end_run(replace(ENDED, exit_code=4))
    assert notified.messages == []
    received = json.loads(out.read_text())
    environ = received["environ"]
    assert (environ["BATCHER_EVENT"], environ["BATCHER_EXIT_CODE"]) == ("failure", "4")
    assert environ["LANG"] == "C"
    assert "sk-canary" not in out.read_text()
    assert received["notice"]["next"].startswith("batcher run")


def test_check_finds_what_a_notice_needs(tmp_path: Path) -> None:
    """A variable that is not set, or is no address, is a problem before the run."""
    notify = 'webhook_env = "HOOK"\ntoken_env = "TOKEN"\n'
    job = NotifiedJob(tmp_path, notify, {}).loaded.job
    problems = [str(problem) for problem in notice_problems(job, {"TOKEN": " "})]
    assert problems == [
        "no notice will be sent: HOOK is not set", "no notice will be sent: TOKEN is not set"
    ]  # fmt: skip
    (problem,) = notice_problems(job, {"HOOK": f"ftp://{SECRET}", "TOKEN": "t"})
    assert str(problem) == "no notice will be sent: HOOK must look like https://host"
    assert notice_problems(job, {"HOOK": "https://hooks.example/x", "TOKEN": "t"}) == ()
