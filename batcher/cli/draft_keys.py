"""The keys of a new job file: what ``batcher init`` guesses from an input and its labels."""

import json
from collections.abc import Sequence
from itertools import chain, count
from pathlib import Path
from typing import Any

from batcher.cli.job_draft import MAX_TOKENS, MODEL
from batcher.core.input_profile import InputProfile, free_name
from batcher.core.plural import counted
from batcher.outputs.result_columns import BOOKKEEPING
from batcher.runner.commands.inspect import placeholder

_COLUMNS_KEPT = 200
"""Of an input with more columns, a draft keeps only those that the job uses."""
_BUDGET_USD = 5


def draft_keys(
    path: Path, profile: InputProfile, choices: tuple[str, ...], schema: str
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the keys of the job file for an input, and notes on them."""
    shown = profile.texts or (() if profile.request_columns else profile.columns[:1])
    texts = "\n".join(placeholder(column) for column in shown)
    given: dict[str, Any] = {"input": {"path": path.name}}
    if profile.id is not None:
        given["input"]["id"] = profile.id
    given["request"] = request_keys(f"{task(choices, 'this')}\n\n{texts}".rstrip() + "\n")
    given["request"] |= {
        key: names[0] if key == "messages" else names
        for key, names in profile.request_columns.items()
    }
    given |= _output(profile)
    if choices:
        given["labels"] = {"schema": schema}
        given["labels"] |= {} if profile.gold is None else {"gold": profile.gold}
        given["budget"] = {"max_cost_usd": _BUDGET_USD}
    notes = {
        "input.id": f"A guess: it differs in each of the first {counted(profile.rows, 'row')}.",
        "request.prompt": "A draft. {{ column }} is replaced by the row's value in that column.",
        "labels.gold": "A guess: all its values are labels. Answers are compared with it.",
        "output.keep": "Change it to keep other columns; there are too many to keep all.",
        "output.prefix": "The input has columns with the names of batcher's own, such as _id.",
        "budget.max_cost_usd": "The most this job may spend; batcher estimate predicts its cost.",
    }
    return given, notes


def _output(profile: InputProfile) -> dict[str, dict[str, Any]]:
    """Return the section [output] where its defaults do not fit the columns of the input."""
    output: dict[str, Any] = {}
    used = (profile.id, profile.gold, *profile.texts, *chain(*profile.request_columns.values()))
    if len(profile.columns) > _COLUMNS_KEPT:
        output["keep"] = list(dict.fromkeys(name for name in used if name is not None))
    own = {f"_{name}" for name, _ in BOOKKEEPING}
    if not own.isdisjoint(map(str.casefold, output.get("keep", profile.columns))):
        prefixes = (f"batcher{'_' * number}" for number in count(1))
        output["prefix"] = next(
            prefix
            for prefix in prefixes
            if not any(name.startswith(prefix) for name in profile.columns)
        )
    return {"output": output} if output else {}


def task(choices: tuple[str, ...], subject: str) -> str:
    """Return the task of the prompt."""
    if not choices:
        return f"Summarise {subject} in one short sentence."
    return f"Which of these is {subject}: {', '.join(choices[:-1])} or {choices[-1]}?"


def schema_text(choices: tuple[str, ...], columns: Sequence[str]) -> str:
    """Return the schema of a label and its confidence, with names that no input column has."""
    label, confidence = (free_name(name, columns) for name in ("label", "confidence"))
    share = {"type": "number", "minimum": 0, "maximum": 1}
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "required": [label, confidence],
        "properties": {
            label: {"enum": list(choices)},
            confidence: {"description": "How sure you are, from 0 to 1.", **share},
        },
        "additionalProperties": False,
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def request_keys(prompt: str) -> dict[str, Any]:
    """Return the keys of section [request]."""
    return {"model": MODEL, "max_tokens": MAX_TOKENS, "prompt": prompt}
