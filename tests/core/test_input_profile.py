"""What is guessed of an input: never the right answer as the question."""

from typing import Any

import pytest

from batcher.core.input_profile import free_name, profile_rows

CHAT = [{"role": "user", "content": "hi"}]
LONG = "The tenant shall pay in advance. " * 100


def rows(count: int = 6, **columns: Any) -> list[dict[str, Any]]:
    """Rows; each column is one value, or a list of them that is repeated."""
    return [
        {name: one[n % len(one)] if isinstance(one, list) else one for name, one in columns.items()}
        for n in range(count)
    ]


def texts(what: str) -> list[str]:
    """Six different sentences."""
    return [f"{what} number {n}, and more of it" for n in range(6)]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"text": texts("a"), "sentiment": ["good", "Bad"]},
         {"id": None, "texts": ("text",), "gold": "sentiment"}),
        ({"label": ["good", "bad", None], "text": texts("a")}, {"gold": "label", "id": None}),
        ({"id": [1, 2, 3, 4, 5, 6], "chat": [CHAT], "label": ["good"]},
         {"asked": {"messages": ("chat",)}, "gold": "label", "texts": ()}),
        ({"chat": ['[{"role": "user", "content": "x"}]'], "n": [1, 2, 3, 4, 5, 6]},
         {"asked": {"messages": ("chat",)}}),
        ({"name": ["a", "b", "c", "d", "e", "f"], "photo": ["a b.png", "x/y.JPG"]},
         {"asked": {"images": ("photo",)}, "id": "name", "texts": ()}),
        ({"scan": ["a.pdf", "b.png"], "note": texts("n")}, {"asked": {"documents": ("scan",)}}),
        ({"contract": [LONG], "question": texts("q")},
         {"asked": {"text_documents": ("contract",)}, "texts": ("question",)}),
        ({"prompt": texts("p"), "response": texts("r"), "id": list("abcdef")},
         {"texts": ("prompt",), "left_out": ("response",), "id": "id"}),
        ({"review": ["", "good one", "bad one"], "stars": [1, 5]}, {"texts": ("review",)}),
    ],
)  # fmt: skip
def test_columns_are_taken_for_what_they_hold(
    columns: dict[str, Any], expected: dict[str, Any]
) -> None:
    """Gold, conversations, files, shared texts and ids are told from their values."""
    found = profile_rows(list(columns), rows(**columns), ["good", "bad"])
    for name, value in expected.items():
        assert getattr(found, name) == value, name
    assert found.gold not in found.texts
    assert found.id not in found.texts


def test_without_labels_nothing_is_gold() -> None:
    """Only the user knows what the labels are."""
    assert profile_rows(["x"], rows(x=["good", "bad"])).gold is None


def test_a_label_bears_no_name_that_is_taken() -> None:
    """Whatever the capitals; a file with both cannot be read by everybody."""
    assert free_name("label", ["Label", "text"]) == "predicted_label"
    assert free_name("label", ["text"]) == "label"
