"""Extension modules of the interpreter and of python-prctl, loaded by path.

`import` would ask every finder about every directory of the path and list each directory first. That costs 0.5 ms for
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
    """Return a module of the standard library that is either built in or a file of its own. Raises the errors of
    `import`.
    """
    if name not in sys.modules and name not in sys.builtin_module_names:
        found(name, [path for path in sys.path if basename(path) == "lib-dynload"])
    return __import__(name)  # sys.modules has it if it was found there


def third_party(name: str) -> Any:
    """Return a module from this interpreter's package directories, which `-S` leaves out of the path; None if it is
    absent.
    """
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
    """Return the module from the first directory that has it; None if none has it or it is for another interpreter."""
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
