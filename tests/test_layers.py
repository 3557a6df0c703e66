"""The layers: imports go one way, core is pure, no folders import each other, sizes are bounded."""

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "batcher"
FILES = sorted(PACKAGE.rglob("*.py"))

# Which layers a layer may import, besides itself; the simulator imports no other layer.
MAY_IMPORT = {
    "exit_codes": set(),
    "late": set(),
    "errors": {"exit_codes"},
    "core": {"errors", "exit_codes", "late"},
    "inputs": {"errors", "core", "late"},
    "api": {"errors", "core", ""},
    "store": {"errors", "core", "late"},
    "outputs": {"errors", "core", "late"},
    "runner": {"errors", "exit_codes", "late", "core", "inputs", "api", "store", "outputs", ""},
    "cli": {"errors", "exit_codes", "core", "inputs", "api", "store", "outputs", "runner", ""},
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
    """Return the dotted name of a file."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def layer(name: str) -> str:
    """Return the layer of a module; empty for the package itself."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else ""


MODULES = frozenset(map(module, FILES))


@cache
def tree(path: Path) -> ast.Module:
    """Return the syntax tree of a file."""
    return ast.parse(path.read_text())


def _imports(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                deeper = f"{node.module}.{alias.name}"
                is_ours = node.module.startswith("batcher")
                yield (node.module if is_ours and deeper not in MODULES else deeper), node.lineno


@cache
def imports(path: Path) -> list[tuple[str, int]]:
    """Return every module that a file imports, with the line of the import."""
    return list(_imports(path))


def own_imports(path: Path) -> set[str]:
    """Return the modules of this package that a file imports."""
    return {name for name, _ in imports(path) if name.split(".")[0] == "batcher"}


def find_cycle(graph: Mapping[str, set[str]]) -> list[str]:
    """Return the nodes of one cycle in the order of its edges, or an empty list."""
    done: set[str] = set()

    def visit(node: str, path: list[str]) -> list[str]:
        if node in path:
            return [*path[path.index(node) :], node]
        if node in done:
            return []
        for other in sorted(graph.get(node, ())):
            if cycle := visit(other, [*path, node]):
                return cycle
        done.add(node)
        return []

    return next((cycle for node in sorted(graph) if (cycle := visit(node, []))), [])


def sibling_edges() -> dict[str, set[str]]:
    """Return who imports whom among the files and folders that lie side by side in a folder.

    An import leads from one file to another; it counts for the two entries of the deepest folder
    that holds both files, for example ``core.money -> core.cache``.
    """
    edges: dict[str, set[str]] = defaultdict(set)
    for path in FILES:
        name = module(path)
        for other in own_imports(path) - {name}:
            own, its = name.split("."), other.split(".")
            shared = next(
                (n for n, (a, b) in enumerate(zip(own, its, strict=False)) if a != b), None
            )
            if shared is not None:  # else one is the __init__ of a folder that holds the other
                edges[".".join(own[: shared + 1])].add(".".join(its[: shared + 1]))
    return edges


@pytest.mark.parametrize("path", FILES, ids=module)
def test_imports_go_one_way(path: Path) -> None:
    """No layer imports a higher one, no adapter another one, the simulator no other layer."""
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
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            assert node.func.attr not in ("now", "utcnow", "today"), f"{path}:{node.lineno}"


@pytest.mark.parametrize("path", FILES, ids=module)
def test_late_imports_are_named_twice_and_exist(path: Path) -> None:
    """What is imported at its first use exists, and is imported for type checkers."""
    blocks = [node for node in tree(path).body if isinstance(node, ast.If)]
    named = set(_imports_in(line for block in blocks for line in block.body))
    for node in ast.walk(tree(path)):
        kind = getattr(node.func, "id", None) if isinstance(node, ast.Call) else None
        if kind in ("late", "late_module"):
            assert isinstance(node, ast.Call)
            where, *names = (ast.literal_eval(argument) for argument in node.args)
            assert all(callable(getattr(import_module(where), name)) for name in names)
            assert {(where, *names)} <= named, f"{path}:{node.lineno}"


def _imports_in(lines: Iterable[ast.stmt]) -> Iterator[tuple[str, ...]]:
    for line in lines:
        if isinstance(line, ast.Import):
            yield from ((alias.name,) for alias in line.names)
        elif isinstance(line, ast.ImportFrom):
            yield from ((str(line.module), alias.name) for alias in line.names)


def test_modules_import_each_other_in_no_cycle() -> None:
    """There is no import cycle between modules."""
    graph = {module(path): own_imports(path) - {module(path)} for path in FILES}
    assert find_cycle(graph) == []


def test_folders_import_each_other_in_no_cycle() -> None:
    """There is no import cycle between the files and folders of one folder, at any level."""
    assert find_cycle(sibling_edges()) == []


def test_no_folder_is_deeper_than_three_levels() -> None:
    """A folder lies at most three levels below the package."""
    folders = {path.parent.relative_to(PACKAGE) for path in FILES}
    assert [str(folder) for folder in folders if len(folder.parts) > 3] == []


@pytest.mark.parametrize("path", FILES, ids=module)
def test_files_and_functions_stay_small(path: Path) -> None:
    """A file has at most 300 lines, a function at most 60, and no function imports anything."""
    assert len(path.read_text().splitlines()) <= 300
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < 60, f"{path}:{node.lineno} {node.name}"
            for inner in ast.walk(node):
                assert not isinstance(inner, ast.Import | ast.ImportFrom), f"{path}:{inner.lineno}"
