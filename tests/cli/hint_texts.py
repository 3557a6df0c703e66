"""All hints of the program, read from its source: what each error, problem and stop advises."""

import ast
from collections.abc import Iterator
from pathlib import Path

import batcher

ROOT = Path(batcher.__file__).parent
_ADVICE = {"core/failure_advice.py", "core/answers/api_errors.py"}  # nothing but advice


def modules() -> Iterator[tuple[str, ast.Module]]:
    """Yield each module of the program with its path; the simulator is another program."""
    for path in sorted(ROOT.rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        if not name.startswith("simulator/"):
            yield name, ast.parse(path.read_text("utf-8"))


def hints(tree: ast.Module, *, only_halts: bool = False) -> set[str]:
    """Return the texts of all hints in a module; parts that are computed become ``{}``."""
    found: set[str] = set()
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        name = getattr(call.func, "id", None)
        given = [word.value for word in call.keywords if word.arg == "hint"]
        place = {"Halt": 2, "Problem": 3}.get(name or "")
        if place is not None:
            given += call.args[place : place + 1]
        if name == "Halt" or not only_halts:
            for value in given:
                found |= _texts(value, tree, set())
    return found


def advice() -> set[str]:
    """Return all that the modules of advice say, without their docstrings."""
    found: set[str] = set()
    for tree in (tree for name, tree in modules() if name in _ADVICE):
        docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        found |= {
            node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
            if " " in node.value and id(node) not in docstrings
        }
    return found


def _texts(value: ast.expr, tree: ast.Module, seen: set[str]) -> set[str]:
    """Return the texts that an expression can have; a name has what is assigned to it."""
    if isinstance(value, ast.Constant):
        return {value.value} if isinstance(value.value, str) else set()
    if isinstance(value, ast.JoinedStr):
        return {_joined(value)}
    if isinstance(value, ast.IfExp):
        return _texts(value.body, tree, seen) | _texts(value.orelse, tree, seen)
    if isinstance(value, ast.BoolOp):
        return set().union(*(_texts(each, tree, seen) for each in value.values))
    if isinstance(value, ast.BinOp):
        return _texts(value.left, tree, seen) | _texts(value.right, tree, seen)
    if isinstance(value, ast.Name) and value.id not in seen:
        return set().union(
            *(_texts(each, tree, seen | {value.id}) for each in _assigned(value.id, tree))
        )
    return set()


def _joined(value: ast.JoinedStr) -> str:
    return "".join(
        part.value if isinstance(part, ast.Constant) and isinstance(part.value, str) else "{}"
        for part in value.values
    )


def _assigned(name: str, tree: ast.Module) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AugAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if isinstance(target, ast.Name) and target.id == name:
                    yield node.value
