"""A folder of images or documents: each file is a row."""

from pathlib import Path

import pytest

from batcher.core.job import InputSection
from batcher.core.row import Place, Row
from batcher.errors import InputError
from batcher.inputs.source import Source


def rows(folder: Path, path: str, **keys: object) -> list[Row]:
    """Return all rows of an input."""
    source = Source.open(InputSection.model_validate({"path": path, **keys}), folder)
    assert source.columns == ("file",)
    found = [row for chunk in source.chunks(None, rows_per_chunk=2) for row in chunk.rows]
    assert all(isinstance(row, Row) for row in found)
    return [row for row in found if isinstance(row, Row)]


def write_files(folder: Path, *names: str) -> None:
    """Write files."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


@pytest.mark.parametrize(
    ("names", "path", "expected"),
    [
        (["p/b.png", "p/a.JPG", "p/c.pdf"], "p", ["a.JPG", "b.png", "c.pdf"]),
        (["p/a.png", "p/notes.txt", "p/README.md"], "p", ["a.png"]),
        (["p/a.txt", "p/b.txt"], "p", ["a.txt", "b.txt"]),
        (["p/x/a.png", "p/y/b.png"], "p/**/*.png", ["x/a.png", "y/b.png"]),
        (["p/a.png"], "p/a.png", ["a.png"]),
        (["p/.a.png", "p/_b.png", "p/c.png"], "p", ["c.png"]),
    ],
)
def test_each_file_is_a_row(
    names: list[str], path: str, expected: list[str], tmp_path: Path
) -> None:
    """Rows are in the order of the paths; texts are rows only without images and PDFs."""
    write_files(tmp_path, *names)
    found = rows(tmp_path, path)
    assert [row.values for row in found] == [{"file": name} for name in expected]
    assert [row.ordinal for row in found] == list(range(len(expected)))
    prefix = Path(path).parent if path.endswith(".png") and "*" not in path else Path("p")
    assert found[0].place == Place(str(prefix / expected[0]), 1)


def test_a_data_file_beside_images_is_the_input(tmp_path: Path) -> None:
    """The rows of the data file name the images."""
    write_files(tmp_path, "p/a.png")
    (tmp_path / "p/rows.jsonl").write_text('{"image": "a.png"}\n')
    source = Source.open(InputSection(path="p"), tmp_path)
    assert [stamp.name for stamp in source.files] == ["p/rows.jsonl"]


def test_rows_are_selected(tmp_path: Path) -> None:
    """``where`` works on plain files as on any input."""
    write_files(tmp_path, *(f"p/{n}.png" for n in range(9)))
    assert [row.values["file"] for row in rows(tmp_path, "p", where="file > '6'")] == [
        "6.png",
        "7.png",
        "8.png",
    ]


def test_a_changed_file_is_an_error(tmp_path: Path) -> None:
    """The error comes before another content than the planned one is sent."""
    write_files(tmp_path, "p/a.png")
    source = Source.open(InputSection(path="p"), tmp_path)
    (tmp_path / "p/a.png").write_bytes(b"other")
    with pytest.raises(InputError, match=r"a\.png changed"):
        list(source.chunks(None))
