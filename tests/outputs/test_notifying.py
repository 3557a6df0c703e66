"""Who is told of which ending, and that telling never changes it."""

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from webhook_server import SECRET, Webhook

from batcher.errors import BatcherError, DamageError, InputError
from batcher.inputs.job_file.load import LoadedJob, load_job
from batcher.runner.record import notify as notifying
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
ENDED: dict[str, Any] = {
    "exit_code": 0,
    "rows": {"total": 3, "by_status": {"succeeded": 3}},
    "usd": {"spent": "0.25", "unknown": "0"},
}


class Teller:
    """A notifier over one job file, and all that it says and leaves."""

    def __init__(self, folder: Path, notify: str, environ: Mapping[str, str]) -> None:
        self.folder = folder
        self.environ = environ
        self.said: list[str] = []
        (folder / "job.toml").write_text(JOB + notify)
        self.loaded: LoadedJob = load_job(folder / "job.toml", [])

    def tell(
        self, record: Mapping[str, Any] | None = None, error: BaseException | None = None
    ) -> None:
        """End a run with a record or an error."""

        async def sleep(_: float) -> None:
            """Wait for nothing."""

        events = Events(self.folder / "run", self.said.append)
        events.begin()
        workspace = Workspace.of(self.loaded, is_simulated=False)
        identity = RunIdentity("R", datetime.now(UTC), "boot")
        notifier = Notifier(
            self.loaded, workspace, identity, self.environ, events, self.said.append, sleep
        )
        with notifier:
            if error is not None:
                raise error
            notifier.record = record
        events.close()

    def written(self) -> str:
        """All that is on the disk."""
        files = [path for path in self.folder.rglob("*") if path.is_file()]
        return "".join(path.read_text() for path in files)


def test_a_damaged_checkpoint_leads_to_doctor(tmp_path: Path, webhook: Webhook) -> None:
    """The same command would be refused again."""
    teller = Teller(tmp_path, 'webhook_env = "HOOK"\n', {"HOOK": webhook.url})
    with pytest.raises(DamageError):
        teller.tell(error=DamageError("its log is missing"))
    ((_, _, content),) = webhook.seen
    assert content["next"] == f"batcher doctor {tmp_path / 'job.toml'}"


def test_a_finished_run_is_told(tmp_path: Path, webhook: Webhook) -> None:
    """With its rows, its cost, where it lies and what to type."""
    Teller(tmp_path, 'webhook_env = "HOOK"\n', {"HOOK": webhook.url}).tell(ENDED)
    ((_, _, content),) = webhook.seen
    assert content["text"].startswith("job: finished (exit 0); 3 rows, 3 succeeded; $0.25 spent.")
    assert content["event"] == "finish"
    assert content["state"] == str(tmp_path / "runs" / "job")
    assert content["next"] == f"batcher status {tmp_path / 'job.toml'}"


@pytest.mark.parametrize(
    ("error", "code"),
    [(InputError("row 7 says sk-secret"), 2), (BatcherError("x"), 1), (ValueError("sk-secret"), 1)],
)
def test_an_error_is_told_without_its_text(
    tmp_path: Path, webhook: Webhook, error: Exception, code: int
) -> None:
    """An error's text may quote a row: the exit code says enough. The error goes on."""
    teller = Teller(tmp_path, 'webhook_env = "HOOK"\n', {"HOOK": webhook.url})
    with pytest.raises(type(error)):
        teller.tell(error=error)
    ((_, _, content),) = webhook.seen
    assert (content["event"], content["exit_code"], content["rows"]) == ("failure", code, None)
    assert "secret" not in json.dumps(content)


@pytest.mark.parametrize(
    ("notify", "record", "error"),
    [
        pytest.param('on = ["failure"]\n', ENDED, None, id="not-wanted"),
        pytest.param('on = ["finish"]\n', {**ENDED, "exit_code": 6}, None, id="another-event"),
        pytest.param("", {**ENDED, "exit_code": 143}, None, id="drained"),
        pytest.param("", None, KeyboardInterrupt(), id="interrupted"),
    ],
)
def test_what_nobody_asked_for_is_not_told(
    tmp_path: Path,
    webhook: Webhook,
    notify: str,
    record: dict[str, Any] | None,
    error: BaseException | None,
) -> None:
    """``on`` chooses, and who stopped a run knows it."""
    teller = Teller(tmp_path, f'webhook_env = "HOOK"\n{notify}', {"HOOK": webhook.url})
    if error is None:
        teller.tell(record)
    else:
        with pytest.raises(type(error)):
            teller.tell(error=error)
    assert webhook.seen == []
    assert teller.said == []


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        pytest.param("", "HOOK is not set", id="unset"),
        pytest.param(f"http://hooks.example/{SECRET}", "must be https", id="clear"),
        pytest.param(f"file:///{SECRET}", "must look like https://host", id="no-web"),
        pytest.param(f"https://h:no-port/{SECRET}", "is not an address", id="no-address"),
        pytest.param(f"{SECRET} and more", "must look like https://host", id="words"),
        pytest.param(f"http://127.0.0.1:1/{SECRET}", "cannot be reached", id="nobody"),
    ],
)
def test_a_failure_is_said_recorded_and_holds_no_secret(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], address: str, reason: str
) -> None:
    """One line for the user, one event, and the run ends as it would have."""
    environ = {"HOOK": address, "TOKEN": "canary-token"}
    teller = Teller(tmp_path, 'webhook_env = "HOOK"\ntoken_env = "TOKEN"\n', environ)
    teller.tell(ENDED)
    (line,) = teller.said
    assert line.startswith("warning  nobody was told by the webhook: ")
    assert reason in line
    event = json.loads((tmp_path / "run" / FILE_NAME).read_text().splitlines()[-1])
    assert (event["event"], event["way"]) == ("notice_failed", "webhook")
    everything = "".join([line, teller.written(), *capfd.readouterr()])
    assert not any(secret in everything for secret in ("CANARY", "T0SECRET", "canary-token"))


