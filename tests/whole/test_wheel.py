"""The wheel: its content, and README's commands where nothing else is installed."""

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from email.parser import Parser
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from batcher import __version__

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # pip fetches every dependency
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a new virtual environment that has only pip."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    return folder


@pytest.fixture(scope="module")
def wheel(environment: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel as ``pip install .`` does."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [str(environment / "bin/python"), "-m", "pip", "--quiet"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", str(folder), str(ROOT)], check=True)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_is_the_package_and_no_more(wheel: Path) -> None:
    """The wheel has each file of the package; it is called batchwright, its command batcher."""
    archive = zipfile.ZipFile(wheel)
    packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    files = (path for path in (ROOT / "batcher").rglob("*") if path.is_file())
    here = {str(path.relative_to(ROOT)) for path in files if "__pycache__" not in path.parts}
    assert packed == here
    assert {Path(name).suffix for name in packed} >= {".py", ".sql", ".json"}
    assert "batcher/py.typed" in packed
    about = f"batchwright-{__version__}.dist-info"
    metadata = Parser().parsestr(archive.read(f"{about}/METADATA").decode())
    assert (metadata["Name"], metadata["Version"]) == ("batchwright", __version__)
    assert metadata["License-Expression"] == "Apache-2.0"
    assert "batcher = batcher.__main__:main" in archive.read(f"{about}/entry_points.txt").decode()


@pytest.fixture(scope="module")
def installed(wheel: Path, environment: Path) -> Path:
    """Install the wheel; return the folder of the command."""
    pip = [str(environment / "bin/python"), "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, str(wheel)], check=True)
    return environment / "bin"


@pytest.fixture
def command(installed: Path, tmp_path: Path) -> Callable[..., str]:
    """Return a function that runs ``batcher`` in an empty folder with PATH and HOME only."""

    def run(*words: str) -> str:
        done = subprocess.run(
            [str(installed / "batcher"), *words],
            cwd=tmp_path,
            env={"PATH": f"{installed}{os.pathsep}{os.defpath}", "HOME": str(tmp_path)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_the_commands_of_the_readme_work_from_a_wheel(
    command: Callable[..., str], tmp_path: Path
) -> None:
    """The commands label a file without a key, and run the example from ``init``."""
    assert command("--version").split()[-1] == __version__
    rows = [{"id": n, "text": f"Parcel {n} came late but whole"} for n in range(40)]
    (tmp_path / "reviews.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    command("init", "reviews.jsonl", "--labels", "good,bad,mixed")
    assert "40 rows" in command("check", "job.toml", "--simulate")
    command("run", "job.toml", "--simulate", "--limit", "20")
    estimated = json.loads(command("estimate", "job.toml", "--simulate", "--json"))
    assert estimated["plan"]["to_send"] == 20
    command("run", "job.toml", "--simulate", "--yes")
    status = json.loads(command("status", "job.toml", "--simulate", "--json"))
    assert (status["rows"]["succeeded"], status["exit_code"]) == (40, 0)
    command("export", "job.toml", "--simulate", "--out", "labelled.parquet")
    table = pq.read_table(tmp_path / "labelled.parquet")
    assert table.num_rows == 40
    assert set(table["label"].to_pylist()) <= {"good", "bad", "mixed"}
    command("init", "demo")
    command("run", "demo/job.toml", "--simulate")
    assert list((tmp_path / "demo").glob("*.parquet"))
