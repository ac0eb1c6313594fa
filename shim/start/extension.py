"""Extension modules of the interpreter's and of python-prctl, found by their path.

`import` would try every finder on every directory of the path and list each directory first: half a millisecond for
one module whose place is known.
"""

from __future__ import annotations

import _imp
import sys

from shim.system import basename, dirname, exists

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def standard(name: str) -> Any:
    """A module of the standard library that may be built in or be a file of its own. Raises as `import` does."""
    if name not in sys.modules and name not in sys.builtin_module_names:
        found(name, [path for path in sys.path if basename(path) == "lib-dynload"])
    return __import__(name)  # answered by sys.modules where it was found


def third_party(name: str) -> Any:
    """A module from where this interpreter's packages are, which `-S` leaves out of the path; None if it is absent."""
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    own = dirname(dirname(sys.executable or "/usr/bin/python3"))
    return found(
        name,
        [
            f"{own}/lib/{version}/site-packages",
            "/usr/lib/python3/dist-packages",
            f"/usr/local/lib/{version}/dist-packages",
        ],
    )


def found(name: str, directories: list[str]) -> Any:
    """The module from the first of the directories that has it; None if none has, or it is another interpreter's."""
    specification = type(sys.__spec__)  # importlib.machinery.ModuleSpec
    for directory in directories:
        for suffix in _imp.extension_suffixes():
            path = f"{directory}/{name}{suffix}"
            if not exists(path):
                continue
            try:
                module = _imp.create_dynamic(specification(name, None, origin=path))
                _imp.exec_dynamic(module)
            except ImportError:
                return None
            sys.modules[name] = module
            return module
    return None