def test_a_webhook_that_refuses_leaves_no_secret(tmp_path: Path, webhook: Webhook) -> None:
    """The command is run all the same, and the next one is told."""
    webhook.statuses = [302]
    environ = {"HOOK": webhook.url, "TOKEN": "canary-token"}
    command = f"command = \"{sys.executable} -c 'raise SystemExit(9)'\"\n"
    notify = f'webhook_env = "HOOK"\ntoken_env = "TOKEN"\n{command}'
    teller = Teller(tmp_path, notify, environ)
    teller.tell(ENDED)
    assert len(webhook.seen) == 1
    assert ["redirect" in teller.said[0], "exit status 9" in teller.said[1]] == [True, True]
    everything = "".join([*teller.said, teller.written()])
    assert not any(secret in everything for secret in ("CANARY", "T0SECRET", "canary-token"))


@pytest.mark.parametrize("stop", [KeyboardInterrupt, Terminated])
def test_who_will_not_wait_for_a_notice_gives_it_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: type[BaseException]
) -> None:
    """The run is over and keeps its exit code: a signal now is about the notice alone."""

    async def fail(*_: object) -> None:
        raise stop

    monkeypatch.setattr(notifying, "post", fail)
    teller = Teller(tmp_path, 'webhook_env = "HOOK"\n', {"HOOK": "https://hooks.example"})
    teller.tell(ENDED)
    assert teller.said == ["warning  nobody was told by the webhook: interrupted"]


def test_what_nobody_thought_of_is_named_by_its_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The text of an error from below may hold the address, so it is left out."""

    async def fail(_: object, url: object, *__: object) -> None:
        raise RuntimeError(f"no way to {url}")

    monkeypatch.setattr(notifying, "post", fail)
    hook = {"HOOK": f"https://hooks.example/{SECRET}"}
    teller = Teller(tmp_path, 'webhook_env = "HOOK"\n', hook)
    teller.tell(ENDED)
    assert teller.said == ["warning  nobody was told by the webhook: unexpected RuntimeError"]
    assert "CANARY" not in teller.written()


def test_a_command_is_told_without_the_key(tmp_path: Path) -> None:
    """It finds event and exit code in its environment, and the API key nowhere."""
    script = tmp_path / "told.py"
    script.write_text(
        "import json, os, pathlib, sys\n"
        "told = {'environ': dict(os.environ), 'notice': json.load(sys.stdin)}\n"
        "pathlib.Path(sys.argv[1]).write_text(json.dumps(told))\n"
    )
    out = tmp_path / "told.json"
    notify = f'command = "{sys.executable} {script} {out}"\n'
    teller = Teller(tmp_path, notify, {"ANTHROPIC_API_KEY": "sk-canary", "LANG": "C"})
    teller.tell({**ENDED, "exit_code": 4})
    assert teller.said == []
    told = json.loads(out.read_text())
    environ = told["environ"]
    assert (environ["BATCHER_EVENT"], environ["BATCHER_EXIT_CODE"]) == ("failure", "4")
    assert environ["LANG"] == "C"
    assert "sk-canary" not in out.read_text()
    assert told["notice"]["next"].startswith("batcher run")


def test_a_check_says_what_a_notice_lacks(tmp_path: Path) -> None:
    """A variable that is not set, or holds no address, is known before the run."""
    notify = 'webhook_env = "HOOK"\ntoken_env = "TOKEN"\n'
    job = Teller(tmp_path, notify, {}).loaded.job
    problems = [str(one) for one in notice_problems(job, {"TOKEN": " "})]
    assert problems == [
        "nobody will be told: HOOK is not set", "nobody will be told: TOKEN is not set"
    ]  # fmt: skip
    (problem,) = notice_problems(job, {"HOOK": f"ftp://{SECRET}", "TOKEN": "t"})
    assert str(problem) == "nobody will be told: HOOK must look like https://host"
    assert notice_problems(job, {"HOOK": "https://hooks.example/x", "TOKEN": "t"}) == ()
