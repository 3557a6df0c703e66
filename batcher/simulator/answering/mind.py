"""What the simulated model knows and how it errs, besides what the dice say."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from batcher.simulator.answering.dice import Dice
from batcher.simulator.answering.structure import value
from batcher.simulator.answering.told import minded

_TRIES = 20


@dataclass(frozen=True, slots=True)
class Mind:
    """``truth`` has the right fields of an answer by a line of the prompt.

    A structured answer is right at ``right_rate`` where the truth is known, and at ``invalid_rate``
    it breaks its schema. At ``careless_rate`` it keeps to its schema, but not to what descriptions
    in it ask for. ``refusal_rate`` of all requests are refused.
    """

    refusal_rate: float = 0.0
    invalid_rate: float = 0.0
    careless_rate: float = 0.0
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
        if dice.chance(self.invalid_rate) and isinstance(made, dict) and made:
            made.pop(dice.pick(sorted(made)))
        return made

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
