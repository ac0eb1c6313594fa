"""After the runtime: bridge, read back, and let the policy judge limits that are missing.

Used alike by an intercepted `create`, `restore` and `update`, and by the createRuntime hook.
"""

from __future__ import annotations

from shim.enforce.init_process import fate
from shim.errors import ShimError
from shim.planning import settings
from shim.rules.base import GUARD
from shim.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.enforce.init_process import Fate
    from shim.enforce.verify import Finding
    from shim.errors import Notice
    from shim.host.view import View
    from shim.planning.rewrite import Rewrite

    Notices = list[Notice]


OUT_OF_SIGHT = "is not visible below"  # from shim.enforce.verify.cgroup: the path is known, but no mount shows it


class Subject(Value):
    """The container to verify: its init's pid and its id.

    root: where the runtime keeps its state, "" if that is unknown (a hook does not get it).
    """

    pid: int
    container: str
    root: str = ""


class InitEnded(ShimError):
    """The container's init has ended, so its /proc/PID/cgroup proves nothing; shim.diagnose.init_ended finds the
    reason.
    """

    def __init__(self, container: str, fate: Fate) -> None:
        super().__init__("init-ended", f"the init of container {container} has ended", evidence=(fate.evidence,))
        self.fate = fate


def follow_up(view: View, subject: Subject, made: Rewrite) -> Notices:
    """Set limits that only cgroup2 has, read every limit back, and check that the same init still runs.

    Returns (level, text) notices. Raises InitEnded, or what `_landed` raises.
    """
    told, failed = [], None
    try:
        told = _landed(view, subject, made)
    except ShimError as error:
        failed = error
    ended = fate(view, subject.pid, _started(subject) if failed else 0)
    if ended:
        raise InitEnded(subject.container, ended)
    if failed:
        raise failed
    return told


def _started(subject: Subject) -> int:
    from shim.containers.recorded import recorded

    found = recorded(subject.root, subject.container)
    return found.started if found else 0


def _landed(view: View, subject: Subject, made: Rewrite) -> Notices:
    """Set limits that only cgroup2 has and read every limit back; return (level, text) notices.

    Raises ShimError `limit-not-applied` for a guard that the kernel does not show, and `limit-not-read` for one that
    cannot be read although no fact about the host explains it, and the bridge's own errors, unless the policy is
    `warn`.
    """
    from shim.enforce.verify import verify

    told = _bridged(view, subject, made) if made.plan.bridge else []
    findings = verify(view, subject.pid, made.plan.expectations, made.host)
    lost = tuple(f for f in findings if f.expectation.kind == GUARD and f.found is not None)
    if lost and made.policy != settings.WARN:
        from shim.enforce.unverified import not_applied

        raise not_applied(lost, made)
    hidden = {finding: _hidden(finding, made) for finding in findings}
    unread = tuple(f for f in findings if f.expectation.kind == GUARD and f.found is None and not hidden[f])
    if unread and made.policy != settings.WARN:
        from shim.enforce.unverified import not_read

        raise not_read(unread, made)
    return told + [("warning" if f.expectation.kind == GUARD else "info", _notice(f) + hidden[f]) for f in findings]


def _hidden(finding: Finding, made: Rewrite) -> str:
    """Return the fact about the host that hides the container's cgroup, "" if there is none.

    In a cgroup namespace, or if only a subtree is mounted, cgroups beside our own are invisible (cgroup_namespaces(7)).
    A process that is gone, or a hierarchy that is not mounted, is not such a fact.
    """
    seen = made.host.cgroup_view
    if finding.found is not None or OUT_OF_SIGHT not in finding.why or seen.value not in ("namespace", "subtree"):
        return ""
    return f"; from here only a {seen.value} of the cgroups is visible ({seen.evidence})"


def _bridged(view: View, subject: Subject, made: Rewrite) -> Notices:
    from shim.enforce.bridge import bridge

    tolerant, limits = made.policy == settings.WARN, made.plan.bridge
    may_move = tolerant and made.asked.operation == "create"
    try:
        placed = bridge(view, subject.pid, subject.container, limits, made.host, may_move=may_move)
    except ShimError as error:
        if not tolerant or error.code not in ("bridge-impossible", "bridge-refused"):
            raise
        return [("warning", f"cgshim: {error.what}: {'; '.join(error.evidence)}")]
    if not placed.outside:
        return []
    fields = ", ".join(limit.field for limit in limits)
    text = f"processes started by exec are outside {placed.directory}, which has {fields}: {placed.outside}"
    return [("warning", f"cgshim: {text}")]


def _notice(finding: Finding) -> str:
    verdict = "could not be read back" if finding.found is None else "is not what the kernel shows"
    return f"cgshim: {finding.expectation.field} {verdict}: {finding.text()}"
