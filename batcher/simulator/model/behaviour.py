"""Decides how often the simulated model refuses, breaks rules, varies its answer and is right."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from batcher.simulator.model.answer_key import AnswerKey, Fields, KnownAnswer
from batcher.simulator.model.description_bounds import with_described_bounds
from batcher.simulator.model.schema_value import value_for
from batcher.simulator.model.seeded_random import SeededRandom

_TRIES = 20


@dataclass(frozen=True, slots=True)
class Behaviour:
    """The rates of the simulated model, each a share from 0 to 1.

    - ``refusal_rate``: share of all requests that are refused.
    - ``invalid_rate``: share of structured answers that break their schema. A key is missing, a
      value has another type, or the answer is not an object.
    - ``careless_rate``: share of structured answers that follow the schema, but ignore its
      descriptions and the upper and lower case of choices.
    - ``variety_rate``: share of repeated requests whose answer is a new one.
    - ``right_rate``: share of right answers, where the answer key has the right answer. Wrong
      answers are picked from the key's ``mistakes``; without mistakes they are random.
    """

    refusal_rate: float = 0.0
    invalid_rate: float = 0.0
    careless_rate: float = 0.0
    variety_rate: float = 0.0
    right_rate: float = 1.0
    answer_key: AnswerKey = field(default_factory=AnswerKey)

    def structured(self, schema: Mapping[str, Any], prompt: str, rng: SeededRandom) -> Any:
        """Return an answer to a request with a schema: right, wrong, careless or invalid."""
        is_careless = self.careless_rate > 0 and rng.chance(self.careless_rate)
        followed = dict(schema) if is_careless else with_described_bounds(dict(schema))
        answer = value_for(followed, rng)
        known = self.answer_key.find(prompt)
        if known is not None and isinstance(answer, dict):
            answer = self._right_or_wrong(followed, answer, known, rng)
        if is_careless:
            answer = _with_other_case(answer, schema, rng)
        if rng.chance(self.invalid_rate) and isinstance(answer, dict) and answer:
            return _broken(answer, schema, rng)
        return answer

    def varies(self, seed: int, key: str, repetition: int) -> bool:
        """Whether a repeated request gets a new answer; ``repetition`` is 0 for the first one."""
        if not repetition or not self.variety_rate:
            return False
        return SeededRandom(seed, "varies", key, str(repetition)).chance(self.variety_rate)

    def _right_or_wrong(
        self, schema: dict[str, Any], answer: dict[str, Any], known: KnownAnswer, rng: SeededRandom
    ) -> dict[str, Any]:
        if rng.chance(self.right_rate):
            return _with_fields(answer, known.right)
        if known.mistakes:
            return _with_fields(answer, rng.pick(known.mistakes))
        for _ in range(_TRIES):
            if any(answer.get(name) != value for name, value in known.right.items()):
                break
            answer = value_for(schema, rng)
        return answer


def _with_fields(answer: dict[str, Any], fields: Fields) -> dict[str, Any]:
    return {**answer, **{name: value for name, value in fields.items() if name in answer}}


def _broken(answer: dict[str, Any], schema: Mapping[str, Any], rng: SeededRandom) -> Any:
    name = rng.pick(sorted(answer))
    match rng.below(3):
        case 0:
            needed = [key for key in sorted(answer) if _has_to_be_there(key, schema)]
            missing = name if name in needed or not needed else rng.pick(needed)
            return {key: value for key, value in answer.items() if key != missing}
        case 1:
            return {**answer, name: {"odd": True}}
        case _:
            return "I would rather say it in words."


def _has_to_be_there(key: str, schema: Mapping[str, Any]) -> bool:
    """Whether an answer without the key says less than one with it: it is required, never null."""
    inner = (schema.get("properties") or {}).get(key)
    if key not in (schema.get("required") or ()) or not isinstance(inner, Mapping):
        return False
    options = (inner, *(inner.get("anyOf") or ()))
    return not any(
        "null" in str(option.get("type")) or None in (option.get("enum") or ())
        for option in options
    )


def _with_other_case(answer: Any, schema: Mapping[str, Any], rng: SeededRandom) -> Any:
    """Swap the letter case of some choices: the API does not guarantee the case."""
    properties = schema.get("properties") or {}
    if not isinstance(answer, dict):
        return answer
    return {
        key: value.swapcase()
        if isinstance(value, str) and "enum" in properties.get(key, {}) and rng.chance(0.5)
        else value
        for key, value in answer.items()
    }
