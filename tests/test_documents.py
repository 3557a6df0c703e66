"""The documents say what is so."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from batcher import __version__
from batcher.cli.main import COMMANDS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_generated_parts_are_up_to_date() -> None:
    """The README's help texts and the list of modules are the program's own; else make docs."""
    command = [sys.executable, str(ROOT / "docs" / "generate.py"), "--check"]
    assert subprocess.run(command, check=False).returncode == 0


@pytest.mark.parametrize("command", COMMANDS)
def test_the_readme_shows_the_help_of_every_command(command: str) -> None:
    """Each command's help stands in the README."""
    assert f"$ batcher {command} --help" in README


def test_the_readme_shows_what_the_quickstart_says(tmp_path: Path) -> None:
    """The README's example is what the command really prints, twice in a row."""
    made = shutil.ignore_patterns("runs", "*.parquet")
    shutil.copytree(ROOT / "jobs/quickstart", tmp_path / "jobs/quickstart", ignore=made)
    shown = re.search(r"```console\n(\$ batcher run jobs/quickstart\n.*?)```", README, re.DOTALL)
    said = ""
    for _ in range(2):
        command = [sys.executable, "-m", "batcher", "run", "jobs/quickstart"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        said += "$ batcher run jobs/quickstart\n" + done.stderr
    assert said == shown[1]


def test_the_changelog_names_this_version() -> None:
    """The newest version in the changelog is the code's."""
    versions = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert versions[0] == __version__


def test_every_dependency_has_its_reason() -> None:
    """Each core dependency of pyproject.toml is explained in ARCHITECTURE.md."""
    project = (ROOT / "pyproject.toml").read_text()
    listed = re.search(r"^dependencies = \[(.*?)^\]", project, re.MULTILINE | re.DOTALL)
    reasons = (ROOT / "ARCHITECTURE.md").read_text()
    for name in re.findall(r'"([a-z0-9_-]+)', listed[1]):
        assert f"| {name} |" in reasons, name
