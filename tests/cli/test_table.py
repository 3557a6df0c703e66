"""Tables on a terminal: any text is one line of the right width, and nothing in it is obeyed."""

import unicodedata
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from batcher.cli.cells import ELLIPSIS, one_line, width_of
from batcher.cli.table import layout

OBEYED = ("Cc", "Cf", "Cs", "Zl", "Zp")
CELLS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
NAMES = st.lists(st.text("abcdefgh_", min_size=1, max_size=12), min_size=1, unique=True)


@given(st.text(), st.integers(1, 40))
@example("あ", 1)
@example("e" + "\u0301" * 99, 5)
@example("\x1b[31m\u202e\n", 20)
def test_a_text_is_one_line_of_that_width(text: str, width: int) -> None:
    """A text that fits is whole; of another one the beginning is left, with an ellipsis."""
    line = one_line(text, width)
    assert width_of(line) <= width
    assert not [character for character in line if unicodedata.category(character) in OBEYED]
    if width_of(text) <= width and text.isprintable() and text.isascii():
        assert line == text
    if line.endswith(ELLIPSIS) and not text.endswith(ELLIPSIS):
        assert width_of(text) > width


@given(NAMES, st.data(), st.integers(12, 120))
def test_a_table_fits(names: list[str], data: st.DataObject, width: int) -> None:
    """Columns are whole or left out, the first ones stay, and no line is too wide."""
    rows: list[dict[str, Any]] = [
        {name: data.draw(CELLS) for name in names} for _ in range(data.draw(st.integers(1, 4)))
    ]
    table = layout(names, rows[:2], width)
    shown = [column.name for column in table.columns]
    assert shown[0] == names[0]
    assert sorted([*shown, *table.left_out]) == sorted(names)
    assert table.header.split() == shown
    assert all(width_of(line) <= width for line in [table.header, *map(table.line, rows)])


def test_short_values_are_whole_and_long_ones_share_the_rest() -> None:
    """Of wide characters two cells count; numbers stand on the right, small costs have digits."""
    row = {"id": "日本", "n": 7, "cost": 5.54e-05, "text": "x" * 90, "more": "y" * 300}
    table = layout(list(row), [row], 70)
    assert table.header == "id    n       cost  text                      more"
    assert table.line(row) == f"日本  7  0.0000554  {'x' * 23}…  {'y' * 23}…"
    assert layout(list(row), [row], 60).left_out == ("more",)
