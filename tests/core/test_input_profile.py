"""The guesses about an input never put the gold label into the prompt."""

from typing import Any

import pytest

from batcher.core.input_profile import free_name, profile_rows

CHAT = [{"role": "user", "content": "hi"}]
LONG = "The tenant shall pay in advance. " * 100


def rows(count: int = 6, **columns: Any) -> list[dict[str, Any]]:
    """Return rows; a column is a constant value or a list that repeats."""
    return [
        {
            name: value[n % len(value)] if isinstance(value, list) else value
            for name, value in columns.items()
        }
        for n in range(count)
    ]


def texts(start: str) -> list[str]:
    """Return six different sentences."""
    return [f"{start} number {n}, and more of it" for n in range(6)]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"text": texts("a"), "sentiment": ["good", "Bad"]},
         {"id": None, "texts": ("text",), "gold": "sentiment"}),
        ({"label": ["good", "bad", None], "text": texts("a")}, {"gold": "label", "id": None}),
        ({"id": [1, 2, 3, 4, 5, 6], "chat": [CHAT], "label": ["good"]},
         {"request_columns": {"messages": ("chat",)}, "gold": "label", "texts": ()}),
        ({"chat": ['[{"role": "user", "content": "x"}]'], "n": [1, 2, 3, 4, 5, 6]},
         {"request_columns": {"messages": ("chat",)}}),
        ({"name": ["a", "b", "c", "d", "e", "f"], "photo": ["a b.png", "x/y.JPG"]},
         {"request_columns": {"images": ("photo",)}, "id": "name", "texts": ()}),
        ({"scan": ["a.pdf", "b.png"], "note": texts("n")},
         {"request_columns": {"documents": ("scan",)}}),
        ({"contract": [LONG], "question": texts("q")},
         {"request_columns": {"text_documents": ("contract",)}, "texts": ("question",)}),
        ({"prompt": texts("p"), "response": texts("r"), "id": list("abcdef")},
         {"texts": ("prompt",), "unused": ("response",), "id": "id"}),
        ({"review": ["", "good one", "bad one"], "stars": [1, 5]}, {"texts": ("review",)}),
    ],
)  # fmt: skip
def test_columns_are_used_by_their_values(
    columns: dict[str, Any], expected: dict[str, Any]
) -> None:
    """Gold, conversations, files, shared texts and ids are recognised by their values."""
    profile = profile_rows(list(columns), rows(**columns), ["good", "bad"])
    for name, value in expected.items():
        assert getattr(profile, name) == value, name
    assert profile.gold not in profile.texts
    assert profile.id not in profile.texts


def test_without_labels_nothing_is_gold() -> None:
    """Only the user knows the labels."""
    assert profile_rows(["x"], rows(x=["good", "bad"])).gold is None


def test_a_label_gets_a_name_that_no_column_has() -> None:
    """In any letter case: some programs cannot read a file with both names."""
    assert free_name("label", ["Label", "text"]) == "predicted_label"
    assert free_name("label", ["text"]) == "label"
