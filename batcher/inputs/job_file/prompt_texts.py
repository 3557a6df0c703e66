"""Reads the prompt and the system prompt, from the job file or from files of their own."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from batcher.core.job import Job
from batcher.core.job.mistake import Key, Mistake
from batcher.core.template.template import Template
from batcher.errors import TemplateError


@dataclass(frozen=True, slots=True)
class Text:
    """A prompt: its name in errors (a key or a file), and its template or text blocks."""

    name: str
    content: str | list[dict[str, Any]] | None


def read_text(
    job: Job, part: Literal["system", "prompt"], folder: Path
) -> tuple[Text, list[Mistake]]:
    """Read one of the two texts, from its file if it has one, and check that it is a template."""
    file = job.request.prompt_file if part == "prompt" else job.request.system_file
    inline = job.request.prompt if part == "prompt" else job.request.system
    if inline is not None or file is None:
        key: Key = ("request", part)
        text = Text(f"request.{part}", inline)
    else:
        key = ("request", f"{part}_file")
        text = Text(file, None)
        try:
            text = Text(file, _read(folder / file))
        except OSError as error:
            reason = (error.strerror or type(error).__name__).lower()
            return text, [Mistake(key, f"request.{part}_file: {reason}: {folder / file}")]
        except ValueError:
            return text, [Mistake(key, f"request.{part}_file is not UTF-8: {folder / file}")]
    if isinstance(text.content, str):
        try:
            Template(text.content, text.name)
        except TemplateError as error:
            return text, [Mistake(key, error.message, error.hint)]
    return text, []


def _read(path: Path) -> str:
    # Path.read_text() would turn \r\n into \n, and a changed text is another request.
    return path.read_bytes().decode("utf-8-sig")
