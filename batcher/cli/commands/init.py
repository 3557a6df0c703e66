"""batcher init: a commented job file, and a tiny input when there is none yet."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap
from typing import Any

import click

from batcher.cli.command_line import command_line
from batcher.cli.job_draft import MAX_TOKENS, MODEL, draft
from batcher.cli.messages import printable, say
from batcher.core.input_profile import InputProfile, free_name
from batcher.errors import BatcherError, ConfigurationError
from batcher.inputs.files import family
from batcher.runner.commands.inspect import placeholder, profile_input

_QUESTIONS = (
    "Where is my parcel? It should have come on Monday.",
    "I was charged twice for the same order.",
    "How do I change the e-mail address of my account?",
    "The zip of the jacket broke on the first day.",
    "Do you deliver to Iceland?",
    "Please delete all data you have about me.",
    "The blue one was out of stock, when will you have it again?",
    "Thank you, the new lamp is lovely!",
    "My discount code is refused at the checkout.",
    "I cannot log in since the last update.",
    "The invoice names the wrong company.",
    "Can I send back only one of the two shirts?",
)
_INPUTS = "inputs end in .jsonl or .ndjson (also with .gz or .zst), or in .parquet"
_OTHER_DATA = frozenset(
    {
        ".csv", ".tsv", ".txt", ".json", ".xlsx", ".xls", ".xml", ".arrow", ".feather", ".avro",
        ".orc", ".gz", ".zst", ".zip", ".toml",
    }
)  # fmt: skip
"""Endings of files that are no input either, and of no folder that anybody means to make."""
_COLUMNS_SHOWN = 20
_BUDGET_USD = 5
_FROM_CSV = (
    'make JSONL of it first: python -c "import pandas as p; '
    "p.read_csv('{}').to_json('rows.jsonl', orient='records', lines=True)\""
)
_SCHEMA = "labels.json"
_ROWS = "rows.jsonl"
_LATER = "The keys in comments show their defaults. Next: batcher check, then batcher run."


@click.command(
    "init",
    epilog="Example: batcher init demo && batcher run demo/job.toml --simulate",
)
@click.argument(
    "target", metavar="[DIR|INPUT]", default=".", type=click.Path(path_type=Path), required=False
)
@click.option(
    "--labels",
    metavar="A,B,C",
    help="The labels to choose from: the job classifies, and a schema is written beside it.",
)
def command(target: Path, labels: str | None) -> int:
    """Write a commented job file.

    In DIR (default: here) it comes with a tiny input, and both run at once with --simulate. For an
    INPUT (.jsonl, .parquet, images, PDFs, or a folder of one of these) it is drafted from what is
    in it and lies beside it. Nothing is ever overwritten.
    """
    choices = _choices(labels)
    if target.is_file() or _holds_data(target):
        return _for_input(target, choices)
    is_data = family(target) is not None or target.suffix.lower() in _OTHER_DATA
    if is_data and not target.exists():
        raise ConfigurationError(
            f"{target} does not exist", hint=f"name an input that is there, or a folder; {_INPUTS}"
        )
    return _in_folder(target, choices)


def _holds_data(target: Path) -> bool:
    """Whether a folder is an input itself: it holds files that can be read, and no job."""
    if not target.is_dir() or any((target / name).exists() for name in ("job.toml", _ROWS)):
        return False
    try:
        has_data = any(family(path) for path in target.iterdir() if path.is_file())
    except OSError:
        return False
    if has_data and target.name in ("", ".."):
        raise ConfigurationError(
            "this folder holds data, and a job file is written beside its data",
            hint=f"give a file in it, or its name from outside: {command_line('init', 'FOLDER')}",
        )
    return has_data


def _choices(labels: str | None) -> tuple[str, ...]:
    """Read --labels; ConfigurationError unless it names at least two, none of them twice."""
    if labels is None:
        return ()
    choices = tuple(part.strip() for part in labels.split(",") if part.strip())
    doubled = [one for place, one in enumerate(choices) if one in choices[:place]]
    if doubled or len(choices) < 2:
        raise ConfigurationError(
            f"--labels names {doubled[0]!r} twice" if doubled else "--labels needs two or more",
            hint='such as --labels "good,bad,mixed"',
        )
    return choices


def _in_folder(folder: Path, choices: tuple[str, ...]) -> int:
    job, rows = folder / "job.toml", folder / _ROWS
    for path in (job, rows):
        if path.exists():
            raise ConfigurationError(
                f"{path} is already there, and nothing is overwritten",
                hint=f"name another folder: {command_line('init', 'NEW_FOLDER')}",
            )
    given = {
        "input": {"path": rows.name, "id": "id"},
        "request": _request(f"{_task(choices, 'this message')}\n\n{{{{ message }}}}\n"),
    }
    if choices:
        given["labels"] = {"schema": _SCHEMA}
    tried = f"    {command_line('run', job, options=['--simulate'])}"
    what = "Labels" if choices else "Summarises"
    title = "\n".join(
        [f"{what} a dozen messages. Without a key and at no cost:", "", tried, "", _LATER]
    )
    lines = [
        json.dumps({"id": f"m{number:02}", "message": text})
        for number, text in enumerate(_QUESTIONS, 1)
    ]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(folder, error) from None
    if choices:
        _write(folder / _SCHEMA, _schema_text(choices, ()))
    _write(rows, "\n".join(lines) + "\n")
    _write(job, draft(title, given, {}))
    say(f"next   {command_line('run', job, options=['--simulate'])}")
    return 0


def _for_input(path: Path, choices: tuple[str, ...]) -> int:
    if family(path) is None and not path.is_dir():
        hint = _FROM_CSV.format(path.name) if path.suffix.lower() == ".csv" else _INPUTS
        raise ConfigurationError(f"{path} is neither a folder nor an input", hint=hint)
    look = profile_input(path, choices)
    job = _free_name(path)
    schema = job.with_name(_SCHEMA if job.name == "job.toml" else f"{job.stem}.{_SCHEMA}")
    named = wrap(f"Drafted from {path.name}, with the columns: {_listed(look.columns)}.", 96)
    title = "\n".join([*named, "", _LATER])
    if look.is_batch and choices:
        raise ConfigurationError(
            "--labels needs rows to make requests from, and these are whole requests",
            hint="leave it out, or name another input",
        )
    if choices:
        _write(schema, _schema_text(choices, look.columns))
    if look.is_batch:
        entry = {"path": path.name, "format": "messages-batch"}
        _write(job, draft(title, {"input": entry}, {}))
    else:
        _write(job, draft(title, *_drafted(path, look, choices, schema.name)))
        _tell(look)
    say(f"next   {command_line('check', job, options=['--simulate'])}")
    return 0


def _tell(look: InputProfile) -> None:
    """Say what was seen, and what was made of it."""
    number = f"{len(look.columns):,} column{'' if len(look.columns) == 1 else 's'}"
    say(f"saw    {number}: {_listed(look.columns)}")
    guesses = [f"id {look.id or 'none (rows are numbered)'}"]
    guesses += [f"text {', '.join(look.texts)}"] * bool(look.texts)
    guesses += [f"{key} {', '.join(names)}" for key, names in look.request_columns.items()]
    guesses += [f"gold {look.gold}"] * (look.gold is not None)
    say(f"guess  {printable('; '.join(guesses))}")
    if look.unused:
        say(f"left   {_listed(look.unused)}: not in the prompt")
    say("do     read the prompt in it and make it yours")


def _drafted(
    path: Path, look: InputProfile, choices: tuple[str, ...], schema: str
) -> tuple[dict[str, Any], dict[str, str]]:
    """Say what the job would be, and why."""
    shown = look.texts or (() if look.request_columns else look.columns[:1])
    texts = "\n".join(placeholder(column) for column in shown)
    given: dict[str, Any] = {"input": {"path": path.name}}
    if look.id is not None:
        given["input"]["id"] = look.id
    given["request"] = _request(f"{_task(choices, 'this')}\n\n{texts}".rstrip() + "\n")
    given["request"] |= {
        key: names[0] if key == "messages" else names for key, names in look.request_columns.items()
    }
    if choices:
        given["labels"] = {"schema": schema}
        given["labels"] |= {} if look.gold is None else {"gold": look.gold}
        given["budget"] = {"max_cost_usd": _BUDGET_USD}
    notes = {
        "input.id": f"A guess: it differs in each of the first {look.rows:,} rows.",
        "request.prompt": "A draft; {{ column }} stands for what a row holds there.",
        "labels.gold": "A guess: it holds nothing but labels. Answers are compared with it.",
        "budget.max_cost_usd": "The most to spend, in USD; batcher estimate predicts the cost.",
    }
    return given, notes


def _listed(columns: Sequence[str]) -> str:
    """Name the columns, as far as there is room, in one line that is fit for a comment."""
    more = ", ..." if len(columns) > _COLUMNS_SHOWN else ""
    return " ".join(printable(", ".join(columns[:_COLUMNS_SHOWN])).split()) + more


def _task(choices: tuple[str, ...], what: str) -> str:
    """Say what is asked of a row."""
    if not choices:
        return f"Summarise {what} in one short sentence."
    return f"Which of these is {what}: {', '.join(choices[:-1])} or {choices[-1]}?"


def _schema_text(choices: tuple[str, ...], columns: Sequence[str]) -> str:
    """The schema of a label, and of the confidence in it; named as no column of the input is."""
    label, confidence = (free_name(name, columns) for name in ("label", "confidence"))
    sure = {"type": "number", "minimum": 0, "maximum": 1}
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "required": [label, confidence],
        "properties": {
            label: {"enum": list(choices)},
            confidence: {"description": "How sure you are, from 0 to 1.", **sure},
        },
        "additionalProperties": False,
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _request(prompt: str) -> dict[str, Any]:
    return {"model": MODEL, "max_tokens": MAX_TOKENS, "prompt": prompt}


def _free_name(path: Path) -> Path:
    """Find a name beside the input that is not taken."""
    stem = path.name.split(".")[0] or "job"
    names = [path.with_name("job.toml"), path.with_name(f"{stem}.toml")]
    for name in names:
        if not name.exists():
            return name
    raise ConfigurationError(
        f"{names[0]} and {names[1]} are already there, and nothing is overwritten",
        hint="move one of them away",
    )


def _write(path: Path, text: str) -> None:
    """Write a new file; one that is there stays."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise ConfigurationError(
            f"{path} is already there, and nothing is overwritten", hint="name another folder"
        ) from None
    except OSError as error:
        raise _unwritable(path, error) from None
    say(f"wrote  {os.path.relpath(path)}")


def _unwritable(path: Path, error: OSError) -> BatcherError:
    reason = (error.strerror or type(error).__name__).lower()
    return ConfigurationError(f"{path} cannot be written: {reason}", hint="name another folder")
