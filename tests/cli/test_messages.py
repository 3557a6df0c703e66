"""What is printed never moves the cursor or turns text around, and JSON keeps its values."""

import json
import unicodedata

from commanding import Command, write_job
from hypothesis import given
from hypothesis import strategies as st

from batcher.cli.messages import escaped_json, printable

OBEYED = [
    *("\x1b", "\x7f", "\x85", "\x9b", "\u200f", "\u202e", "\u2066", "\ufeff", "\ud800"),
    "\U000e0041",
]
TEXT = st.text(st.characters() | st.sampled_from(OBEYED))


def is_obeyed(character: str) -> bool:
    """Return whether a terminal does something else than to show a character."""
    return unicodedata.category(character) in ("Cc", "Cf", "Cs") and character not in "\n\t"


@given(st.dictionaries(TEXT, TEXT | st.lists(TEXT)))
def test_json_is_escaped_and_keeps_its_value(value: object) -> None:
    """C0 and C1 controls, DEL, bidirectional marks, half surrogate pairs and tags."""
    text = escaped_json(json.dumps(value, indent=1, ensure_ascii=False))
    assert not any(map(is_obeyed, text))
    assert json.loads(text) == value


@given(TEXT)
def test_messages_have_no_such_characters(text: str) -> None:
    """They are replaced, one by one."""
    assert not any(map(is_obeyed, printable(text)))
    assert len(printable(text)) == len(text)


def test_show_json_escapes_what_a_row_contains(tmp_path: object, batcher: Command) -> None:
    """On a terminal the text of a row stays text."""
    text = "a\u009b31mb\u202ec\u2066d"
    job = write_job(tmp_path, rows=[{"id": "1", "text": text}])  # type: ignore[arg-type]
    batcher("run", job, "--simulate", "-q")
    for words in (("show", job, "1"), ("failures", job), ("status", job)):
        result = batcher(*words, "--simulate", "--json")
        assert not any(map(is_obeyed, result.out))
    shown = batcher("show", job, "1", "--simulate", "--json")
    assert text in json.dumps(shown.json, ensure_ascii=False)
