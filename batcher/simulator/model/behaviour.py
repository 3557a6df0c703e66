"""What the simulated model knows and how it errs, besides what the dice say."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from batcher.simulator.model.description_bounds import minded
from batcher.simulator.model.schema_value import value
from batcher.simulator.model.seeded_random import Dice

_TRIES = 20


@dataclass(frozen=True, slots=True)
class Mind:
    """``truth`` has the right fields of an answer by a line of the prompt.

    A structured answer is right at ``right_rate`` where the truth is known, and at ``invalid_rate``
    it breaks its schema: a key is missing, a value is of another type, or it is no object at all.
    At ``careless_rate`` it keeps to its schema, but not to what descriptions in it ask for, and
    minds no capitals in choices. At ``variety_rate`` an answer comes out otherwise when the same is
    asked again. ``refusal_rate`` of all requests are refused.
    """

    refusal_rate: float = 0.0
    invalid_rate: float = 0.0
    careless_rate: float = 0.0
    variety_rate: float = 0.0
    right_rate: float = 1.0
    truth: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)

    @staticmethod
    def truth_in(path: Path | None) -> Mapping[str, Mapping[str, Any]]:
        """Read the truth from a file of JSON lines: ``{"line": ..., "value": {...}}``."""
        if path is None:
            return {}
        entries = (json.loads(text) for text in path.read_text("utf-8").splitlines())
        return {entry["line"]: entry["value"] for entry in entries}

    def structured(self, schema: Mapping[str, Any], prompt: str, dice: Dice) -> Any:
        """Answer by a schema: as the dice have it, right, wrong, or none of it."""
        is_careless = self.careless_rate > 0 and dice.chance(self.careless_rate)
        read = dict(schema) if is_careless else minded(dict(schema))
        made = value(read, dice)
        known = self._known(prompt)
        if known is not None and isinstance(made, dict):
            made = self._told(read, made, known, dice)
        if is_careless:
            made = _in_other_capitals(made, schema, dice)
        if dice.chance(self.invalid_rate) and isinstance(made, dict) and made:
            return _broken(made, dice)
        return made

    def varies(self, seed: int, key: str, times: int) -> bool:
        """Whether the answer to what was asked so many times before is another one now."""
        if not times or not self.variety_rate:
            return False
        return Dice(seed, "varies", key, str(times)).chance(self.variety_rate)

    def _known(self, prompt: str) -> Mapping[str, Any] | None:
        if not self.truth:
            return None
        found = (self.truth.get(line) for line in prompt.splitlines())
        return next((one for one in found if one is not None), None)

    def _told(
        self, schema: dict[str, Any], made: dict[str, Any], known: Mapping[str, Any], dice: Dice
    ) -> dict[str, Any]:
        """Tell the truth at its rate; else anything but it, if there is anything else."""
        if dice.chance(self.right_rate):
            return {**made, **{name: one for name, one in known.items() if name in made}}
        for _ in range(_TRIES):
            if any(made.get(name) != one for name, one in known.items()):
                break
            made = value(schema, dice)
        return made


def _broken(made: dict[str, Any], dice: Dice) -> Any:
    name = dice.pick(sorted(made))
    match dice.below(3):
        case 0:
            return {key: one for key, one in made.items() if key != name}
        case 1:
            return {**made, name: {"odd": True}}
        case _:
            return "I would rather say it in words."


def _in_other_capitals(made: Any, schema: Mapping[str, Any], dice: Dice) -> Any:
    """Some choices in capitals: the API does not vouch for them."""
    properties = schema.get("properties") or {}
    if not isinstance(made, dict):
        return made
    return {
        key: one.swapcase()
        if isinstance(one, str) and "enum" in properties.get(key, {}) and dice.chance(0.5)
        else one
        for key, one in made.items()
    }
