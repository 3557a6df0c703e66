"""Files appear whole or not at all."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from batcher.outputs.atomic import put_in_place, write_json


@pytest.mark.parametrize("is_durable", [True, False])
def test_json_is_replaced_whole(tmp_path: Path, is_durable: bool) -> None:
    """The file has the new content only, no temporary file remains, and money keeps its digits."""
    path = tmp_path / "status.json"
    path.write_text("x" * 1000)
    write_json(path, {"usd": Decimal("0.10"), "name": "ü"}, is_durable=is_durable)
    assert json.loads(path.read_text("utf-8")) == {"usd": "0.10", "name": "ü"}
    assert [file.name for file in tmp_path.iterdir()] == ["status.json"]


def test_a_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    """A reader that has the old file open still reads the old content."""
    path = tmp_path / "status.json"
    write_json(path, {"n": 1})
    with path.open() as reader:
        write_json(path, {"n": 2})
        assert json.load(reader) == {"n": 1}


def test_a_failure_leaves_the_old_json(tmp_path: Path) -> None:
    """Content that cannot be written does not destroy the old file."""
    path = tmp_path / "run.json"
    write_json(path, {"n": 1})
    with pytest.raises(UnicodeEncodeError):
        write_json(path, {"n": "\ud800"})
    assert json.loads(path.read_text()) == {"n": 1}


def test_a_file_replaces_a_file(tmp_path: Path) -> None:
    """The new file takes the old one's path."""
    new, path = tmp_path / ".new", tmp_path / "out"
    new.write_text("new")
    path.write_text("old")
    put_in_place(new, path)
    assert path.read_text() == "new"
    assert not new.exists()


@pytest.mark.parametrize("has_leftover", [False, True], ids=["clean", "killed before"])
def test_a_folder_replaces_a_folder(tmp_path: Path, has_leftover: bool) -> None:
    """No old file, no old folder and no leftover of a killed run remains."""
    new, path = tmp_path / ".out.new", tmp_path / "out"
    for folder, file in ((new, "b"), (path, "a")):
        folder.mkdir()
        (folder / file).touch()
    if has_leftover:
        (tmp_path / ".out.old").mkdir()
        (tmp_path / ".out.old" / "c").touch()
    put_in_place(new, path)
    assert [file.name for file in tmp_path.iterdir()] == ["out"]
    assert [file.name for file in path.iterdir()] == ["b"]
