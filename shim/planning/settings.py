"""Settings: `/etc/cgshim/config.json`, annotations `io.cgshim.*` and defaults; every value has its origin.

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

    from shim.rules.runtimes import Family

FAMILIES: tuple[Family, ...] = ("crun", "runc")
PATH = "/etc/cgshim/config.json"
REFUSE, WARN = "refuse", "warn"
POLICIES = (REFUSE, WARN)
OFF, HIDE = "off", "hide-cgroup2"
PSI, TASKSTATS = "psi", "taskstats"
PRESSURES = (PSI, TASKSTATS)
TIGHTEN, TRUST = "tighten", "trust"
AUTHORITIES = (TIGHTEN, TRUST)
ANNOTATION = "io.cgshim.policy"
PRESSURE = "io.cgshim.pressure"
BRIDGE = "io.cgshim.bridge"  # shim.planning.bridged_limits
# Key -> its two allowed values, of which the first is the default.
CHOICES = {
    "policy": POLICIES,
    "crun_on_hybrid": (OFF, HIDE),
    "pressure": PRESSURES,
    "annotations": AUTHORITIES,
}
KEYS = ("runtime", *CHOICES)


class Settings(Value):
    """runtime: absolute path of the real runtime, "" for the first one found. policy: "refuse" or "warn".

    crun_on_hybrid: "off", or "hide-cgroup2" (shim.enforce.private_view). pressure: "psi", or "taskstats"
    (shim.observe.delays). annotations: what a container's annotations io.cgshim.* may do, "tighten" or "trust". The
    author of an image or of a pod can write them. So by default they cannot loosen the settings, and cost the host
    nothing. origins: key -> where its value is from.
    """

    runtime: str = ""
    policy: str = REFUSE
    crun_on_hybrid: str = OFF
    pressure: str = PSI
    annotations: str = TIGHTEN
    origins: dict[str, str]

    @property
    def trusting(self) -> bool:
        """True if an annotation may loosen the settings."""
        return self.annotations == TRUST


def load(environment: Mapping[str, str], in_use: str = "") -> Settings:
    """Return the settings of this host. Raises ShimError naming file and field for a file that is not valid.

    in_use: the real runtime of this call; a runtime that is not used need not exist.
    """
    path = environment.get("CGSHIM_CONFIG") or PATH
    values = _values(path)
    origins = {key: path if key in values else "default" for key in KEYS}
    runtime = values.get("runtime", "")
    if environment.get("CGSHIM_RUNTIME"):
        runtime, origins["runtime"] = environment["CGSHIM_RUNTIME"], "CGSHIM_RUNTIME"
    if runtime and in_use in ("", runtime):
        check_runtime(runtime, origins["runtime"])
    chosen = {}
    for key, words in CHOICES.items():
        chosen[key] = values.get(key, words[0])
        if chosen[key] not in words:
            raise _bad(path, f"{key}: {chosen[key]!r} is neither {words[0]!r} nor {words[1]!r}")
    return Settings(runtime=runtime, origins=origins, **chosen)


def _values(path: str) -> dict[str, str]:
    try:
        text = content(path).decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        return {}
    except OSError as error:
        if isinstance(error, PermissionError) and posix.geteuid() != 0:
            return {}  # a rootless caller cannot read the administrator's file; the defaults are the strict values
        raise _bad(path, f"cannot be read: {errno_name(error)}") from error
    try:
        values = parse(text, unambiguous) if text.strip() else {}
    except Malformed as error:
        raise _bad(path, f"{error.place(text)}: {error.what}") from None
    except Duplicate as error:
        raise _bad(path, f"the key {error.key} is there more than once") from None
    return _checked(path, values)


def _checked(path: str, values: Any) -> dict[str, str]:
    if not isinstance(values, dict):
        raise _bad(path, f"a JSON object was expected, found {kind(values)}")
    for key, value in values.items():
        if key not in KEYS:
            raise _bad(path, f"{key}: no such setting; the settings are {', '.join(KEYS)}")
        if not isinstance(value, str):
            raise _bad(path, f"{key}: a string was expected, found {kind(value)}")
    return values


def check_runtime(runtime: str, origin: str) -> None:
    """Raise ShimError `bad-runtime` unless it is an executable file. origin: the file or variable that names it."""
    what = ""
    if not runtime.startswith("/"):
        what = "is not an absolute path"
    elif not isfile(runtime):
        what = "does not exist" if not exists(runtime) else "is not a file"
    elif not posix.access(runtime, posix.X_OK):
        what = "is not executable"
    if what:
        raise ShimError(
            "bad-runtime",
            f"the real runtime {runtime} {what}",
            evidence=(f"{origin}: runtime {runtime}",),
            remedy=(f"name an executable runc or crun by its absolute path in {origin}", "or leave the setting out"),
        )


def family(runtime: str) -> Family:
    """Return the family of the runtime at this path, judged by its name: "runc", "crun" or "other"."""
    for name in (basename(realpath(runtime)), basename(runtime)):
        for known in FAMILIES:
            if known in name:
                return known
    return "other"


def _bad(path: str, what: str) -> ShimError:
    return ShimError(
        "bad-settings",
        f"{path} is not a valid settings file: {what}",
        evidence=(f"{path}: {what}",),
        remedy=(f'correct {path}, for example {{"runtime": "/usr/sbin/runc", "policy": "refuse"}}', "or remove it"),
    )


def policy_of(settings: Settings, annotations: Any) -> tuple[str, str, str]:
    """Return the policy for one container, its origin, and the annotation that was ignored ("" for none).

    The annotation `refuse` always counts. The annotation `warn` gives up limits, so it counts only if the settings
    trust annotations.
    """
    value = annotations.get(ANNOTATION) if isinstance(annotations, dict) else None
    own, origin = settings.policy, settings.origins["policy"]
    if value is None:
        return own, origin, ""
    if value not in POLICIES:
        raise ShimError(
            "bad-policy",
            f"annotation {ANNOTATION}: {value!r} is neither 'refuse' nor 'warn'",
            remedy=(f"set {ANNOTATION} to refuse or warn, or leave it out",),
        )
    if value == REFUSE or settings.trusting:
        return value, f"annotation {ANNOTATION}", ""
    return own, origin, "" if own == WARN else not_trusted(ANNOTATION, value)


def not_trusted(annotation: str, value: str) -> str:
    """Return the message about an annotation that would loosen the settings."""
    return (
        f"annotation {annotation}={value} is ignored: the author of an image or a pod can write it; "
        f'{{"annotations": "trust"}} in {PATH} allows it'
    )


def acceptance(trusting: bool) -> str:
    """Return how to have a container started without a limit. An annotation is advised only if it counts."""
    by_settings = f'{{"policy": "warn"}} in {PATH}'
    if trusting:
        return f"or accept the loss: annotation {ANNOTATION}=warn, or {by_settings}"
    return f"or accept the loss, for every container: {by_settings}"
