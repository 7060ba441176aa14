"""The shape of the code: sizes of files, functions and lines, names of modules, docstrings."""

import ast
import re
from pathlib import PurePosixPath

from tests.tidy.tree import FOLDERS, Function, Module, modules, paths, product, texts

FILE_LINES_MAX = 300
FUNCTION_LINES_MAX = 70
LINE_LENGTH_MAX = 100
PARAMETERS_MAX = 6
GRAB_BAGS = {"util", "utils", "helper", "helpers", "common", "manager", "managers", "base", "misc"}


def test_a_file_is_short_or_says_why_it_is_long() -> None:
    long = [
        f"{module.path}: {lines} lines"
        for module in modules()
        if (lines := module.text.count("\n")) > FILE_LINES_MAX
        and not re.search(r"^Long because \S", module.docstring, re.MULTILINE)
    ]
    assert not long, "split them, or start a docstring line with 'Long because':\n" + "\n".join(
        long
    )


def test_a_function_fits_a_screen() -> None:
    long = [
        f"{module.at(function)} {function.name}: {lines} lines"
        for module in modules()
        if module.package != "tests"
        for function in module.functions()
        if (lines := (function.end_lineno or 0) - function.lineno + 1) > FUNCTION_LINES_MAX
    ]
    assert not long, "\n".join(long)


def is_entrance(function: Function) -> bool:
    """Say whether a function's parameters are a command's options or a route's query."""
    routes = [
        decorator
        for decorator in function.decorator_list
        if isinstance(decorator, ast.Call)
        and isinstance(decorator.func, ast.Attribute)
        and decorator.func.attr in ("get", "post", "put", "patch", "delete", "websocket")
    ]
    return bool(routes) or all(
        argument.annotation and "typer." in ast.unparse(argument.annotation)
        for argument in function.args.args
    )


def parameters(function: Function) -> list[str]:
    """Return the names of a function's parameters, without self and cls."""
    arguments = function.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return [argument.arg for argument in named if argument.arg not in ("self", "cls")]


def test_a_function_has_few_parameters() -> None:
    wide = [
        f"{module.at(function)} {function.name}: {len(parameters(function))} parameters"
        for module in modules()
        if module.package != "tests"
        for function in module.functions()
        if len(parameters(function)) > PARAMETERS_MAX and not is_entrance(function)
    ]
    assert not wide, "pass a dataclass:\n" + "\n".join(wide)


def without_pragma(line: str) -> str:
    """Return a line without what it says to a tool at its end."""
    return re.sub(r"  # (noqa|type: ignore|pragma)\b.*$", "", line)


def test_a_line_fits_two_windows_side_by_side() -> None:
    folders = tuple(f"{folder}/" for folder in FOLDERS)
    long = [
        f"{path}:{number}: {len(line)} characters"
        for path, text in texts().items()
        if path.startswith(folders) and path.endswith((".py", ".sql"))
        for number, line in enumerate(text.splitlines(), 1)
        if len(without_pragma(line)) > LINE_LENGTH_MAX and "://" not in line
    ]
    assert not long, "\n".join(long)


def test_a_module_is_a_noun_not_a_grab_bag() -> None:
    bags = [
        path
        for path in paths()
        if path.split("/", 1)[0] in FOLDERS
        and GRAB_BAGS & {PurePosixPath(part).stem for part in path.split("/")}
    ]
    assert not bags, "\n".join(bags)


def test_every_module_says_what_it_owns() -> None:
    assert [module.path for module in modules() if not module.docstring] == []


def public_without_docstring(module: Module) -> list[str]:
    """Return the public functions and classes of a module that say nothing of themselves."""
    return [
        f"{module.at(node)} {node.name}"
        for node in module.tree.body
        if isinstance(node, Function | ast.ClassDef)
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
    ]


def test_every_public_function_and_class_says_what_it_does() -> None:
    silent = [name for module in product() for name in public_without_docstring(module)]
    assert not silent, "\n".join(silent)


def test_every_folder_at_the_top_has_a_readme() -> None:
    missing = [
        folder
        for folder in FOLDERS
        if any(module.package == folder for module in modules())
        and f"{folder}/README.md" not in paths()
    ]
    assert not missing, "\n".join(missing)
