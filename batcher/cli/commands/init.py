"""batcher init: writes a commented job file, and a small input when there is none."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap
from typing import Any

import click

from batcher.cli.command_line import command_line, python_command
from batcher.cli.draft_keys import draft_keys, request_keys, schema_text, task
from batcher.cli.job_draft import draft
from batcher.cli.messages import printable, say
from batcher.cli.terminal import TerminalUi
from batcher.core.delivery import RETENTION
from batcher.core.input_profile import InputProfile
from batcher.core.plural import counted
from batcher.errors import BatcherError, ConfigurationError
from batcher.inputs.files import JSON_ENDINGS, family
from batcher.runner.commands.inspect import profile_input

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
_INPUTS = "inputs end in .jsonl, .ndjson or .json (also with .gz or .zst), or in .parquet"
_OTHER_DATA = frozenset(
    {
        ".csv", ".tsv", ".txt", ".json", ".xlsx", ".xls", ".xml", ".arrow", ".feather", ".avro",
        ".orc", ".gz", ".zst", ".zip", ".toml",
    }
)  # fmt: skip
"""Endings of data files that are no input; a new folder hardly ever has such a name."""
_COLUMNS_SHOWN = 20
_SCHEMA = "labels.json"
_ROWS = "rows.jsonl"
_ABOUT_KEYS = "Keys in comments have their defaults. Next: batcher check, then batcher run."


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
    help="Classify rows with these labels; also writes a label schema beside the job file.",
)
def command(target: Path, labels: str | None) -> int:
    """Write a commented job file.

    In DIR (default: this folder), write a small input too; the job is ready to run with --simulate.
    For INPUT (.jsonl, .parquet, images, PDFs, or a folder of these), write a draft from its columns
    and first rows, beside it. Existing files are never overwritten.
    """
    choices = _choices(labels)
    if target.is_file() or _holds_data(target):
        return _for_input(target, choices)
    is_data = family(target) is not None or target.suffix.lower() in _OTHER_DATA
    if is_data and not target.exists():
        raise ConfigurationError(
            f"{target} does not exist", hint=f"give an existing input or a folder; {_INPUTS}"
        )
    return _in_folder(target, choices)


def _holds_data(target: Path) -> bool:
    """Whether a folder is an input: it has files that can be read, and no job."""
    if not target.is_dir() or any((target / name).exists() for name in ("job.toml", _ROWS)):
        return False
    try:
        has_data = any(_is_data(path) for path in target.iterdir() if path.is_file())
    except OSError:
        return False
    if has_data and target.name in ("", ".."):
        raise ConfigurationError(
            "this folder is an input; its job file is written beside it, in the folder above",
            hint=command_line("init", target.resolve()),
        )
    return has_data


def _is_data(path: Path) -> bool:
    """Whether a file is data for sure; a .json file may be settings, unless it is a part."""
    is_json = path.name.lower().endswith(JSON_ENDINGS)
    return family(path) is not None and (not is_json or path.name.startswith("part-"))


def _choices(labels: str | None) -> tuple[str, ...]:
    """Read --labels; ConfigurationError unless there are two or more different labels."""
    if labels is None:
        return ()
    choices = tuple(part.strip() for part in labels.split(",") if part.strip())
    repeated = [name for place, name in enumerate(choices) if name in choices[:place]]
    if repeated or len(choices) < 2:
        raise ConfigurationError(
            f"--labels names {repeated[0]!r} twice"
            if repeated
            else "--labels needs two or more labels",
            hint='for example --labels "good,bad,mixed"',
        )
    return choices


def _in_folder(folder: Path, choices: tuple[str, ...]) -> int:
    job, rows = folder / "job.toml", folder / _ROWS
    for path in (job, rows):
        if path.exists():
            raise ConfigurationError(
                f"{path} exists already and is not overwritten; give another folder",
                hint=command_line("init", "NEW_FOLDER"),
            )
    given = {
        "input": {"path": rows.name, "id": "id"},
        "request": request_keys(f"{task(choices, 'this message')}\n\n{{{{ message }}}}\n"),
    }
    if choices:
        given["labels"] = {"schema": _SCHEMA}
    run_line = f"    {command_line('run', job, options=['--simulate'])}"
    verb = "Labels" if choices else "Summarises"
    first = f"{verb} {len(_QUESTIONS)} messages. Without a key and at no cost:"
    title = "\n".join([first, "", run_line, "", _ABOUT_KEYS])
    lines = [
        json.dumps({"id": f"m{number:02}", "message": text})
        for number, text in enumerate(_QUESTIONS, 1)
    ]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(folder, error) from None
    if choices:
        _write(folder / _SCHEMA, schema_text(choices, ()))
    _write(rows, "\n".join(lines) + "\n")
    _write(job, draft(title, given, {}))
    say(f"next   {command_line('run', job, options=['--simulate'])}")
    return 0


def _for_input(path: Path, choices: tuple[str, ...]) -> int:
    if family(path) is None and not path.is_dir():
        raise _unreadable(path)
    profile = profile_input(path, choices)
    job = _free_name(path)
    schema = job.with_name(_SCHEMA if job.name == "job.toml" else f"{job.stem}.{_SCHEMA}")
    columns = wrap(f"Draft for {path.name} with the columns: {_listed(profile.columns)}.", 96)
    title = "\n".join([*columns, "", _ABOUT_KEYS])
    if profile.is_batch and choices:
        raise ConfigurationError(
            f"--labels cannot be used: the rows of {path.name} are whole requests",
            hint="leave --labels out, or give another input",
        )
    delivery = _delivery()
    if choices:
        _write(schema, schema_text(choices, profile.columns))
    if profile.is_batch:
        entry = {"path": path.name, "format": "messages-batch"}
        _write(job, draft(title, {"input": entry, **delivery}, {}))
    else:
        given, notes = draft_keys(path, profile, choices, schema.name)
        _write(job, draft(title, {**given, **delivery}, notes))
        _print(profile)
    say(f"next   {command_line('check', job, options=['--simulate'])}")
    return 0


def _delivery() -> dict[str, dict[str, Any]]:
    """Ask on a terminal whether batches may be used; return the section of an answer."""
    allowed = TerminalUi().confirm(f"May this job use batches, which cost half? Note: {RETENTION}.")
    return {} if allowed is None else {"delivery": {"allow_batch": allowed}}


def _unreadable(path: Path) -> ConfigurationError:
    if path.suffix.lower() not in (".csv", ".tsv"):
        return ConfigurationError(f"{path} is neither a folder nor an input", hint=_INPUTS)
    read = f"duckdb.read_csv({str(path)!r}, all_varchar=True)"
    convert = f"import duckdb; {read}.write_parquet({str(path.with_suffix('.parquet'))!r})"
    return ConfigurationError(
        f"{path} cannot be an input; convert it to Parquet first",
        hint=python_command(convert),
    )


def _print(profile: InputProfile) -> None:
    """Print the columns of the input and how the job uses them."""
    say(f"found  {counted(len(profile.columns), 'column')}: {_listed(profile.columns)}")
    guesses = [f"id {profile.id or 'none (rows are numbered)'}"]
    guesses += [f"text {', '.join(profile.texts)}"] * bool(profile.texts)
    guesses += [f"{key} {', '.join(names)}" for key, names in profile.request_columns.items()]
    guesses += [f"gold {profile.gold}"] * (profile.gold is not None)
    say(f"guess  {printable('; '.join(guesses))}")
    if profile.unused:
        say(f"unused {_listed(profile.unused)}")
    say("edit   the prompt in the job file is a draft: say there what you want")


def _listed(columns: Sequence[str]) -> str:
    """List the first columns on one line that can be a comment."""
    more = ", ..." if len(columns) > _COLUMNS_SHOWN else ""
    return " ".join(printable(", ".join(columns[:_COLUMNS_SHOWN])).split()) + more


def _free_name(path: Path) -> Path:
    """Return a name for the job file beside the input that no file has."""
    stem = path.name.split(".")[0] or "job"
    names = [path.with_name("job.toml"), path.with_name(f"{stem}.toml")]
    for name in names:
        if not name.exists():
            return name
    raise ConfigurationError(
        f"{names[0]} and {names[1]} exist already and are not overwritten",
        hint="move one of them away",
    )


def _write(path: Path, text: str) -> None:
    """Write a new file; ConfigurationError when it exists or cannot be written."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise ConfigurationError(
            f"{path} exists already and is not overwritten", hint="give another folder"
        ) from None
    except OSError as error:
        raise _unwritable(path, error) from None
    say(f"wrote  {os.path.relpath(path)}")


def _unwritable(path: Path, error: OSError) -> BatcherError:
    reason = (error.strerror or type(error).__name__).lower()
    return ConfigurationError(f"{path} cannot be written: {reason}", hint="give another folder")
