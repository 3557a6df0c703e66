"""Several answers become one label, and their agreement matches published examples."""

import json
from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batcher.core.labels.label_columns import columns_of
from batcher.core.quality import votes
from batcher.core.quality.votes import Agreement, vote, vote_by_field, voted_fields

LABELS = st.sampled_from(["a", "b", "c", True, 7, None])
ROWS = st.lists(st.lists(LABELS, max_size=6), max_size=25)

# Krippendorff, Computing Krippendorff's alpha-reliability (2011), section C: four observers.
OBSERVERS = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
    [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
]

# The worked example of Fleiss' kappa: how many of 14 raters put ten subjects into five categories.
RATINGS = [
    [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
]  # fmt: skip


def agreement(rows: Sequence[Sequence[object]]) -> Agreement:
    """Return the agreement of some rows."""
    result = Agreement()
    for row in rows:
        result.add(row)
    return result


def by_pairs(rows: Sequence[Sequence[object]]) -> float | None:
    """Compute alpha from its definition: how often two answers differ, in a row and overall."""
    rows = [[label for label in row if label is not None] for row in rows]
    rows = [row for row in rows if len(row) > 1]
    pool = [label for row in rows for label in row]
    observed = sum(
        (a != b) / (len(row) - 1)
        for row in rows
        for i, a in enumerate(row)
        for j, b in enumerate(row)
        if i != j
    )
    expected = sum(a != b for i, a in enumerate(pool) for j, b in enumerate(pool) if i != j)
    return 1 - observed * (len(pool) - 1) / expected if expected else None


@pytest.mark.parametrize(
    ("labels", "label", "share", "answers"),
    [
        (["a", "a", "b", None], "a", 2 / 3, 3),
        (["b", "a", "c", "a"], "a", 1 / 2, 4),
        ([True, False, True], True, 2 / 3, 3),
        ([4, 4, 5], 4, 2 / 3, 3),
        (["a"], "a", 1, 1),
        (["a", "b"], None, 1 / 2, 2),
        (["a", "b", "b", "a", "c"], None, 2 / 5, 5),
    ],
)
def test_the_majority_wins(labels: list[object], label: object, share: float, answers: int) -> None:
    """The result is its label in its own type, or None on a tie, and its share."""
    found = vote(labels)
    assert found is not None
    assert (found.label, found.answers, found.is_tie) == (label, answers, label is None)
    assert type(found.label) is type(label)
    assert found.agreement == pytest.approx(share)


def test_a_row_without_answers_has_no_vote() -> None:
    """A row whose answers all failed has neither a label nor a tie."""
    assert vote([]) is None
    assert vote([None, None]) is None


@given(st.lists(LABELS, max_size=8), st.randoms())
def test_the_order_of_answers_does_not_matter(labels: list[object], random: Random) -> None:
    """Another order gives the same majority."""
    assert vote(labels) == vote(random.sample(labels, len(labels)))


def test_fields_are_voted_on_one_by_one() -> None:
    """Lists, structs and floats have no majority; a field without answers has no vote."""
    schema = {
        "properties": {
            "label": {"enum": ["a", "b"]},
            "stars": {"type": "integer"},
            "is_spam": {"type": "boolean"},
            "day": {"type": "string", "format": "date"},
            "confidence": {"type": "number"},
            "reasons": {"type": "array", "items": {"type": "string"}},
            "place": {"type": "object", "properties": {"city": {"type": "string"}}},
        }
    }
    fields = voted_fields(columns_of(schema))
    assert fields == ("label", "stars", "is_spam", "day")
    answers = [
        {"label": "a", "stars": 4, "is_spam": True, "confidence": 0.7},
        {"label": "a", "stars": 5, "is_spam": None, "reasons": ["x"]},
        {"label": "b", "stars": 5},
    ]
    found = vote_by_field(answers, fields)
    assert {name: result.value for name, result in found.items()} == {
        "label": "a",
        "stars": 5,
        "is_spam": None,
        "day": None,
    }
    assert (found["is_spam"].answers, found["day"].agreement) == (3, 1.0)


def test_krippendorffs_published_example() -> None:
    """It has a nominal alpha of 0.743; some values are missing, and the last unit has one value."""
    found = agreement(list(zip(*OBSERVERS, strict=True)))
    assert found.alpha is not None
    assert round(found.alpha, 3) == 0.743
    assert (found.rows, found.single_answers) == (11, 1)


def test_fleiss_published_example() -> None:
    """It has a kappa of 0.210; alpha follows from kappa when all rows have as many answers."""
    rows = [[name for name, n in enumerate(row) for _ in range(n)] for row in RATINGS]
    alpha = agreement(rows).alpha
    assert alpha is not None
    answers = len(rows) * 14
    kappa = (alpha * answers - 1) / (answers - 1)
    assert round(kappa, 3) == 0.210


@settings(deadline=None)
@given(ROWS)
def test_alpha_follows_its_definition(rows: list[list[object]]) -> None:
    """The definition counts all pairs of answers; alpha is None where nothing can differ."""
    expected = by_pairs(rows)
    assert agreement(rows).alpha == (
        None if expected is None else pytest.approx(expected, abs=1e-12)
    )


@settings(deadline=None)
@given(ROWS, st.randoms())
def test_order_does_not_matter_for_agreement(rows: list[list[object]], random: Random) -> None:
    """Rows in another order give exactly the same figures."""
    shuffled = random.sample(rows, len(rows))
    assert json.dumps(agreement(shuffled).as_json()) == json.dumps(agreement(rows).as_json())


def test_shares_ties_and_single_answers_are_counted() -> None:
    """Rows with one answer are counted apart, and rows without answers not at all."""
    found = agreement(
        [["a", "a"], ["a", "b"], ["a", "a", "b"], ["c", None], [None], ["a", "b", "c"]]
    )
    assert (found.rows, found.unanimous, found.ties, found.single_answers) == (4, 1, 2, 1)
    assert found.mean_agreement == pytest.approx((1 + 1 / 2 + 2 / 3 + 1 / 3) / 4)
    empty = Agreement()
    assert (empty.alpha, empty.mean_agreement, empty.rows) == (None, None, 0)
    assert agreement([["a", "a"], ["a", "a"]]).alpha is None


def test_free_text_has_no_alpha(monkeypatch: pytest.MonkeyPatch) -> None:
    """Long or too many labels are not kept in memory; shares are still reported."""
    long = agreement([["x" * 201, "y"], ["a", "a"]])
    assert (long.has_classes, long.alpha, long.mean_agreement) == (False, None, 0.75)
    assert len(long.names) == 0
    monkeypatch.setattr(votes, "MAX_NAMES", 3)
    many = agreement([["a", "b"], ["c", "c"]])
    assert many.has_classes
    many.add(["d", "d"])
    assert (many.has_classes, many.alpha) == (False, None)
