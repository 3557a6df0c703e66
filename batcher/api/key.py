"""Reads the API key, and holds it in a type that never shows it."""

import hmac
import shlex
import subprocess
from collections.abc import Mapping
from typing import NoReturn

from batcher.core.job import ApiSection
from batcher.core.job.server import is_sendable_key
from batcher.errors import ConfigurationError

_COMMAND_TIMEOUT_S = 30


class Secret:
    """A string that cannot be printed, formatted, logged or pickled; equal by its value."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the value; only for the header that carries it."""
        return self._value

    def digest(self, salt: str) -> str:
        """Return a hash that tells whether another key is the same one; useless without the salt.

        It is for one checkpoint, whose id is the salt: two of them do not show a common key.
        """
        return hmac.digest(salt.encode(), self._value.encode(), "sha256").hex()

    def __repr__(self) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other.reveal().encode())

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret must not be written anywhere")


def read_key(api: ApiSection, environ: Mapping[str, str]) -> Secret | None:
    """Read the key from the command or the environment variable that the job names.

    Return None when the server needs no key. Raises ConfigurationError, which never repeats the
    key, the command or its output. The command runs without a shell and without the variable.
    """
    if api.auth == "none":
        return None
    if api.key_command is not None:
        source, value = "[api] key_command", _printed(api.key_command, api.key_env, environ)
    else:
        source, value = api.key_env, environ.get(api.key_env, "")
    key = value.strip()
    if not key:
        raise ConfigurationError(f"{source} is not set", hint=_how_to_set(api))
    if not is_sendable_key(key):
        raise ConfigurationError(
            f"the key from {source} has spaces, line breaks or characters outside ASCII",
            hint="copy the key again, alone and without quotes",
        )
    return Secret(key)


def _printed(command: str, key_env: str, environ: Mapping[str, str]) -> str:
    """Run the command and return its output."""
    try:
        done = subprocess.run(  # noqa: S603 - the user's own command, split without a shell
            shlex.split(command),
            env={name: value for name, value in environ.items() if name != key_env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_COMMAND_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _command_error(f"took more than {_COMMAND_TIMEOUT_S} seconds") from None
    except OSError as error:
        raise _command_error(f"could not be started ({type(error).__name__})") from None
    except (ValueError, IndexError):
        raise _command_error("is not a command: it is empty or its quotes are not closed") from None
    if done.returncode != 0:
        raise _command_error(f"failed with exit status {done.returncode}")
    return done.stdout.decode("utf-8", "replace")


def _command_error(what: str) -> ConfigurationError:
    return ConfigurationError(
        f"[api] key_command {what}", hint="run the command by hand: it must print the key alone"
    )


def _how_to_set(api: ApiSection) -> str:
    if api.key_command is not None:
        return "run the command by hand: it must print the key alone"
    return f"export {api.key_env}=...  (or batcher run JOB --simulate, which needs no key)"
