"""[notify] names where notices go and never holds a secret."""

from typing import Any

import pytest

from batcher.core.job.reading import Reading, read_job

ADDRESS = "https://hooks.example/services/T0CANARY"


def read(**notify: Any) -> Reading:
    """Read a correct job with this [notify] section."""
    request = {"model": "m", "max_tokens": 1, "prompt": "{{ x }}"}
    return read_job({"input": {"path": "in.jsonl"}, "request": request, "notify": notify})


def test_a_section_with_a_receiver_is_correct() -> None:
    """All endings are reported unless ``on`` selects some."""
    job = read(webhook_env="HOOK", token_env="TOKEN", command="mail -s x me").job
    assert job is not None
    assert job.notify.on == ("finish", "failure", "budget")
    assert read(webhook_env="HOOK", on=["failure"]).mistakes == ()
    assert read().mistakes == ()


@pytest.mark.parametrize(
    ("notify", "message"),
    [
        (
            {"webhook_env": ADDRESS},
            "notify.webhook_env must be the name of an environment",
        ),
        ({"webhook_env": "H", "token_env": "a-b"}, "notify.token_env must be the name of an env"),
        ({"webhook": ADDRESS}, "notify.webhook must not be in a job file"),
        ({"url": ADDRESS}, "notify.url must not be in a job file"),
        ({"on": ["finish"]}, "[notify] has neither webhook_env nor command"),
        ({"command": "true", "token_env": "T"}, "notify.token_env has no effect without"),
        ({"command": ""}, "notify.command must not be empty"),
        ({"command": "true", "on": ["always"]}, "notify.on must be one of finish"),
        ({"command": "true", "hook": 1}, "there is no key notify.hook"),
    ],
)
def test_a_mistake_does_not_repeat_the_address(notify: dict[str, Any], message: str) -> None:
    """The message names the key and never quotes an address from the file."""
    mistakes = read(**notify).mistakes
    assert any(message in mistake.message for mistake in mistakes)
    assert not any("CANARY" in f"{mistake.message}{mistake.hint}" for mistake in mistakes)
