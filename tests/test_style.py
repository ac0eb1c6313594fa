"""The shape of the house: sizes, names, purity, docstrings. Linters hold the rest (tests/run.sh)."""

from __future__ import annotations

import ast
import fnmatch
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from integration.capabilities import require
from tests.syntax import ROOT, functions, imports, modules, names_called, public_definitions

if TYPE_CHECKING:
    from tests.syntax import Module

PROGRAM = modules("shim")
EVERYTHING = [*PROGRAM, *modules("tests", "integration")]
XATTR_CALLS = {f"{owner}.{verb}xattr" for owner in ("os", "posix") for verb in ("list", "get", "set", "remove")}
MODULE_LINES = 300
TEST_LINES = 600  # tables of cases are long
FUNCTION_LINES = 50

# Which modules touch the machine themselves; all others get what they look at as values or through a View, and a test
# with values is a test of all that they do. In the rooms at the edges that is the rule, elsewhere each is named.
EDGE_ROOMS = ("call", "cli", "engines", "stages", "start", "state", "watch")
TOUCHING = (
    "shim/system.py",
    "shim/audit/subjects.py",
    "shim/containers/bolt.py",
    "shim/containers/containerd.py",
    "shim/containers/hook_state.py",
    "shim/containers/podman.py",
    "shim/containers/resolve.py",
    "shim/containers/state_files.py",
    "shim/containers/tree.py",
    "shim/diagnose/explain.py",
    "shim/diagnose/facts.py",
    "shim/diagnose/init_ended.py",
    "shim/diagnose/page.py",
    "shim/diagnose/time_limit.py",
    "shim/enforce/private_view.py",
    "shim/enforce/verify.py",
    "shim/host/capture.py",
    "shim/host/captured.py",
    "shim/host/cgroup_files.py",
    "shim/host/trial.py",
    "shim/host/view.py",
    "shim/observe/delays.py",
    "shim/observe/exits.py",
    "shim/observe/kernel_log.py",
    "shim/observe/pressure.py",
    "shim/oci/atomic.py",
    "shim/oci/attribute_calls.py",
    "shim/oci/document.py",
    "shim/oci/stream.py",
    "shim/planning/injection.py",
    "shim/planning/settings.py",
)
# In the rooms at the edges: what has been taken out of the modules that touch, so that it can be tested with values.
PURE_AT_THE_EDGES = (
    "shim/call/argv.py",
    "shim/call/flags.py",
    "shim/cli/difference.py",
    "shim/cli/findings.py",
    "shim/cli/probes.py",
    "shim/cli/remedies.py",
    "shim/engines/hooks_directory.py",
    "shim/engines/json_text.py",
    "shim/engines/live_query.py",
    "shim/engines/toml_text.py",
)
SYSTEM_MODULES = {
    *("io", "pathlib", "posix", "prctl", "shutil", "signal", "_signal", "socket", "subprocess", "sys", "time"),
}
LEXICAL = {"basename", "dirname", "isabs", "join", "normpath"}
SYSTEM_CALLS = {"open", "print", "input", "exec", "eval", "__import__"}

# Each costs milliseconds on every container start (docs of `shim.values`).
TOO_SLOW = {
    *("argparse", "click", "collections", "dataclasses", "enum", "json", "logging", "os", "pathlib", "pyroute2"),
    *("re", "shutil", "signal", "stat", "subprocess", "tempfile", "typing"),
}
AFTER_A_FAILURE = (
    "shim/diagnose/*.py",
    "shim/call/failure.py",
    "shim/host/inspection.py",
)  # time no longer matters; may import re and json
# Imports inside a function that a successful intercepted call does not reach.
LAZY = {
    "shim/oci/text.py": {"json"},  # only for text that is not JSON: the C scanner wants json's exception class
    "shim/host/captured.py": {"json"},  # only captured hosts have a manifest
}
# The first is loaded before the rest, and `__future__` costs as much as a module of ours; both are to be read by
# Pythons that are too old for the others.
QUOTED = ("shim/start/archive.py", "shim/start/import_fault.py")
COLD = (
    *("shim/cli/*.py", "shim/engines/*.py", "shim/observe/*.py", "shim/stages/*.py", "shim/audit/*.py"),
    "shim/watch/*.py",
    "shim/watch/*.py",
    *("shim/start/import_fault.py", "shim/host/capture.py", "shim/containers/[!s]*.py"),
    "shim/start/archive_file.py",  # at installation, or after a source has changed
)
EDGES = ("shim/call/entry.py", "shim/cli/*.py", "shim/host/capture.py", "shim/stages/*.py")

