"""After the runtime has done its part: bridge, read back, and let the policy judge what did not land.

Used on the same terms by an intercepted `create`, `restore` and `update`, and by the createRuntime hook.
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
    from shim.host.view import View
    from shim.planning.rewrite import Rewrite

    Notices = list[tuple[str, str]]


class Subject(Value):
    """The container that is looked at: its init's pid and its id.

    root: where the runtime keeps its state, "" where that is not known (a hook is not told).
    """

    pid: int
    container: str
    root: str = ""


class InitEnded(ShimError):
    """The container's init runs no more, so its /proc/PID/cgroup proves nothing; shim.diagnose.init_ended tells why."""

    def __init__(self, container: str, fate: Fate) -> None:
        super().__init__("init-ended", f"the init of container {container} has ended", evidence=(fate.evidence,))
        self.fate = fate


def follow_up(view: View, subject: Subject, made: Rewrite) -> Notices:
    """Set what only cgroup2 has, read every limit back, and see that the init whose limits they are still runs.

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
    """Set what only cgroup2 has, read every limit back; (level, text) notices.

    Raises ShimError `limit-not-applied` for a guard that the kernel does not show, and the bridge's own errors, unless
    the policy is `warn`.
    """
    from shim.enforce.verify import verify

    told = _bridged(view, subject, made) if made.plan.bridge else []
    findings = verify(view, subject.pid, made.plan.expectations, made.host)
    lost = tuple(f for f in findings if f.expectation.kind == GUARD and f.found is not None)
    if lost and made.policy != settings.WARN:
        raise not_applied(lost, made)
    return told + [("warning" if f.expectation.kind == GUARD else "info", _notice(f)) for f in findings]


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
    text = f"processes of exec are outside {placed.directory}, which has {fields}: {placed.outside}"
    return [("warning", f"cgshim: {text}")]


def _notice(finding: Finding) -> str:
    verdict = "could not be read back" if finding.found is None else "is not what the kernel shows"
    return f"cgshim: {finding.expectation.field} {verdict}: {finding.text()}"


def not_applied(lost: tuple[Finding, ...], made: Rewrite) -> ShimError:
    """The refusal: what was asked, which file shows what instead."""
    first = lost[0]
    more = f" (and {len(lost) - 1} more)" if len(lost) > 1 else ""
    done = "left as it now is" if made.asked.operation == "update" else "not started"
    return ShimError(
        "limit-not-applied",
        f"{first.expectation.field} did not reach the kernel, so the container was {done}{more}",
        cause=f"{made.asked.runtime} reported success, but the container's cgroup does not show the limit",
        evidence=tuple(finding.text() for finding in lost),
        remedy=(
            "update the runtime, or leave the field out: this runtime ignores or alters it",
            f'or accept the loss: annotation {settings.ANNOTATION}=warn, or {{"policy": "warn"}} in {settings.PATH}',
        ),
    )
