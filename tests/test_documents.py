"""The documents agree with the program."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import jsonschema
import pytest

from batcher import __version__
from batcher.cli.main import COMMANDS
from batcher.core.job.job_schema import job_schema
from batcher.exit_codes import ExitCode

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def text_of(name: str) -> str:
    """Return the text of a file of the repository."""
    return (ROOT / name).read_text("utf-8")


def test_generated_parts_are_up_to_date() -> None:
    """Help texts, keys of the job file and the list of modules come from the code."""
    command = [sys.executable, str(ROOT / "docs" / "generate.py"), "--check"]
    assert subprocess.run(command, check=False).returncode == 0


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_documented(command: str) -> None:
    """The help of each command is in docs/cli.md."""
    assert f"$ batcher {command} --help" in text_of("docs/cli.md")


def test_every_key_of_a_job_file_is_documented() -> None:
    """Each key of each section has a row with a description in docs/job-file.md."""
    document, definitions = text_of("docs/job-file.md"), job_schema()["$defs"]
    for name, link in job_schema()["properties"].items():
        part = document.partition(f"\n## [{name}]\n")[2].partition("\n## ")[0]
        for key in definitions[link["$ref"].rpartition("/")[2]]["properties"]:
            assert re.search(rf"^\| `{key}` \|.*\w+.* \|$", part, re.MULTILINE), f"{name}.{key}"


def test_every_page_is_listed_in_the_readme() -> None:
    """The README links each page of docs/, the architecture and the changelog."""
    links = set(re.findall(r"\]\(([^)#]+)", text_of("README.md")))
    pages = {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")}
    assert {*pages, "docs/decisions/README.md", "ARCHITECTURE.md", "CHANGELOG.md"} <= links


def test_every_decision_is_listed() -> None:
    """The index of the decisions links each record, and the records have the three parts."""
    folder = ROOT / "docs/decisions"
    records = sorted(path for path in folder.glob("*.md") if path.name != "README.md")
    assert re.findall(r"\]\((\d[^)]+)\)", text_of("docs/decisions/README.md")) == [
        path.name for path in records
    ]
    for path in records:
        parts = re.findall(r"^\*\*(\w+)\.\*\*", path.read_text("utf-8"), re.MULTILINE)
        assert parts == ["Context", "Decision", "Consequence"], path.name


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    """Each relative link names a file, and its anchor a heading of that file."""
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text("utf-8")):
        if target.startswith("https://"):
            continue
        name, _, anchor = target.partition("#")
        linked = path.parent / name if name else path
        assert linked.exists(), target
        if anchor:
            assert anchor in anchors(linked.read_text("utf-8")), target


def anchors(text: str) -> set[str]:
    """Return the anchors of a document's headings."""
    headings = re.findall(r"^#+ (.*)", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_paths_of_the_repository_exist(path: Path) -> None:
    """Each path in backquotes exists when it starts with a folder of the repository or package."""
    if path.name == "CHANGELOG.md":
        return  # it names paths of older versions
    folders = {
        folder.name: parent
        for parent in (ROOT, ROOT / "batcher")
        for folder in parent.iterdir()
        if folder.is_dir()
    }
    for name in re.findall(r"`([\w.\-]+/[\w./\-]*)(?:::\w+)?`", path.read_text("utf-8")):
        if (parent := folders.get(name.split("/")[0])) and "/runs/" not in name:
            assert (parent / name).exists(), name


def test_the_operations_page_shows_what_the_quickstart_prints(tmp_path: Path) -> None:
    """The example is what the command really prints, twice in a row."""
    made_by_runs = shutil.ignore_patterns("runs", "*.parquet")
    shutil.copytree(ROOT / "jobs/quickstart", tmp_path / "jobs/quickstart", ignore=made_by_runs)
    page = text_of("docs/operations.md")
    shown = re.search(r"```console\n(\$ batcher run jobs/quickstart\n.*?)```", page, re.DOTALL)
    environ = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    printed = ""
    for _ in range(2):
        command = [sys.executable, "-m", "batcher", "run", "jobs/quickstart"]
        done = subprocess.run(
            command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=True
        )
        printed += "$ batcher run jobs/quickstart\n" + done.stderr
    assert printed == shown[1]


def test_the_job_file_page_shows_the_quickstart() -> None:
    """The example of the job file is the ready job, without its comments."""
    shown = re.search(r"```toml\n(.*?)```", text_of("docs/job-file.md"), re.DOTALL)
    assert tomllib.loads(shown[1]) == tomllib.loads(text_of("jobs/quickstart/job.toml"))


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_examples_of_job_files_are_valid(path: Path) -> None:
    """Each TOML example has only keys and values that a job file can have."""
    schema = job_schema()
    for example in re.findall(r"```toml\n(.*?)```", path.read_text("utf-8"), re.DOTALL):
        for name, section in tomllib.loads(example).items():
            definition = schema["$defs"][schema["properties"][name]["$ref"].rpartition("/")[2]]
            part = {**definition, "required": [], "$defs": schema["$defs"]}
            jsonschema.validate(section, part)


def test_the_changelog_names_this_version() -> None:
    """The newest version in the changelog is the code's."""
    versions = re.findall(r"^## (\S+)", text_of("CHANGELOG.md"), re.MULTILINE)
    assert versions[0] == __version__


def test_every_exit_code_is_documented() -> None:
    """The table of exit codes has each code once, and no other."""
    page = (ROOT / "docs/operations.md").read_text()
    table = page.partition("## Exit codes")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| ([0-9, ]+) \|", table, re.MULTILINE)
    codes = [int(code) for cell in cells for code in cell.split(",")]
    assert codes == [code.value for code in ExitCode]


def test_every_dependency_has_its_reason() -> None:
    """Each core dependency of pyproject.toml is explained in ARCHITECTURE.md."""
    project = tomllib.loads(text_of("pyproject.toml"))
    for requirement in project["project"]["dependencies"]:
        name = re.match(r"[a-z0-9_-]+", requirement)[0]
        assert f"| {name} |" in text_of("ARCHITECTURE.md"), name


OLD_NAMES = {
    "Affordable", "Dice", "Errand", "Leave", "Lease", "LiveRun", "Mind", "Outgoing", "Pacer",
    "Prepared", "Purse", "Remarked", "Returned", "Standing", "Surroundings", "Tried", "Warming",
    "close_books", "golden", "long_rows", "look_at", "minded", "open_books", "said", "told",
}  # fmt: skip
"""Names of 0.6 that standard terms of the field have replaced."""

OLD_WORDS = re.compile(
    r"""\b(?:
        anew | dearer | fate[ ]unknown | unknown[ ]fate | farewells? | whoever | so[ ]many
        | mend(?:s|ed|ing)? | once[ ]more | pass(?:ed|es)[ ]over | passing[ ]trouble
        | (?:may[ ]have[ ]been|may[ ]be|perhaps|be)[ ]billed[ ]unseen | without[ ]a[ ]word
        | no[ ]end[ ]in[ ]sight | nobody[ ]is[ ]there | limited[ ]by[ ]none
        | (?:state|total|checkpoint|file|column|answer|value)s?[ ](?:lies?|lay|stands?|stood)[ ]in
    )\b""",
    flags=re.VERBOSE | re.IGNORECASE,
)
"""Phrases of 0.6 that plain English has replaced; none of them is needed in ordinary sentences."""

TEXTS = sorted(
    path
    for path in [*ROOT.glob("*"), *ROOT.glob("[!.]*/**/*")]
    if path.suffix in {".md", ".py", ".sql", ".toml"} or path.name == "Makefile"
)


def test_no_old_words_in_code_documents_and_messages() -> None:
    """No text has a phrase that was replaced; text in backquotes may quote one."""
    found = []
    for path in TEXTS:
        if path == Path(__file__):
            continue
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            found += [
                f"{path.relative_to(ROOT)}:{number}: {word}"
                for word in OLD_WORDS.findall(re.sub(r"`[^`]*`", "", line))
            ]
    assert found == []


def test_no_old_names_in_code() -> None:
    """No class, function, argument or variable has a name that was replaced."""
    found = []
    for path in TEXTS:
        if path.suffix == ".py":
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                names = {getattr(node, field, None) for field in ("name", "id", "arg", "attr")}
                found += [
                    f"{path.relative_to(ROOT)}:{node.lineno}: {name}" for name in names & OLD_NAMES
                ]
    assert found == []
