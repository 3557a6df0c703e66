"""The user's JSON Schema in a form that the API accepts; removed rules become descriptions.

The API's documentation of structured outputs (October 2026) says what it accepts: no bounds on
numbers and lengths, no recursion, ``additionalProperties: false`` everywhere, required keys first,
at most 24 optional properties and 16 unions. Answers are validated against the user's own schema
afterwards.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from batcher.core.labels.schema.adaptation import SchemaAdapter
from batcher.core.labels.schema.references import SchemaError
from batcher.core.labels.schema.structured_output import MOST_OPTIONAL, MOST_UNIONS

_MAX_NAMED = 5


@dataclass(frozen=True, slots=True)
class AdaptedSchema:
    """A schema that the API accepts, with notes in words, each with its path.

    ``local_rules`` are the rules that the API does not enforce and batcher checks. ``remarks`` say
    where requests ask for less than the user's schema allows, and which keywords are not checked.
    """

    schema: Mapping[str, Any]
    local_rules: tuple[str, ...]
    remarks: tuple[str, ...] = ()


def adapt(schema: Mapping[str, Any]) -> AdaptedSchema:
    """Adapt the schema of an object; SchemaError when the API accepts no form of it.

    The schema must have passed ``check_schema``. The documentation gives no limit for the
    complexity of a schema, so this function checks none.
    """
    adapter = SchemaAdapter(schema)
    adapted = adapter.adapt()
    _check(
        adapter.optional,
        MOST_OPTIONAL,
        "optional properties",
        "make them required, with null for no value",
    )
    _check(
        adapter.unions,
        MOST_UNIONS,
        "places where a value may have several types (or null)",
        "give some of them one type",
    )
    return AdaptedSchema(adapted, _unique(adapter.local_rules), _unique(adapter.remarks))


def _check(paths: list[str], limit: int, what: str, advice: str) -> None:
    if len(paths) > limit:
        named = ", ".join(paths[:_MAX_NAMED])
        raise SchemaError(
            f"it has {len(paths)} {what}, and the API accepts {limit}: {named}, ...; {advice}"
        )


def _unique(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))
