"""Writes the parts of the documents that the program knows best; ``--check`` only compares.

In README.md every block that shows ``$ batcher ... --help``; in ARCHITECTURE.md the list of
modules between its two marks, each with the first line of its docstring.
"""

import ast
import re
import sys
from pathlib import Path

from click.testing import CliRunner

from batcher.cli.main import root

ROOT = Path(__file__).parents[1]
WIDTH = 88
_HELP = re.compile(r"(?<=```console\n)\$ batcher (?P<words>[^\n]*)--help\n.*?(?=```)", re.DOTALL)
_MODULES = re.compile(r"(?<=<!-- modules -->\n).*?(?=<!-- end of modules -->)", re.DOTALL)


def readme(text: str) -> str:
    """Put the real help texts into the README."""
    return _HELP.sub(lambda block: _help(block["words"]), text)


def architecture(text: str) -> str:
    """Put the real list of modules into ARCHITECTURE.md."""
    return _MODULES.sub(_modules(), text)


def main(arguments: list[str]) -> int:
    """Write or check both documents; 1 when a check finds an old one."""
    code = 0
    for name, make in (("README.md", readme), ("ARCHITECTURE.md", architecture)):
        path = ROOT / name
        old = path.read_text("utf-8")
        new = make(old)
        if "--check" not in arguments:
            path.write_text(new, "utf-8")
        elif new != old:
            print(f"{name} is out of date; run make docs", file=sys.stderr)
            code = 1
    return code


def _help(words: str) -> str:
    result = CliRunner().invoke(
        root, [*words.split(), "--help"], prog_name="batcher", terminal_width=WIDTH
    )
    return f"$ batcher {words}--help\n{result.output}"


def _modules() -> str:
    lines = []
    for folder in sorted({path.parent for path in (ROOT / "batcher").rglob("*.py")}):
        lines.append(
            f"\n**`{folder.relative_to(ROOT)}/`** {_first_line(folder / '__init__.py')}\n\n"
        )
        modules = (path for path in sorted(folder.glob("*.py")) if path.name != "__init__.py")
        lines.extend(f"- `{path.name}` {_first_line(path)}\n" for path in modules)
    return "".join(lines) + "\n"


def _first_line(path: Path) -> str:
    docstring = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    return docstring.split("\n\n")[0].replace("\n", " ")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
