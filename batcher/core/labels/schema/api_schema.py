"""The user's JSON Schema as the API takes it: what it refuses is taken out and said in words.

What the API takes is in its documentation of structured outputs (October 2026): no bounds on
numbers and lengths, no recursion, ``additionalProperties: false`` everywhere, required keys first,
at most 24 optional properties and 16 unions. Answers are held against the user's own schema
afterwards.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from batcher.core.labels.schema.adaptation import Adapting
from batcher.core.labels.schema.references import SchemaError
from batcher.core.labels.schema.structured_output import MOST_OPTIONAL, MOST_UNIONS

_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Adapted:
    """A schema as the API takes it, and in words what else there is to know, each with its path.

    ``left_to_us`` are rules that the API does not hold the model to and that answers are checked
    against. ``remarks`` say where less is asked for than the user's schema lets through, and what
    in it is checked by nobody.
    """

    schema: Mapping[str, Any]
    left_to_us: tuple[str, ...]
    remarks: tuple[str, ...] = ()


def adapt(schema: Mapping[str, Any]) -> Adapted:
    """Adapt an object's schema; SchemaError for what has no form that the API takes.

    For schemas that were checked (``check_schema``). The documentation gives no number for how
    complex a schema may be; that is not judged here.
    """
    adapting = Adapting(schema)
    made = adapting.whole()
    _check(
        adapting.optional,
        MOST_OPTIONAL,
        "optional properties",
        "require them, and let them be null where nothing can be said",
    )
    _check(
        adapting.unions,
        MOST_UNIONS,
        "places where a value may be of several kinds (or null)",
        "give some of them one type",
    )
    return Adapted(made, _unique(adapting.left_to_us), _unique(adapting.remarks))


def _check(found: list[str], most: int, what: str, advice: str) -> None:
    if len(found) > most:
        named = ", ".join(found[:_MOST_NAMED])
        raise SchemaError(
            f"it has {len(found)} {what}, and the API takes {most}: {named}, ...; {advice}"
        )


def _unique(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))
