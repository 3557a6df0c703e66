"""Write the parts of the documents that come from the code; ``--check`` only compares them.

A generated part is between two marks, ``<!-- NAME -->`` and ``<!-- end of NAME -->``: the commands
in docs/cli.md, the keys in docs/job-file.md, the modules in ARCHITECTURE.md.
"""

import ast
import json
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from batcher.cli.main import COMMANDS, root
from batcher.core.job.job_schema import job_schema

ROOT = Path(__file__).parents[1]
WIDTH = 88
TYPES = {"boolean": "`true` or `false`", "object": "table", "integer": "whole number"}
TECHNICAL_BOUND = 10**6
"""Bounds from here on only keep numbers in range, and no user needs to know them."""

Schema = Mapping[str, Any]


def main(arguments: list[str]) -> int:
    """Write or check all parts; return 1 when a check finds one that is out of date."""
    code = 0
    for (name, part), content in PARTS.items():
        path = ROOT / name
        old = path.read_text("utf-8")
        new = replace_part(old, part, content())
        if "--check" not in arguments:
            path.write_text(new, "utf-8")
        elif new != old:
            print(f"{name} is out of date; run: make docs", file=sys.stderr)
            code = 1
    return code


def replace_part(text: str, part: str, content: str) -> str:
    """Return a document with new content between the two marks of a part."""
    pattern = rf"(?<=<!-- {part} -->\n).*?(?=<!-- end of {part} -->)"
    if not re.search(pattern, text, re.DOTALL):
        raise ValueError(f"a document has no part {part}")
    return re.sub(pattern, lambda _: content, text, flags=re.DOTALL)


def commands() -> str:
    """Return the help text of batcher and of each command."""
    parts = [_help()]
    parts += [f"## batcher {name}\n\n{_help(name)}" for name in COMMANDS]
    return "\n" + "\n".join(parts) + "\n"


def _help(*command: str) -> str:
    words = [*command, "--help"]
    result = CliRunner().invoke(root, words, prog_name="batcher", terminal_width=WIDTH)
    return f"```console\n$ batcher {' '.join(words)}\n{result.output}```\n"


def keys() -> str:
    """Return a table of the keys of each section of a job file."""
    schema = job_schema()
    sections = schema["$defs"]
    parts = []
    for name, link in schema["properties"].items():
        section = sections[link["$ref"].rpartition("/")[2]]
        parts.append(_section(f"[{name}]", section))
        if name == "prices":
            parts.append(_section('[prices.overrides."MODEL"]', sections["PriceOverride"]))
    return "\n" + "\n".join(parts) + "\n"


def _section(title: str, section: Schema) -> str:
    about = section["description"].partition(": ")[2] or section["description"]
    about = about[0].upper() + about[1:].replace("\n", " ")
    required = section.get("required", ())
    properties = section["properties"]
    rows = [
        _row(key, key in required, properties[key]) for key in properties if _type(properties[key])
    ]
    table = "| key | type | default | description |\n|---|---|---|---|\n" + "".join(rows)
    parameters = [
        f"| `{key}` | {_escaped(schema['description'])} |\n"
        for key, schema in properties.items()
        if not _type(schema)
    ]
    if parameters:
        table += (
            "\nOther parameters of the Messages API are passed through unchanged:\n\n"
            f"| key | description |\n|---|---|\n{''.join(parameters)}"
        )
    return f"## {title}\n\n{about}\n\n{table}"


def _row(key: str, is_required: bool, schema: Schema) -> str:
    default = "required" if is_required else _default(schema)
    return f"| `{key}` | {_type(schema)} | {default} | {_escaped(schema['description'])} |\n"


def _type(schema: Schema) -> str:
    """Return the type of a key in words; empty for a parameter that is passed through."""
    if "enum" in schema:
        return ", ".join(f"`{json.dumps(value)}`" for value in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(map(_type, schema["anyOf"]))
    kind = schema.get("type", "")
    if kind == "array":
        return f"array of {_type(schema['items'])}"
    if kind == "string" and schema.get("format") == "date":
        return "date"
    return f"{TYPES.get(kind, kind)} {_bounds(schema)}".strip()


def _bounds(schema: Schema) -> str:
    """Return the bounds of a number in words; a high technical bound is left out."""
    low, above, high = (schema.get(name) for name in ("minimum", "exclusiveMinimum", "maximum"))
    if above is not None:
        return f"above {_value(above)}" + ("" if high is None else f", at most {_value(high)}")
    if low is None:
        return ""
    is_technical = high is None or high >= TECHNICAL_BOUND
    return f"of at least {_value(low)}" if is_technical else f"from {_value(low)} to {_value(high)}"


def _default(schema: Schema) -> str:
    default = schema.get("default")
    return "" if default in (None, "", [], {}) else f"`{_value(default)}`"


def _value(value: Any) -> str:
    """Return a value as it is written in a job file."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value, ensure_ascii=False)


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")


def modules() -> str:
    """Return the modules, folder by folder, each with the first line of its docstring."""
    lines = []
    for folder in sorted({path.parent for path in (ROOT / "batcher").rglob("*.py")}):
        lines.append(
            f"\n**`{folder.relative_to(ROOT)}/`** {_first_line(folder / '__init__.py')}\n\n"
        )
        files = (path for path in sorted(folder.glob("*.py")) if path.name != "__init__.py")
        lines.extend(f"- `{path.name}` {_first_line(path)}\n" for path in files)
    return "".join(lines) + "\n"


def _first_line(path: Path) -> str:
    docstring = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    return docstring.split("\n\n")[0].replace("\n", " ")


PARTS: Mapping[tuple[str, str], Callable[[], str]] = {
    ("ARCHITECTURE.md", "modules"): modules,
    ("docs/cli.md", "commands"): commands,
    ("docs/job-file.md", "keys"): keys,
}
"""File and name of each generated part."""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
