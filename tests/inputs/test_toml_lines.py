"""The line of each key in a TOML file."""

import tomllib
from textwrap import dedent

from hypothesis import given, settings
from hypothesis import strategies as st

from batcher.inputs.job_file.toml_lines import key_lines, line_of


def test_lines_of_keys() -> None:
    """Lines are right with headers, dotted and quoted keys, long values and comments."""
    text = dedent('''
        # a = 0
        a = 1
        [request] # [x]
        prompt = """
        b = 1
        [y]
        \\""" "quoted" """
        'c d'.e = [1, # ] f = 2
          { g = 1 }]
        "h" = \'\'\'
        i = 1\'\'\'
        [[t."u.v"]]
        j="#" # "
        k = 2
    ''').lstrip("\n")
    assert key_lines(text) == {
        ("a",): 2,
        ("request",): 3,
        ("request", "prompt"): 4,
        ("request", "c d"): 8,
        ("request", "c d", "e"): 8,
        ("request", "h"): 10,
        ("t",): 12,
        ("t", "u.v"): 12,
        ("t", "u.v", "j"): 13,
        ("t", "u.v", "k"): 14,
    }
    assert line_of(("request", "c d", "zzz"), key_lines(text)) == 8
    assert line_of(("zzz",), key_lines(text)) is None


@settings(max_examples=300)
@given(st.text() | st.text(alphabet="[]{}=\"'#\\\n a.1,", max_size=60))
def test_any_text_has_lines(text: str) -> None:
    """The scanner accepts any text and only returns lines that exist."""
    last = text.count("\n") + 1
    assert all(1 <= line <= last for line in key_lines(text).values())


NAMES = st.text(alphabet="ab-_1", min_size=1, max_size=4)


VALUES = st.sampled_from(
    ["1", '"x # y"', "'z'", '"""a\nb = 1\n[c]\n"""', "'''\n\"\n'''", "[1,\n 2, # ]\n]", "{ q = 1 }"]
)


@given(st.lists(st.tuples(NAMES, VALUES), max_size=8, unique_by=lambda pair: pair[0]))
def test_lines_are_right_for_all_valid_files(pairs: list[tuple[str, str]]) -> None:
    """In a file built key by key, each key is found on its line."""
    text, expected = "", {}
    for name, value in pairs:
        expected["s", name] = text.count("\n") + 2
        text += f"{name} = {value} # {name} = 0\n"
    text = "[s]\n" + text
    assert set(tomllib.loads(text)["s"]) == {name for name, _ in pairs}
    assert {("s",): 1, **expected} == key_lines(text)