# "What's New in Python" 3.8 to 3.13, as far as a program like this one could want it.
NEWER_ATTRIBUTES = {
    *("removeprefix", "removesuffix", "memfd_create", "pidfd_open", "pidfd_send_signal", "copy_file_range", "cache"),
    *("is_relative_to", "hardlink_to", "bit_count", "unparse", "waitstatus_to_exitcode", "cached_property", "pairwise"),
    *("batched", "prod", "isqrt", "posix_spawn", "eventfd", "splice", "with_stem"),
}
NEWER_ARGUMENTS = {
    "missing_ok",
    "dirs_exist_ok",
    "strict",
    "end_lineno",
    "root_dir",
    "process_group",
    "delete_on_close",
}
NEWER_MODULES = {"importlib.metadata", "importlib.resources", "tomllib", "zoneinfo", "graphlib", "typing_extensions"}

# The rooms of tests that run with every Python, too, and what they share (other_pythons in run.sh).
OLD_TOO = ("tests/rules", "tests/planning", "tests/oci", "tests/call")

VAGUE = {"util", "utils", "helper", "helpers", "manager", "common", "misc"}


def _named(module: Module, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatch(module.name, pattern) for pattern in patterns)


def _ids(module: Module) -> str:
    return module.name


def _roots(names: set[str]) -> set[str]:
    return {name.split(".")[0] for name in names}


HOT = [m for m in PROGRAM if not _named(m, (*COLD, *AFTER_A_FAILURE))]


@pytest.mark.parametrize("module", EVERYTHING, ids=_ids)
def test_module_is_one_room(module: Module) -> None:
    """No module of the program is longer than 300 lines, no module of tests longer than 600."""
    most = MODULE_LINES if module.name.startswith("shim/") else TEST_LINES
    assert len(module.text.splitlines()) <= most


@pytest.mark.parametrize("module", EVERYTHING, ids=_ids)
def test_functions_fit_on_a_screen(module: Module) -> None:
    """Every function, docstring included, is shorter than 50 lines."""
    long = [
        f"{module.name}:{f.lineno} {f.name}: {(f.end_lineno or f.lineno) - f.lineno + 1} lines"
        for f in functions(module.tree)
        if (f.end_lineno or f.lineno) - f.lineno + 1 >= FUNCTION_LINES
    ]
    assert long == []


@pytest.mark.parametrize("module", EVERYTHING, ids=_ids)
def test_names_say_what_is_inside(module: Module) -> None:
    """No module or class has a name that could hold anything, and no function is called nothing but that."""
    named = [node for node in ast.walk(module.tree) if isinstance(node, (ast.ClassDef, ast.FunctionDef))]
    rooms = [*module.dotted.split("."), *(node.name for node in named if isinstance(node, ast.ClassDef))]
    words = {word.lower() for name in rooms for word in re.findall(r"[A-Z]?[a-z]+", name)}
    whole = {node.name.strip("_") for node in named}
    assert (words | whole) & VAGUE == set()


@pytest.mark.parametrize("module", PROGRAM, ids=_ids)
def test_annotations_are_not_evaluated(module: Module) -> None:
    """A module with functions starts with `from __future__ import annotations`: Python 3.7 cannot evaluate ours."""
    if not any(functions(module.tree)) or module.name in QUOTED:
        return
    found = [n for n in module.tree.body if isinstance(n, ast.ImportFrom) and n.module == "__future__"]
    assert [alias.name for node in found for alias in node.names] == ["annotations"]


@pytest.mark.parametrize("module", [*PROGRAM, *modules(*OLD_TOO)], ids=_ids)
def test_nothing_newer_than_the_oldest_python(module: Module) -> None:
    """No attribute, module or argument that the standard library has only since Python 3.8 or later."""
    attributes = {node.attr for node in ast.walk(module.tree) if isinstance(node, ast.Attribute)}
    arguments = {node.arg for node in ast.walk(module.tree) if isinstance(node, ast.keyword)}
    assert attributes & NEWER_ATTRIBUTES == set()
    assert arguments & NEWER_ARGUMENTS == set()
    assert imports(module.tree) & NEWER_MODULES == set()


def _touched(module: Module) -> set[str]:
    """What a module uses of the system: its modules, its calls, what reads or writes of `os` and of shim.system.

    Of these it may use what works on the text of a path alone.
    """
    used = _roots(imports(module.tree)) & SYSTEM_MODULES | names_called(module.tree) & SYSTEM_CALLS
    of_os = {ast.unparse(node) for node in ast.walk(module.tree) if isinstance(node, ast.Attribute)}
    lexical = {"os.path", *(f"os.path.{name}" for name in LEXICAL)}
    used |= {name for name in of_os if name.startswith("os.")} - lexical
    of_system = [n for n in ast.walk(module.tree) if isinstance(n, ast.ImportFrom) and n.module == "shim.system"]
    return used | {alias.name for node in of_system for alias in node.names} - LEXICAL


