"""A model minds what descriptions ask for, unless it is told to be careless."""

from typing import Any

import pytest

from batcher.simulator.model.behaviour import Mind
from batcher.simulator.model.description_bounds import minded
from batcher.simulator.model.seeded_random import Dice


@pytest.mark.parametrize(
    ("description", "expected"),
    [
        ("At least 0; at most 1", {"minimum": 0, "maximum": 1}),
        ("How sure (at least -1.5; less than 2e3)", {"minimum": -1.5, "exclusiveMaximum": 2000.0}),
        ("At least 2 characters; at most 5 characters", {"minLength": 2, "maxLength": 5}),
        ("at least 2 entries; no entry twice", {"minItems": 2, "uniqueItems": True}),
        ("A multiple of 5; more than 3", {"multipleOf": 5, "exclusiveMinimum": 3}),
        ("at least 2 keys", {}),
        ("Whatever you like", {}),
    ],
)
def test_words_are_bounds(description: str, expected: dict[str, Any]) -> None:
    """As clients write them when they take bounds out of a schema."""
    schema = {"type": "x", "description": description}
    assert minded(schema) == schema | expected


def test_bounds_are_minded_at_any_depth_and_sometimes_not() -> None:
    """By seed: a careless answer keeps to the schema, and to nothing that is only described."""
    share = {"type": "integer", "description": "At least 3; at most 4"}
    schema = {
        "type": "object",
        "required": ["a"],
        "properties": {"a": {"type": "array", "items": share}},
    }
    for rate, low, high in ((0.0, 0, 0), (0.3, 0.2, 0.4), (1.0, 0.9, 1.0)):
        mind, outside = Mind(careless_rate=rate), 0
        for seed in range(600):
            values = mind.structured(schema, "", Dice(seed))["a"]
            assert all(type(value) is int for value in values)
            outside += any(value not in (3, 4) for value in values)
        # Three in four lists have entries, and one in a hundred numbers is right by chance.
        assert low * 600 * 0.7 <= outside <= high * 600
