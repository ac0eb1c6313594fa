"""What a text reveals about itself: the program, the cgroup layout, the cgroup, and cgshim's own words in it."""

from __future__ import annotations

import re

from shim.diagnose.catalogue import ENTRIES
from shim.diagnose.diagnosis import Diagnosis
from shim.diagnose.entry import CHARACTER, V1_NAMES, filled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.diagnose.diagnosis import Context

# Interface files that only one of the two versions has.
V1_FILES = re.compile(
    r"\b(?:\w+\.limit_in_bytes|\w+\.memsw\.\w+|memory\.(?:kmem|oom_control|swappiness|use_hierarchy|soft_limit)\w*"
    r"|cpu\.(?:cfs|rt)_\w+|cpu\.shares|blkio\.\w+|devices\.(?:allow|deny|list)|freezer\.state|net_(?:cls|prio)\.\w+)\b"
    rf"|/sys/fs/cgroup/(?:[a-z_]+,)?{V1_NAMES}(?:,[a-z_]+)?/"
    rf"|mount[^\n]* [`'/]?\S*sys/fs/cgroup/(?:[a-z_]+,)?{V1_NAMES}(?:,[a-z_]+)?[`'\",:]?(?:\s|:|$)"
    rf"|/(?:[a-z_]+,)?{V1_NAMES}(?:,[a-z_]+)?/(?:{CHARACTER}*/)?{V1_NAMES}\.[a-z_]+\b"
    # Runtimes look for cgroup2 at /sys/fs/cgroup alone.
    rf"|(?:open|write|stat|mkdir) /(?!sys/fs/cgroup){CHARACTER}*/{V1_NAMES}\.[a-z_]+\b",
    re.IGNORECASE,
)
V2_FILES = re.compile(
    r"\b(?:memory\.(?:max|high|low|min|swap\.\w+|events|oom\.group)|cpu\.(?:max|weight)\b|io\.(?:max|weight|stat)"
    r"|cgroup\.(?:controllers|subtree_control|type|freeze|kill|max\.\w+)|cpuset\.cpus\.(?:effective|partition))"
    rf"|cgroup ?v?2\b|/sys/fs/cgroup/(?!(?:[a-z_]+,)?{V1_NAMES}[,/]|systemd/|elogind/)(?=[^\s/]+/)",
    re.IGNORECASE,
)
PLACE = re.compile(
    rf"/sys/fs/cgroup(?:/(?:[a-z_]+,)?{V1_NAMES}(?:,[a-z_]+)?(?=/)|/unified|/systemd)?"
    rf"(?P<cgroup>/{CHARACTER}+)/[a-z]+\d*\.[\w.]+"
)
# Programs by their own words, the most specific first.
SPEAKERS = (
    ("runc", r"\brunc (?:create|run|exec|start|update|restore|checkpoint) failed|\brunc:|\bnsexec|\brunc init\b"),
    (
        "runc",
        r"\b(?:container|process|rootfs|standard_init|init)_linux\.go:\d|oci runtime error: (?:container|open|write)",
    ),
    ("crun", r"\bcrun\b"),
    ("CRIU", r"\bcriu\b"),
    ("the NVIDIA hook", r"\bnvidia-container-(?:cli|toolkit|runtime)"),
    ("LXC", r"\blx[cd][-_ ]\w|\bincus\b"),
    ("k3s", r"\bk3s\b"),
    ("the kubelet", r"\bkubelet\b|ContainerManager|\bkubepods\b.*doesn't exist"),
    ("CRI-O", r"\bcri-?o\b"),
    ("Podman", r"\bpodman\b|\blibpod\b"),
    ("containerd", r"\bcontainerd\b|failed to create shim|rpc error"),
    ("Docker", r"Error response from daemon|\bdockerd?\b"),
    ("systemd", r"\bsystemd(?:\[|\b)|\binit\.scope\b|\.service\b"),
)
OWN = re.compile(r"cgshim: (?P<verdict>[^\n]*?) \[(?P<code>[a-z0-9]+(?:-[a-z0-9]+)+)\]")
SHOWN = re.compile(r"^\s*code\s+(?P<code>[a-z0-9]+(?:-[a-z0-9]+)+)\s*$", re.MULTILINE)


def speaker(words: str) -> str:
    """Return the program that printed the words; "the runtime" if none is recognised."""
    return next((name for name, pattern in SPEAKERS if re.search(pattern, words, re.IGNORECASE)), "the program")


def runtime_of(text: str) -> str:
    """Return whose words they are: "runc" or "crun", "other" if neither's."""
    name = speaker(text)
    if name in ("runc", "crun"):
        return name
    if re.search(r"\brunc\b|OCI runtime (?:create|exec) failed|error during container init", text):
        return "runc"
    quoted = re.search(
        r"(?:open|opening file|writing file|write to|mount|stat|access|clone|creating cgroup directory) `", text
    )
    return "crun" if quoted else "other"


def command_of(text: str) -> str:
    """Return what was called, as far as the words show: "exec", "update", else "create"."""
    if re.search(r"\bexec failed|(?:executing command|to exec) in container|probe errored", text):
        return "exec"
    updated = r"Setting back cgroup configs failed|Cannot update container|\bupdate failed|UpdateContainerResources"
    return "update" if re.search(updated, text) else "create"


def layout_of(words: str) -> str:
    """Return the cgroup version of the paths and files in the words: "v1" or "v2"; "" if they show none or both."""
    first, second = V1_FILES.search(words), V2_FILES.search(words)
    return "" if bool(first) == bool(second) else "v1" if first else "v2"


def placed(context: Context, words: str) -> Context:
    """Return the context of a pasted text, with the cgroup from a path in the words."""
    if context.placed:
        return context
    found = PLACE.search(words)
    return context.changed(placed=True, cgroups_path=found["cgroup"]) if found else context


def own_code(text: str) -> str:
    """Return the code of a pasted diagnosis of cgshim, "" if there is none or no such code."""
    flat = " ".join(text.replace("\\n", "\n").split())
    found = OWN.search(text) or OWN.search(flat) or SHOWN.search(text)
    code = found["code"] if found else ""
    return code if code and any(entry.code == code for entry in ENTRIES) else ""


def own_message(text: str, code: str) -> Diagnosis | None:
    """Return what cgshim itself refused: the entry without any runtime's words, with the message's own verdict."""
    entry = next((one for one in ENTRIES if one.code == code and one.silent), None) if code else None
    if entry is None:
        return None
    found = OWN.search(text)
    given = by_code(code, text)
    return given.changed(verdict=found["verdict"]) if given and found else given


def by_code(code: str, text: str) -> Diagnosis | None:
    """Return the entry of this code, for a pasted diagnosis whose words alone are not recognised."""
    for entry in ENTRIES:
        if entry.code == code:
            texts = filled(entry, {"runtime": "the runtime"})
            return Diagnosis(
                code=code,
                verdict=texts.verdict,
                cause=texts.cause,
                remedy=texts.remedy,
                reference=entry.reference,
                raw=text,
                ours=entry.ours,
            )
    return None