def _is_pure(module: Module) -> bool:
    at_the_edge = module.name.split("/")[1] in EDGE_ROOMS
    return module.name in PURE_AT_THE_EDGES or (not at_the_edge and module.name not in TOUCHING)


@pytest.mark.parametrize("module", [m for m in PROGRAM if _is_pure(m)], ids=_ids)
def test_pure_modules_do_not_touch_the_system(module: Module) -> None:
    """Whoever has to read, write, ask the clock or run something is on the list, or in a room at the edges."""
    assert _touched(module) == set()


@pytest.mark.parametrize("name", TOUCHING)
def test_the_list_of_those_that_touch_is_true(name: str) -> None:
    """A module that touches nothing any more, or is gone, leaves the list."""
    assert [module.name for module in PROGRAM if module.name == name and _touched(module)] == [name]


@pytest.mark.parametrize("module", PROGRAM, ids=_ids)
def test_no_calls_that_a_python_with_musl_lacks(module: Module) -> None:
    """Before 3.11.3 those for extended attributes are missing; shim/oci/attribute_calls.py stands in for them."""
    assert names_called(module.tree) & XATTR_CALLS == set()


@pytest.mark.parametrize("module", HOT, ids=_ids)
def test_hot_modules_import_nothing_slow(module: Module) -> None:
    """What an intercepted call may run imports none of the slow modules; the exceptions are lazy and listed."""
    assert _roots(imports(module.tree, lazy=False)) & TOO_SLOW == set()
    assert _roots(imports(module.tree)) & TOO_SLOW == LAZY.get(module.name, set())


@pytest.mark.parametrize("module", [m for m in PROGRAM if _named(m, AFTER_A_FAILURE)], ids=_ids)
def test_diagnosis_imports_only_what_it_needs(module: Module) -> None:
    """After a failure `re`, `json` and `os` are fine, nothing slower."""
    assert _roots(imports(module.tree)) & (TOO_SLOW - {"re", "json", "os"}) == set()


@pytest.mark.parametrize("module", [m for m in PROGRAM if not _named(m, EDGES)], ids=_ids)
def test_only_the_edges_exit_or_print(module: Module) -> None:
    """Library code raises ShimError; it neither exits nor prints."""
    assert names_called(module.tree) & {"sys.exit", "exit", "quit", "print"} == set()


@pytest.mark.parametrize("module", PROGRAM, ids=_ids)
def test_no_hidden_state(module: Module) -> None:
    """No `global` and no cache: two calls with the same values give the same answer."""
    globals_ = [node.lineno for node in ast.walk(module.tree) if isinstance(node, ast.Global)]
    assert globals_ == []
    assert "functools" not in imports(module.tree)


@pytest.mark.parametrize("module", PROGRAM, ids=_ids)
def test_public_things_are_documented(module: Module) -> None:
    """Every module and every public function, class and method has a docstring."""
    assert ast.get_docstring(module.tree)
    bare = [f"{module.name}:{node.lineno} {node.name}" for node in public_definitions(module.tree)]
    documented = [
        f"{module.name}:{node.lineno} {node.name}"
        for node in public_definitions(module.tree)
        if ast.get_docstring(node)
    ]
    assert bare == documented


@pytest.mark.parametrize("module", modules("tests", "integration"), ids=_ids)
def test_tests_say_what_they_prove(module: Module) -> None:
    """Every test has a docstring."""
    silent = [f.name for f in functions(module.tree) if f.name.startswith("test_") and not ast.get_docstring(f)]
    assert silent == []


@pytest.mark.parametrize("module", modules("tests", "integration"), ids=_ids)
def test_skips_name_a_capability(module: Module) -> None:
    """Only integration/capabilities.py skips: where CI promises the capability, a skip there is a failure."""
    if module.name == "integration/capabilities.py":
        return
    ways = ("skip", "skipif", "importorskip", "skipUnless")
    assert [
        node.lineno for node in ast.walk(module.tree) if isinstance(node, ast.Attribute) and node.attr in ways
    ] == []


def _tracked_texts() -> dict[str, str]:
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "-c", f"safe.directory={ROOT}", "ls-files"],
        check=False,
        capture_output=True,
        text=True,
    )
    require("git checkout", listed.stderr.strip() if listed.returncode else "")
    paths = [ROOT / name for name in listed.stdout.splitlines()]
    return {str(p.relative_to(ROOT)): p.read_text(errors="replace") for p in paths if p.is_file()}


def test_no_file_knows_where_it_was_written() -> None:
    """No tracked file names the directory that this checkout happens to be in."""
    own = str(ROOT)
    assert [name for name, text in _tracked_texts().items() if own in text] == []
