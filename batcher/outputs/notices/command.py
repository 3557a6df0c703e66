"""Passes a notice to a program on this machine."""

import json
import shlex
import subprocess
from collections.abc import Mapping
from typing import Any

from batcher.core.notice import NotDelivered

TIMEOUT_S = 60.0


def run_command(
    command: str,
    content: Mapping[str, Any],
    environ: Mapping[str, str],
    timeout_s: float = TIMEOUT_S,
) -> None:
    """Run a command line without a shell, with the notice as JSON on its standard input.

    Its output is discarded. Raises NotDelivered when the command cannot be started, fails, or takes
    longer than ``timeout_s``; then it is killed.
    """
    words = split_command(command)
    try:
        done = subprocess.run(  # noqa: S603 - the user's own command, split without a shell
            words,
            env=dict(environ),
            input=json.dumps(content, default=str).encode(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise NotDelivered(f"the command took more than {timeout_s:g} s") from None
    except OSError as error:
        raise NotDelivered(f"the command cannot be started ({type(error).__name__})") from None
    except ValueError:
        raise NotDelivered("the command line has a NUL character") from None
    if done.returncode != 0:
        raise NotDelivered(f"the command failed with exit status {done.returncode}")


def split_command(command: str) -> list[str]:
    """Split a command line into words; raises NotDelivered when there are none."""
    try:
        words = shlex.split(command)
    except ValueError:
        words = []
    if not words or not words[0]:
        raise NotDelivered("the command line is empty, or its quotes are not closed")
    return words
