"""Settings: `/etc/cgshim/config.json`, annotations `io.cgshim.*` and defaults; every value knows where it is from.

The launcher reads `runtime` from the same file with its own few lines of sh, because pass-through commands never
start Python; a broken file therefore stops intercepted commands only.
"""

from __future__ import annotations

import posix

from shim.errors import ShimError
from shim.oci.checks import Duplicate, kind, unambiguous
from shim.oci.document import errno_name
from shim.oci.text import Malformed, parse
from shim.system import basename, content, exists, isfile, realpath
from shim.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

PATH = "/etc/cgshim/config.json"
REFUSE, WARN = "refuse", "warn"
POLICIES = (REFUSE, WARN)
OFF, HIDE = "off", "hide-cgroup2"
PSI, TASKSTATS = "psi", "taskstats"
PRESSURES = (PSI, TASKSTATS)
ANNOTATION = "io.cgshim.policy"
PRESSURE = "io.cgshim.pressure"
KEYS = ("runtime", "policy", "crun_on_hybrid", "pressure")


class Settings(Value):
    """runtime: absolute path of the real runtime, "" for the first one found. policy: "refuse" or "warn".

    crun_on_hybrid: "off", or "hide-cgroup2" (shim.enforce.private_view). pressure: "psi", or "taskstats" (shim.observe.delays).
    origins: key -> where its value is from.
    """

    runtime: str = ""
    policy: str = REFUSE
    crun_on_hybrid: str = OFF
    pressure: str = PSI
    origins: dict[str, str]


def load(environment: Mapping[str, str]) -> Settings:
    """The settings of this host. Raises ShimError naming file and field for a file that is of no use."""
    path = environment.get("CGSHIM_CONFIG") or PATH
    values = _values(path)
    origins = {key: path if key in values else "default" for key in KEYS}
    runtime, policy = values.get("runtime", ""), values.get("policy", REFUSE)
    if environment.get("CGSHIM_RUNTIME"):
        runtime, origins["runtime"] = environment["CGSHIM_RUNTIME"], "CGSHIM_RUNTIME"
    if runtime:
        _check_runtime(runtime, origins["runtime"])
    if policy not in POLICIES:
        raise _bad(path, f"policy: {policy!r} is neither 'refuse' nor 'warn'")
    crun_on_hybrid = values.get("crun_on_hybrid", OFF)
    if crun_on_hybrid not in (OFF, HIDE):
        raise _bad(path, f"crun_on_hybrid: {crun_on_hybrid!r} is neither {OFF!r} nor {HIDE!r}")
    pressure = values.get("pressure", PSI)
    if pressure not in PRESSURES:
        raise _bad(path, f"pressure: {pressure!r} is neither {PSI!r} nor {TASKSTATS!r}")
    return Settings(runtime=runtime, policy=policy, crun_on_hybrid=crun_on_hybrid, pressure=pressure, origins=origins)


def _values(path: str) -> dict[str, str]:
    try:
        text = content(path).decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        return {}
    except OSError as error:
        if isinstance(error, PermissionError) and posix.geteuid() != 0:
            return {}  # a rootless caller cannot read the administrator's file; the defaults are the strict ones
        raise _bad(path, f"cannot be read: {errno_name(error)}") from error
    try:
        values = parse(text, unambiguous) if text.strip() else {}
    except Malformed as error:
        raise _bad(path, f"{error.place(text)}: {error.what}") from None
    except Duplicate as error:
        raise _bad(path, f"{error.key} stands there more than once") from None
    return _checked(path, values)


def _checked(path: str, values: Any) -> dict[str, str]:
    if not isinstance(values, dict):
        raise _bad(path, f"a JSON object was expected, found {kind(values)}")
    for key, value in values.items():
        if key not in KEYS:
            raise _bad(path, f"{key}: no such setting; there are {', '.join(KEYS)}")
        if not isinstance(value, str):
            raise _bad(path, f"{key}: a string was expected, found {kind(value)}")
    return values


def _check_runtime(runtime: str, origin: str) -> None:
    what = ""
    if not runtime.startswith("/"):
        what = "is no absolute path"
    elif not isfile(runtime):
        what = "does not exist" if not exists(runtime) else "is no file"
    elif not posix.access(runtime, posix.X_OK):
        what = "is not executable"
    if what:
        raise ShimError(
            "bad-runtime",
            f"the real runtime {runtime} {what}",
            evidence=(f"{origin}: runtime {runtime}",),
            remedy=(f"name an executable runc or crun by its absolute path in {origin}", "or leave the setting out"),
        )


def family(runtime: str) -> str:
    """Which rules the runtime at this path plays by, judged by its name: "runc", "crun" or "other"."""
    for name in (basename(realpath(runtime)), basename(runtime)):
        for known in ("crun", "runc"):
            if known in name:
                return known
    return "other"


def _bad(path: str, what: str) -> ShimError:
    return ShimError(
        "bad-settings",
        f"the settings in {path} are of no use: {what}",
        evidence=(f"{path}: {what}",),
        remedy=(f'correct {path}, for example {{"runtime": "/usr/sbin/runc", "policy": "refuse"}}', "or remove it"),
    )


def policy_of(settings: Settings, annotations: Any) -> tuple[str, str]:
    """The policy for one container and where it is from; its annotation wins over the settings."""
    value = annotations.get(ANNOTATION) if isinstance(annotations, dict) else None
    if value is None:
        return settings.policy, settings.origins["policy"]
    if value not in POLICIES:
        raise ShimError(
            "bad-policy",
            f"annotation {ANNOTATION}: {value!r} is neither 'refuse' nor 'warn'",
            remedy=(f"set {ANNOTATION} to refuse or warn, or leave it out",),
        )
    return value, f"annotation {ANNOTATION}"
