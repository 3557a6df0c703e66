"""Sends a notice at the end of a run, as the job file's [notify] section says."""

import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING

from batcher.core.job import Job
from batcher.core.notice import Event, NotDelivered, Notice, event_of
from batcher.core.run_record.run_summary import RunSummary
from batcher.errors import BatcherError, Problem
from batcher.inputs.job_file.load import LoadedJob
from batcher.late import late
from batcher.outputs.notices.command import run_command, split_command
from batcher.runner.record.events import Events
from batcher.runner.record.status_file import RunIdentity, code_of, next_of
from batcher.runner.signals import Terminated
from batcher.runner.workspace import Workspace

if TYPE_CHECKING:
    from batcher.outputs.notices.webhook import Sleep
    from batcher.runner.record.webhook import post_notice, webhook_of
else:
    post_notice = late("batcher.runner.record.webhook", "post_notice")
    webhook_of = late("batcher.runner.record.webhook", "webhook_of")

_NEXT = {0: "status", 3: "failures"}


@dataclass(slots=True)
class Notifier:
    """A context that sends a notice when a run leaves it, with or without an error.

    Set ``summary`` when the run has ended in order. ``say`` shows a line to the user. A notice
    that cannot be delivered does not change the exit code of the run.
    """

    loaded: LoadedJob
    workspace: Workspace
    identity: RunIdentity
    environ: Mapping[str, str]
    events: Events
    say: Callable[[str], None]
    sleep: "Sleep | None" = None
    summary: RunSummary | None = field(default=None, init=False)

    def __enter__(self) -> "Notifier":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self._send(None, code_of(error), next_of(error))
        elif self.summary is not None:
            exit_code = self.summary.exit_code
            self._send(self.summary, exit_code, self.summary.next or _NEXT.get(exit_code, "run"))

    @property
    def job(self) -> Job:
        """The job of the run."""
        return self.loaded.job

    def _send(self, summary: RunSummary | None, exit_code: int, next_command: str) -> None:
        event = event_of(exit_code)
        if event is None or event not in self.job.notify.on:
            return
        notice = self._notice(event, summary, exit_code, next_command)
        for channel, deliver in self._deliveries(notice):
            reason = _failure(deliver)
            if reason is not None:
                self.say(f"warning  no notice was sent by the {channel}: {reason}")
                self.events.write("notice_failed", channel=channel, reason=reason)

    def _notice(
        self, event: Event, summary: RunSummary | None, exit_code: int, next_command: str
    ) -> Notice:
        flag = ["--simulate"] if self.workspace.is_simulated else []
        return Notice(
            event=event,
            job=self.loaded.name,
            run_id=self.identity.run_id,
            exit_code=exit_code,
            state=str(self.workspace.state.resolve()),
            summary=summary,
            started=self.identity.started,
            ended=datetime.now(UTC),
            next=shlex.join(["batcher", next_command, str(self.loaded.path), *flag]),
        )

    def _deliveries(self, notice: Notice) -> Iterator[tuple[str, Callable[[], None]]]:
        notify = self.job.notify
        if notify.webhook_env is not None:
            yield "webhook", partial(self._post, notice)
        if notify.command is not None:
            yield "command", partial(self._run, notify.command, notice)

    def _post(self, notice: Notice) -> None:
        post_notice(self.job, self.environ, notice, self.sleep)

    def _run(self, command: str, notice: Notice) -> None:
        environ = dict(self.environ)
        environ.pop(self.job.api.key_env, None)
        more = {"BATCHER_EVENT": notice.event, "BATCHER_EXIT_CODE": str(notice.exit_code)}
        run_command(command, notice.content(), environ | more)


def notice_problems(job: Job, environ: Mapping[str, str]) -> tuple[Problem, ...]:
    """Return why a notice could not be sent now, for the warnings of ``batcher check``."""
    problems = [
        Problem(f"no notice will be sent: {name} is not set", hint=f"export {name}=...")
        for name in unset_names(job, environ)
    ]
    steps: list[Callable[[], object]] = []
    if job.notify.webhook_env is not None and not problems:
        steps.append(partial(webhook_of, job, environ))
    if job.notify.command is not None:
        steps.append(partial(split_command, job.notify.command))
    reasons = [reason for step in steps if (reason := _failure(step)) is not None]
    return (*problems, *(Problem(f"no notice will be sent: {reason}") for reason in reasons))


def unset_names(job: Job, environ: Mapping[str, str]) -> list[str]:
    """Return the variables of a webhook that are not set."""
    names = (job.notify.webhook_env, job.notify.token_env)
    return [name for name in names if name is not None and not environ.get(name, "").strip()]


def _failure(deliver: Callable[[], object]) -> str | None:
    """Deliver; return why it failed, without the notice, its address or its token."""
    try:
        deliver()
    except NotDelivered as error:
        return str(error)
    except BatcherError as error:  # wrong proxy or certificate settings
        return error.message
    except (KeyboardInterrupt, Terminated):
        return "interrupted"
    except Exception as error:  # noqa: BLE001 - no error here may change how the run ended
        return f"unexpected {type(error).__name__}"
    return None
