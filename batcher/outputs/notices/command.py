"""Hands a notice to a program on this machine."""

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
    """Run a command line without a shell, the notice as JSON on its standard input.

    What it prints is dropped. Raises NotDelivered when it cannot be started, fails, or takes longer
    than ``timeout_s``: it is then killed.
    """
    try:
        done = subprocess.run(  # noqa: S603 - the user's own command, split without a shell
            shlex.split(command),
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
    except (ValueError, IndexError):
        raise NotDelivered("the command line is empty, or its quotes are not closed") from None
    if done.returncode != 0:
        raise NotDelivered(f"the command failed with exit status {done.returncode}")
