"""Which parts of an entry's texts are about this message.

If an entry's words come with several errnos, or from several engines, a sentence or a step names its own in front:
"EPERM, EACCES: ...", "docker, podman: ...". Each message has one errno and comes from one engine.
"""

from __future__ import annotations

import re

from shim.diagnose import entry as phrases
from shim.diagnose.entry import Entry, compiled, sentences_of

# Names of errnos, and the words that stand for them in front of a sentence.
ERRNO = r"E[A-Z0-9]{3,}|Permission denied|No such file"
ERRNO_LABEL = re.compile(rf"^((?:{ERRNO})(?:(?:, | or | and )(?:{ERRNO}))*)\b[^:;]{{0,40}}: ")
PLAIN_LABEL = re.compile(rf"^(?:{ERRNO})(?:, (?:{ERRNO}))*: ")
WORDS_OF = {"Permission denied": "EACCES", "No such file": "ENOENT"}
ERRNOS = tuple(name for name in vars(phrases) if re.fullmatch(r"E[A-Z0-9]{3,}", name))
# Engines by their labels, and the words by which a text names them. docker.io is a registry.
ENGINES = {
    "docker": r"\bdocker(?!\.io|://)|\bmoby\b",
    "podman": r"podman|libpod|\bbuildah\b|\bconmon\b",
    "kubernetes": r"kube|\bk3s\b|\brke2\b|\bcrictl\b|\bcri-o\b|crio|podsandbox|\bpods?/",
    "containerd": r"containerd|\bnerdctl\b",
    "lxc": r"\blx[cd]\b|\bincus\b|proxmox|\bpct\b",
}
SAME = {
    **dict.fromkeys(("kubelet", "k3s", "cri-o"), "kubernetes"),
    **dict.fromkeys(("lxd", "incus", "proxmox"), "lxc"),
    **dict.fromkeys(("dockerd", "compose"), "docker"),
    "buildah": "podman",
    "nerdctl": "containerd",
}
ENGINE_LABEL = re.compile(r"^([A-Za-z0-9-]+(?:, [A-Za-z0-9-]+)*): ")


def errnos(words: str) -> frozenset[str]:
    """Return the names of the errnos that the words show, as a name or as their phrase."""
    return frozenset(name for name in ERRNOS if compiled(getattr(phrases, name)).search(words))


def engines(text: str) -> frozenset[str]:
    """Return the engines that the text names, as keys of ENGINES."""
    return frozenset(name for name, words in ENGINES.items() if compiled(words).search(text))


def addressed(entry: Entry, words: str, text: str) -> Entry:
    """Return the entry with the sentences and steps that are about these words. `words`: the match; `text`: all.

    Those of another errno are left out, those of another engine come last. If nothing is labelled with an errno of the
    message, all remain.
    """
    end = words.rsplit("\n", maxsplit=1)[-1]
    lines = (line for line in text.split("\n") if end in line)
    seen = errnos(words) or errnos("\n".join(lines)) or errnos(text)
    steps = tuple(PLAIN_LABEL.sub("", step) if _is_for(step, seen) else step for step in _of(entry.remedy, seen))
    return entry.changed(cause=" ".join(_of(sentences_of(entry.cause), seen)), remedy=_in_order(steps, engines(text)))


def _is_for(part: str, seen: frozenset[str]) -> bool:
    return bool(seen & _named(part))


def _named(part: str) -> frozenset[str]:
    """Return the errnos in front of a sentence or step."""
    label = ERRNO_LABEL.match(part)
    names = re.findall(ERRNO, label.group(1)) if label else ()
    return frozenset(WORDS_OF.get(name, name) for name in names)


def _of(parts: list[str] | tuple[str, ...], seen: frozenset[str]) -> tuple[str, ...]:
    if not any(_is_for(part, seen) for part in parts):
        return tuple(parts)
    return tuple(part for part in parts if not _named(part) or _is_for(part, seen))


def _in_order(steps: tuple[str, ...], named: frozenset[str]) -> tuple[str, ...]:
    """Return the steps, those for an engine that is not named last; unchanged if no engine is named."""
    return tuple(sorted(steps, key=lambda step: bool(named and _engines_of(step) and not named & _engines_of(step))))


def _engines_of(step: str) -> frozenset[str]:
    label = ENGINE_LABEL.match(step)
    names = [name.lower() for name in label.group(1).split(", ")] if label else []
    known = [SAME.get(name, name) for name in names]
    return frozenset(known) if all(name in ENGINES for name in known) else frozenset()
