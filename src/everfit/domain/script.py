"""Reads the user's scripts without running them: do they parse, what do they import, which handlers do they hold?"""

import ast
import sys
from collections.abc import Iterator, Set
from dataclasses import dataclass

HANDLERS = frozenset({"model_fn", "input_fn", "predict_fn", "output_fn", "transform_fn"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What can be said of a script by reading it.

    Args:
        modules: top-level names that it imports and cannot do without.
        functions: names defined at its top level.
        trouble: why it can never run; None when it may.
    """

    path: str
    modules: frozenset[str] = frozenset()
    functions: frozenset[str] = frozenset()
    trouble: str | None = None


def read_script(path: str, source: str) -> Script:
    """Return what *source* says of itself."""
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        return Script(path=path, trouble=f"{path}, line {error.lineno}: {error.msg}")
    except ValueError as error:
        return Script(path=path, trouble=f"{path} is no Python text: {error}")
    return Script(
        path=path,
        modules=frozenset(name for node in tree.body for name in _imported(node)),
        functions=frozenset(_defined(tree)),
    )


def needed_packages(script: Script, local: Set[str]) -> frozenset[str]:
    """Return the modules that must be installed: neither the standard library's nor the project's own."""
    return script.modules - sys.stdlib_module_names - local


def handler_trouble(script: Script) -> str | None:
    """Say why the serving script cannot serve, or None."""
    found = script.functions & HANDLERS
    if not found:
        return (
            f"{script.path} holds no handler: define model_fn(model_dir) and, where the defaults do not fit, "
            "input_fn, predict_fn and output_fn; or leave out serve.script to use the default handlers"
        )
    others = found & {"input_fn", "predict_fn", "output_fn"}
    if "transform_fn" in found and others:
        return f"{script.path} holds transform_fn and also {', '.join(sorted(others))}: keep one or the other"
    return None


def _imported(node: ast.stmt) -> Iterator[str]:
    """Yield what a top-level statement imports; one inside ``try`` or ``if`` may well be optional."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield alias.name.partition(".")[0]
    elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
        yield node.module.partition(".")[0]


def _defined(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name
        elif isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.ImportFrom):
            yield from (alias.asname or alias.name for alias in node.names)
