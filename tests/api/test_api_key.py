"""The sources of the API key; nothing ever shows it."""

import copy
import pickle
import shlex
import sys

import pytest
from fault_server import CANARY

from batcher.api.key import Secret, read_key
from batcher.core.job import ApiSection
from batcher.errors import ConfigurationError


def python(code: str) -> str:
    """Return a command that runs a line of Python."""
    return f"{shlex.quote(sys.executable)} -c {shlex.quote(code)}"


def test_a_secret_shows_nothing() -> None:
    """Printing, formatting and copying do not show the value."""
    secret = Secret(CANARY)
    shown = f"{secret} {secret!r} {secret!s} {[secret]} {secret:}"
    assert CANARY not in shown
    assert repr(secret) == "***"
    for write in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError):
            write(secret)


def test_secrets_are_equal_by_value() -> None:
    """Two secrets of the same value are equal; a string is not a secret."""
    assert Secret("a") == Secret("a")
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"


def test_a_digest_tells_keys_apart_within_one_checkpoint() -> None:
    """Equal keys have equal digests, but not in two checkpoints; the key cannot be seen in them."""
    digest = Secret(CANARY).digest("checkpoint-1")
    assert digest == Secret(CANARY).digest("checkpoint-1")
    assert len({digest, Secret("b").digest("checkpoint-1"), Secret(CANARY).digest("2")}) == 3
    assert CANARY not in digest


def test_the_key_comes_from_the_variable_that_the_job_names() -> None:
    """The job names the variable; spaces around the key are removed."""
    assert read_key(ApiSection(), {"ANTHROPIC_API_KEY": f" {CANARY}\n"}).reveal() == CANARY
    assert read_key(ApiSection(key_env="OTHER"), {"OTHER": CANARY}).reveal() == CANARY


def test_no_key_is_read_without_authentication() -> None:
    """A server without keys needs neither variable nor command."""
    api = ApiSection(auth="none", key_command=python("raise SystemExit(1)"))
    assert read_key(api, {}) is None


@pytest.mark.parametrize("environ", [{}, {"ANTHROPIC_API_KEY": ""}, {"ANTHROPIC_API_KEY": " \n"}])
def test_a_missing_key_is_an_error(environ: dict[str, str]) -> None:
    """An unset or empty variable is exit code 2, with a hint."""
    with pytest.raises(ConfigurationError, match="ANTHROPIC_API_KEY is not set") as caught:
        read_key(ApiSection(), environ)
    assert caught.value.exit_code == 2
    assert "ANTHROPIC_API_KEY" in caught.value.hint


@pytest.mark.parametrize("key", [f"{CANARY} x", f"{CANARY}\nx", f"{CANARY}ü", f"{CANARY}\x00"])
def test_a_malformed_key_is_refused(key: str) -> None:
    """The message does not repeat the key."""
    with pytest.raises(ConfigurationError) as caught:
        read_key(ApiSection(), {"ANTHROPIC_API_KEY": key})
    assert CANARY not in f"{caught.value!r} {caught.value.hint}"


def test_a_command_may_print_the_key() -> None:
    """The command's output replaces the variable, and the command does not get the variable."""
    code = f"import os; print('{CANARY}' + str('ANTHROPIC_API_KEY' in os.environ))"
    key = read_key(
        ApiSection(key_command=python(code)), {"ANTHROPIC_API_KEY": "other", "PATH": "/bin"}
    )
    assert key.reveal() == f"{CANARY}False"


@pytest.mark.parametrize(
    "command",
    [
        python(f"import sys; print('{CANARY}'); sys.exit(3)"),
        python(f"import sys; sys.stderr.write('{CANARY}')"),
        python(f"print('{CANARY} and more')"),
        "no-such-command-anywhere",
        "'unclosed",
        " ",
    ],
    ids=["fails", "prints nothing", "prints more", "does not exist", "bad quotes", "empty"],
)
def test_the_error_of_a_command_has_no_output(
    command: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Neither the command nor its output is in the error or on the terminal."""
    with pytest.raises(ConfigurationError) as caught:
        read_key(ApiSection(key_command=command), {})
    error = caught.value
    assert "key_command" in str(error)
    assert CANARY not in f"{error!r} {error.hint} {error.__cause__!r}"
    assert error.__suppress_context__ or error.__context__ is None
    assert CANARY not in "".join(capfd.readouterr())


def test_a_command_that_hangs_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that waits for input is stopped after the timeout."""
    monkeypatch.setattr("batcher.api.key._COMMAND_TIMEOUT_S", 0.2)
    command = python(f"print('{CANARY}', flush=True); import time; time.sleep(60)")
    with pytest.raises(ConfigurationError, match="took more than"):
        read_key(ApiSection(key_command=command), {})


def test_no_shell_reads_the_command() -> None:
    """Shell syntax in a command is plain text."""
    command = python("import sys; print('-'.join(sys.argv[1:]))") + " ; echo $HOME | cat"
    assert read_key(ApiSection(key_command=command), {}).reveal() == ";-echo-$HOME-|-cat"
