"""Habits of the house: where the environment, Kafka and broad excepts may appear, and what may not.

Needles are put together from pieces, so that this file does not contain what it looks for.
"""

import ast
import re

import pytest

from tests.tidy.tree import Module, modules, product, texts

UNFINISHED = re.compile(r"\b(" + "|".join(["FIX" + "ME", "TO" + "DO", "XX" + "X"]) + r")\b")
UNWRITTEN = "NotImplemented" + "Error"
CODE = (".py", ".sql", ".toml", ".yml", ".yaml", ".sh", ".html", ".js", ".css", "Makefile", "run")

AIOKAFKA_MODULES = {
    "wire/kafka.py",
    "wire/transactions.py",
    "wire/decided.py",
    "wire/stable_offsets.py",
}
BROAD_EXCEPTS = {
    "billing/webhooks.py": "a receiver may make the client raise anything; a failed attempt",
    "consumers/detector/calls.py": "an engine may raise anything; the frames fail, counted",
    "consumers/detector/lanes.py": "one cure for every failure of a lane: a new era",
    "consumers/detector/background.py": "whatever a thread raises is raised where it is awaited",
    "consumers/detector/loading.py": "a size that cannot be warmed is named by its frames",
    "consumers/detector/selftest.py": "a size that fails is named by its frames; all: refused",
    "consumers/detector/versions.py": "a version that does not load is told, the old one stays",
    "pipeline/feed.py": "the outermost loop of a camera's thread; logged, and the camera retried",
    "wire/producers.py": "tears a producer down that is thrown away whatever it answers",
}
"""Where a broad except may swallow an error, and why. Keep it short."""

REGISTRY_HOSTS = [
    "pypi" + ".org",
    "pythonhosted" + ".org",
    "npmjs" + ".org",
    "maven" + ".org",
    "maven.apache" + ".org",
    "download.pytorch" + ".org",
    "anaconda" + ".org",
    "docker" + ".io",
    "ghcr" + ".io",
    "quay" + ".io",
    "crates" + ".io",
    "rubygems" + ".org",
    "proxy.golang" + ".org",
]
MACHINE_PATHS = [f"/{folder}/" for folder in ("work", "root")]


def calls(module: Module, name: str) -> list[str]:
    """Return where a module calls a plain function of this name."""
    return [
        module.at(node)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name
    ]


def test_nothing_is_left_unfinished() -> None:
    found = [
        f"{path}:{number}"
        for path, text in texts().items()
        if path.endswith(CODE)
        for number, line in enumerate(text.splitlines(), 1)
        if UNFINISHED.search(line) or UNWRITTEN in line
    ]
    assert not found, "\n".join(found)


def environment_reads(module: Module) -> list[str]:
    """Return where a module looks at the environment.

    Handing a library the variables that it wants (`os.environ["YOLO_OFFLINE"] = …`) is not a look.
    """
    told = {
        id(node.value)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store)
    } | {
        id(node.func.value)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("setdefault", "update")
    }
    return [
        module.at(node)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute)
        and node.attr in ("environ", "getenv", "environb")
        and isinstance(node.value, ast.Name)
        and node.value.id == "os"
        and id(node) not in told
    ]


def test_the_environment_is_read_in_settings_alone() -> None:
    """Apart from settings, cli/ hands its environment on to the processes that it starts."""
    found = [
        place
        for module in product()
        if module.package != "cli" and not module.path.endswith("/settings.py")
        for place in environment_reads(module)
    ]
    assert not found, "\n".join(found)


def imported(module: Module) -> set[str]:
    """Return the top names of everything that a module imports."""
    names: set[str] = set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


def test_aiokafka_lives_behind_the_wire() -> None:
    users = {module.path for module in product() if "aiokafka" in imported(module)}
    assert users <= AIOKAFKA_MODULES


def test_processes_log_and_commands_use_their_console_but_nobody_prints() -> None:
    assert [place for module in product() for place in calls(module, "print")] == []


def swallows_everything(handler: ast.ExceptHandler) -> bool:
    """Say whether a handler takes any error at all and does not raise it again."""
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    names = {node.id for node in caught if isinstance(node, ast.Name)}
    broad = handler.type is None or names & {"Exception", "BaseException"}
    raises = any(isinstance(node, ast.Raise) for node in ast.walk(handler))
    return bool(broad) and not raises


def broad_excepts() -> dict[str, str]:
    """Return the modules that swallow everything somewhere, with the places."""
    return {
        module.path: module.at(node)
        for module in product()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ExceptHandler) and swallows_everything(node)
    }


def test_an_error_is_swallowed_only_where_the_list_says_why() -> None:
    unlisted = {path: place for path, place in broad_excepts().items() if path not in BROAD_EXCEPTS}
    assert not unlisted, "\n".join(unlisted.values())


def test_the_list_of_broad_excepts_holds_nothing_that_is_gone() -> None:
    assert set(BROAD_EXCEPTS) <= set(broad_excepts())


@pytest.mark.parametrize("needle", REGISTRY_HOSTS)
def test_no_file_names_a_package_registry(needle: str) -> None:
    """Which mirror is used is a matter of the machine, not of the project."""
    assert [path for path, text in texts().items() if needle in text] == []


@pytest.mark.parametrize("needle", MACHINE_PATHS)
def test_no_file_names_a_path_of_the_machine_that_it_was_written_on(needle: str) -> None:
    pattern = re.compile(rf"(?<![\w./}}-]){re.escape(needle)}")
    assert [path for path, text in texts().items() if pattern.search(text)] == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import os\nos.environ['A']", 1),
        ("import os\nos.environ.get('A')", 1),
        ("import os\nos.getenv('A')", 1),
        ("import os\nos.environ['A'] = 'b'", 0),
        ("import os\nos.environ.setdefault('A', 'b')", 0),
    ],
)
def test_a_look_at_the_environment_is_told_from_handing_something_to_it(
    source: str, found: int
) -> None:
    module = Module(path="x.py", text=source, tree=ast.parse(source))
    assert len(environment_reads(module)) == found


@pytest.mark.parametrize(
    ("clause", "swallows"),
    [
        ("except:\n  pass", True),
        ("except Exception:\n  pass", True),
        ("except (OSError, BaseException) as e:\n  pass", True),
        ("except BaseException:\n  raise", False),
        ("except OSError:\n  pass", False),
    ],
)
def test_a_swallowed_error_is_told_from_one_that_goes_on(clause: str, swallows: bool) -> None:
    (handler,) = (
        node
        for node in ast.walk(ast.parse(f"try:\n  pass\n{clause}"))
        if isinstance(node, ast.ExceptHandler)
    )
    assert swallows_everything(handler) is swallows


def test_there_is_something_to_look_at() -> None:
    assert len(modules()) > 40
    assert {module.package for module in product()} >= {"wire", "pipeline", "billing"}
