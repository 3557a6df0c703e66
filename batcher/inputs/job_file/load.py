"""Reads a job file and the files it names, and reports all their mistakes at once."""

import hashlib
import json
import os
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
from batcher.core.nearest import nearest_name
from batcher.core.template.template import Expression
from batcher.errors import JobFileError, Problem, TemplateError
from batcher.inputs.job_file.key_sources import KeySources, sorted_problems
from batcher.inputs.job_file.label_schemas import read_labels
from batcher.inputs.job_file.overrides import NEW_KEY_HINT, SECRET, override, toml_error
from batcher.inputs.job_file.prompt_texts import read_text
from batcher.inputs.job_file.toml_lines import key_lines

_PATHS = {
    "job": ("state",),
    "input": ("path",),
    "request": ("system_file", "prompt_file"),
    "labels": ("schema",),
    "output": ("path",),
}
"""The keys that are paths, by section."""


@dataclass(frozen=True, slots=True)
class LoadedJob:
    """A job file without mistakes.

    Relative paths start in ``folder``. ``digest`` is the SHA-256 of the file, in hex. ``sources``
    has the source of each key's value: ``default``, ``job.toml:12`` or ``--set``. ``system`` and
    ``prompt`` are the texts, also when they are in files of their own; errors use ``system_name``
    and ``prompt_name`` for them. ``labels`` is the schema of the answers.
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

    @property
    def name(self) -> str:
        """The name of the job."""
        return self.job.job.name or self.path.stem

    @property
    def files(self) -> frozenset[Path]:
        """The job file and the files that it names as a prompt, a system prompt or a schema."""
        request = self.job.request
        named = (request.system_file, request.prompt_file, self.job.labels.schema)
        paths = [self.path, *(self.folder / name for name in named if isinstance(name, str))]
        return frozenset(Path(os.path.realpath(path)) for path in paths)

    @property
    def scope(self) -> tuple[str, ...]:
        """The overrides that choose other rows than the job file does, as ``--set`` takes them."""
        keys = (key for key, source in self.sources.items() if source == "--set")
        chosen = [key.removeprefix("input.") for key in keys if key.startswith("input.")]
        values = {key: getattr(self.job.input, key) for key in sorted(chosen)}
        return tuple(f"input.{key}={_toml(value)}" for key, value in values.items())


def _toml(value: object) -> str:
    """Write a text, a number or a truth value as TOML."""
    if isinstance(value, str):
        return json.dumps(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def load_job(path: Path, overrides: Sequence[str] = ()) -> LoadedJob:
    """Read a job file; each override is ``section.key=value``, with a value in TOML or plain text.

    Raises ``JobFileError`` with all mistakes, each with its file and line.
    """
    try:
        return _load(path, overrides)
    except RecursionError:
        raise JobFileError([Problem("the file is nested too deep", str(path))]) from None


def _load(path: Path, overrides: Sequence[str]) -> LoadedJob:
    raw = _read(path)
    text = _decoded(raw, path)
    problems = _secrets(text, path)
    data = _parsed(text, path, problems)
    overridden, override_problems = override(data, overrides)
    problems += override_problems
    _expand_home(data)
    sources = KeySources(path, key_lines(text), overridden)
    if _name_after_file(data, path):
        sources = sources.with_filled(("job", "name"))
    reading = read_job(data)
    problems += map(sources.problem, reading.mistakes)
    if reading.job is None:
        raise JobFileError(sorted_problems(problems))
    system, system_mistakes = read_text(reading.job, "system", path.parent)
    prompt, prompt_mistakes = read_text(reading.job, "prompt", path.parent)
    labels, label_mistakes = read_labels(reading.job, path.parent)
    where_mistakes = _where_mistakes(reading.job)
    mistakes = [*system_mistakes, *prompt_mistakes, *label_mistakes, *where_mistakes]
    problems += map(sources.problem, mistakes)
    if problems:
        raise JobFileError(sorted_problems(problems))
    return LoadedJob(
        job=reading.job,
        path=path,
        folder=path.parent,
        digest=hashlib.sha256(raw).hexdigest(),
        sources=sources.values(reading.job),
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
        raise JobFileError([Problem(reason, str(path), hint=_missing_hint(path))]) from None


def _missing_hint(path: Path) -> str | None:
    """Return what to do about a job file that does not exist: perhaps its name is misspelt."""
    if path.exists():
        return None
    near = nearest_name(path.stem, (other.stem for other in path.parent.glob("*.toml")))
    return f"did you mean {near}.toml?" if near else "create one with: batcher init"


def _decoded(raw: bytes, path: Path) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        problem = Problem("the file is not UTF-8", str(path), line, "save it as UTF-8")
        raise JobFileError([problem]) from None


def _secrets(text: str, path: Path) -> list[Problem]:
    """Find API keys anywhere in the file, also in comments."""
    return [
        Problem("this line holds an API key", str(path), number, NEW_KEY_HINT)
        for number, line in enumerate(text.split("\n"), 1)
        if SECRET.search(line)
    ]


def _parsed(text: str, path: Path, problems: list[Problem]) -> dict[str, Any]:
    try:
        return tomllib.loads(text, parse_float=Decimal)
    except ValueError as error:
        message, line = toml_error(error, text)
        raise JobFileError([*problems, Problem(message, str(path), line)]) from None


def _name_after_file(data: dict[str, Any], path: Path) -> bool:
    """Name a job without a name after its file; return whether it had no name."""
    section = data.setdefault("job", {})
    if not isinstance(section, dict) or "name" in section:
        return False
    section["name"] = path.stem
    return True


def _expand_home(data: dict[str, Any]) -> None:
    """Replace ``~`` at the start of paths by the home folder."""
    for name, keys in _PATHS.items():
        section = data.get(name)
        if not isinstance(section, dict):
            continue
        for key in keys:
            path = section.get(key)
            if isinstance(path, str) and path.startswith("~"):
                section[key] = os.path.expanduser(path)  # noqa: PTH111 (keeps an unknown user)


def _where_mistakes(job: Job) -> list[Mistake]:
    if job.input.where is None:
        return []
    try:
        Expression(job.input.where, "input.where")
    except TemplateError as error:
        return [Mistake(("input", "where"), error.message, error.hint)]
    return []
