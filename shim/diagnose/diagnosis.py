"""A diagnosis: a frozen value that the engine's channel, `cgshimctl` and the tests render.

May be imported on the hot path: it imports nothing but `Value`.
"""

from __future__ import annotations

from shim.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Context(Value):
    """The known facts about the call that failed.

    view: the host's files (`shim.host.view.View` or anything with `text`, `names` and, if it has it, `status`).
    config: parsed config.json, None if there is none. runtime: "runc", "crun" or "other".
    bundle: absolute path, "" if unknown. cgroups_path: `linux.cgroupsPath`, None if the key is absent.
    command: "create", "run", "restore", "update", "checkpoint". container: its id.
    placed: False if the call, and with it the cgroup, is unknown (a pasted text).
    notes: the plan's notes (`shim.rules.base.Note`), () without a plan.
    said: the whole text that is explained, with what stands around the failure.
    kernel_log: text of the kernel log; None: read it from the host when an entry needs it.
    """

    view: Any
    config: Any = None
    runtime: str = "runc"
    bundle: str = ""
    cgroups_path: str | None = None
    command: str = "create"
    container: str = ""
    placed: bool = True
    notes: tuple[Any, ...] = ()
    said: str = ""
    kernel_log: str | None = None


class Diagnosis(Value):
    """One explained failure.

    code: stable, kebab-case, listed in docs/diagnoses.md. verdict: one sentence. cause: why.
    evidence: facts from this host, one a line. remedy: steps to paste, one a line.
    reference: kernel document or upstream thread. raw: the runtime's own text, noise included.
    confirmed: a fact on this host supports it; False: only the text does.
    ours: False for a failure that is not about mounts or cgroups; it is passed through unchanged.
    others: codes that fit the text too, but were not confirmed or came second.
    tell: a command whose output decides whether this is the cause; "" if there is no doubt.
    causes: if several causes fit and nothing decides, a diagnosis of each, the likeliest first.
    """

    code: str
    verdict: str
    cause: str = ""
    evidence: tuple[str, ...] = ()
    remedy: tuple[str, ...] = ()
    reference: str = ""
    raw: str = ""
    confirmed: bool = False
    ours: bool = True
    others: tuple[str, ...] = ()
    tell: str = ""
    causes: tuple[Diagnosis, ...] = ()
