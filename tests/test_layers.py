"""The house: imports go one way, core is pure, nothing is larger than agreed."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "batcher"
FILES = sorted(PACKAGE.rglob("*.py"))

# Who may import whom, besides itself; the simulator imports nothing of ours.
MAY_IMPORT = {
    "errors": set(),
    "core": {"errors"},
    "inputs": {"errors", "core"},
    "api": {"errors", "core", ""},
    "store": {"errors", "core"},
    "outputs": {"errors", "core"},
    "runner": {"errors", "core", "inputs", "api", "store", "outputs", ""},
    "cli": {"errors", "core", "inputs", "api", "store", "outputs", "runner", ""},
    "simulator": set(),
    "__main__": {"cli"},
    "": set(),
}
IMPURE = {
    "asyncio", "duckdb", "h11", "http", "httpcore", "httpx", "io", "logging", "os", "pathlib",
    "pyarrow", "random", "requests", "secrets", "shutil", "signal", "socket", "sqlite3", "ssl",
    "subprocess", "sys", "tempfile", "threading", "time", "tqdm", "urllib", "uuid",
}  # fmt: skip
PURE = ("urllib.parse.", "pathlib.Pure")


def module(path: Path) -> str:
    """The dotted name of a file."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def layer(name: str) -> str:
    """The part of the house a module belongs to; empty for the package itself."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else ""


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Every module a file imports, with its line."""
    known = {module(file) for file in FILES}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                deeper = f"{node.module}.{alias.name}"
                is_ours = node.module.startswith("batcher")
                yield (node.module if is_ours and deeper not in known else deeper), node.lineno


@pytest.mark.parametrize("path", FILES, ids=module)
def test_imports_go_one_way(path: Path) -> None:
    """No layer looks up, the adapters do not know each other, the simulator knows none of us."""
    own = layer(module(path))
    for name, line in imports(path):
        if name.split(".")[0] != "batcher":
            continue
        assert layer(name) in MAY_IMPORT[own] | {own}, f"{path}:{line} imports {name}"


@pytest.mark.parametrize("path", [p for p in FILES if layer(module(p)) == "core"], ids=module)
def test_core_is_pure(path: Path) -> None:
    """The core has no I/O, no clock, no randomness and no logging."""
    for name, line in imports(path):
        is_pure = name.startswith(PURE) or name.split(".")[0] not in IMPURE
        assert is_pure, f"{path}:{line} imports {name}"
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            assert node.func.attr not in ("now", "utcnow", "today"), f"{path}:{node.lineno}"


def test_there_is_no_import_cycle() -> None:
    """Modules import each other in no circle."""
    graph = {
        module(path): {name for name, _ in imports(path) if name.startswith("batcher")}
        - {module(path)}
        for path in FILES
    }
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join([*path, name])
        if name in done:
            return
        for other in graph.get(name, ()):
            visit(other, (*path, name))
        done.add(name)

    for name in graph:
        visit(name, ())


@pytest.mark.parametrize("path", FILES, ids=module)
def test_files_and_functions_stay_small(path: Path) -> None:
    """A file has at most 300 lines, a function at most 60, and imports stand at the top."""
    source = path.read_text()
    assert len(source.splitlines()) <= 300
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < 60, f"{path}:{node.lineno} {node.name}"
            for inner in ast.walk(node):
                assert not isinstance(inner, ast.Import | ast.ImportFrom), f"{path}:{inner.lineno}"
