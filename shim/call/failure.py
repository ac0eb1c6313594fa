"""The real runtime failed: turn its message and the host's facts into one diagnosis on the engine's channel.

Imported only after a failure, so it may take its time.
"""

from __future__ import annotations

import posix

from shim.call import channel, log_records
from shim.diagnose.diagnosis import Context
from shim.oci import cgroups_path
from shim.system import basename, join, normpath

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from shim.call.prepare import Call, Prepared
    from shim.call.runtime_log import RuntimeLog

OWN_HOOK = "stderr: cgshim: "  # how runc quotes the hook that cgshim injected
CRUN_HOOK = "error executing hook"
NAMED_LOG = r"(log file: |CRIU logfile `?|--- (?:Quoting|excerpt from CRIU log) [\"`])(?!/)([^\s\"`]+)"
EXCERPT = ("--- Quoting ", "--- excerpt from CRIU log ")  # runc, crun


def tell(this: Call, prepared: Prepared, log: RuntimeLog) -> None:
    """Write the diagnosis of a failed call to the caller's log and to stderr.

    A failure that is not about the host (a missing command in the image, the user's own code) is passed on unchanged.
    """
    text = log.text()
    words = log_records.failure(text)
    if not words:
        log.hand_on()
        return
    words = _with_place_of_log(_with_reasons(_with_excerpt(words, text), text))
    message, parts = _own_refusal(words, this.invocation.container_id), None
    if not message:
        message, parts = _explained(this, prepared, words)
    if not message:
        log.hand_on()
        return
    channel.say(this.invocation, message, parts=parts)
    if basename(this.invocation.log) in ("", "log.json"):  # podman takes a second object for an error
        log.hand_on_warnings(EXCERPT)


def _own_refusal(words: str, container: str) -> str:
    """Return the diagnosis of our own hook without the runtime's text around it; crun does not quote its hooks."""
    _, found, inner = words.partition(OWN_HOOK)
    if found:
        return f"cgshim: {inner.rstrip()}"
    if not words.startswith(CRUN_HOOK):
        return ""
    from shim.state import failures

    return failures.just_said_of(container)


def _with_excerpt(words: str, text: str) -> str:
    """Put CRIU's log into the message. Newer runtimes quote that log, one record a line, and then report only that CRIU
    failed.
    """
    quoted = log_records.behind(log_records.records(text), EXCERPT)
    return "\n".join(record.message for record in quoted) if quoted else words


def _with_place_of_log(words: str) -> str:
    """Make the path of CRIU's log absolute: with `--work-path ./x` a runtime prints one relative to our own
    directory.
    """
    import re

    cwd = posix.getcwd()
    return re.sub(NAMED_LOG, lambda found: f"{found[1]}{normpath(join(cwd, found[2]))}", words)


def _with_reasons(words: str, text: str) -> str:
    """Put the reasons of runc's first stages into the message. runc before 1.4 logs those as records of level "fatal",
    and its error says only that the stages are gone.
    """
    reasons = [one.message for one in log_records.records(text) if one.level == "fatal" and one.message not in words]
    return "\n".join([*reasons, words])


def _explained(this: Call, prepared: Prepared, words: str) -> tuple[str, dict[str, Any]]:
    from shim.diagnose.explain import explain
    from shim.diagnose.render import as_dict, render
    from shim.host.view import View

    made, invocation = prepared.made, this.invocation
    config = made.document.value if made and made.where else None
    context = Context(
        view=View(),
        config=config,
        runtime=this.family,
        bundle=invocation.bundle,
        cgroups_path=cgroups_path.of(config),
        command=invocation.command,
        container=invocation.container_id,
        notes=made.plan.notes if made else (),
    )
    diagnosis = explain(words, context)
    return render(diagnosis, channel.MOST) if diagnosis.ours else "", as_dict(diagnosis)
