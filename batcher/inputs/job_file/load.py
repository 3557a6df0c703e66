"""Reads a job file and the texts it names, and says everything that is wrong with them at once."""

import hashlib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from batcher.core.job import Job
from batcher.core.job.mistake import Mistake
from batcher.core.job.reading import read_job
from batcher.core.labels.labels import Labels
from batcher.core.template.template import Expression
from batcher.errors import JobFileError, Problem, TemplateError
from batcher.inputs.job_file.key_sources import Places, in_order
from batcher.inputs.job_file.label_schemas import read_labels
from batcher.inputs.job_file.overrides import NEW_KEY_HINT, SECRET, override, toml_error
from batcher.inputs.job_file.prompt_texts import read_text
from batcher.inputs.job_file.toml_lines import key_lines


@dataclass(frozen=True, slots=True)
class LoadedJob:
    """A job file that was read and found right.

    ``folder`` is what relative paths count from. ``digest`` is the SHA-256 of the file, in hex.
    ``sources`` says of every key where its value came from: ``default``, ``job.toml:12`` or
    ``--set``. ``system`` and ``prompt`` are the texts themselves, also when a file holds them;
    their names are what errors call them. ``labels`` are those that answers are held to.
    """

    job: Job
    path: Path
    folder: Path
    digest: str
    sources: Mapping[str, str] = field(repr=False)
    system: str | list[dict[str, Any]] | None = field(repr=False)
    system_name: str
    prompt: str | None = field(repr=False)
    prompt_name: str
    labels: Labels | None = field(default=None, repr=False)


def load_job(path: Path, overrides: Sequence[str] = ()) -> LoadedJob:
    """Read a job file; each override is ``section.key=value``, the value TOML or else text.

    Raises ``JobFileError`` with all mistakes, each with its file and line.
    """
    try:
        return _load(path, overrides)
    except RecursionError:
        raise JobFileError([Problem("it is nested too deep", str(path))]) from None


def _load(path: Path, overrides: Sequence[str]) -> LoadedJob:
    raw = _read(path)
    text = _decoded(raw, path)
    found = _secrets(text, path)
    data = _parsed(text, path, found)
    given, more = override(data, overrides)
    found += more
    places = Places(path, key_lines(text), given)
    if _name_after_file(data, path):
        places = places.implying(("job", "name"))
    reading = read_job(data)
    found += [places.problem(mistake) for mistake in reading.mistakes]
    if reading.job is None:
        raise JobFileError(in_order(found))
    system, wrong_system = read_text(reading.job, "system", path.parent)
    prompt, wrong_prompt = read_text(reading.job, "prompt", path.parent)
    labels, wrong_labels = read_labels(reading.job, path.parent)
    wrong = [*wrong_system, *wrong_prompt, *wrong_labels, *_expression_mistakes(reading.job)]
    found += [places.problem(mistake) for mistake in wrong]
    if found:
        raise JobFileError(in_order(found))
    return LoadedJob(
        job=reading.job,
        path=path,
        folder=path.parent,
        digest=hashlib.sha256(raw).hexdigest(),
        sources=places.sources(reading.job),
        system=system.content,
        system_name=system.name,
        prompt=prompt.content if isinstance(prompt.content, str) else None,
        prompt_name=prompt.name,
        labels=labels,
    )


def _read(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise JobFileError([Problem("this is a folder, not a job file", str(path))])
        return path.read_bytes()
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        hint = "Type `batcher init` for a job file to start from." if not path.exists() else None
        raise JobFileError([Problem(reason, str(path), hint=hint)]) from None


def _decoded(raw: bytes, path: Path) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        problem = Problem("this is not UTF-8", str(path), line, "Save the file as UTF-8.")
        raise JobFileError([problem]) from None


def _secrets(text: str, path: Path) -> list[Problem]:
    """Find keys anywhere in the file, comments included."""
    return [
        Problem("this line holds an API key", str(path), number, NEW_KEY_HINT)
        for number, line in enumerate(text.split("\n"), 1)
        if SECRET.search(line)
    ]


def _parsed(text: str, path: Path, found: list[Problem]) -> dict[str, Any]:
    try:
        return tomllib.loads(text, parse_float=Decimal)
    except ValueError as error:
        message, line = toml_error(error, text)
        raise JobFileError([*found, Problem(message, str(path), line)]) from None


def _name_after_file(data: dict[str, Any], path: Path) -> bool:
    """Call a job without a name what its file is called."""
    about = data.setdefault("job", {})
    if not isinstance(about, dict) or "name" in about:
        return False
    about["name"] = path.stem
    return True


def _expression_mistakes(job: Job) -> list[Mistake]:
    if job.input.where is None:
        return []
    try:
        Expression(job.input.where, "input.where")
    except TemplateError as error:
        return [Mistake(("input", "where"), error.message, error.hint)]
    return []
