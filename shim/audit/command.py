"""Parses the command line of `podman run` and `podman create`: the user's options, from CreateCommand."""

from __future__ import annotations

VERBS = ("run", "create")
# podman-run(1): options without a value; all others take the next word if there is no `=`.
ALONE = {
    *("--detach", "--disable-content-trust", "--env-host", "--help", "--http-proxy", "--init", "--interactive"),
    *("--no-healthcheck", "--no-hostname", "--no-hosts", "--no-session", "--oom-kill-disable", "--passwd"),
    *("--privileged", "--publish-all", "--quiet", "--read-only", "--read-only-tmpfs", "--replace", "--rm", "--rmi"),
    *("--rootfs", "--sig-proxy", "--tls-verify", "--tty", "--unsetenv-all", "--init-ctr", "--infra", "--share-parent"),
    *("--remote", "--syslog", "--trace", "--transient-store", "--noout", "--exit-policy", "--version"),
}
LETTERS_ALONE = "ditPqr"
LETTERS = {"m": "--memory", "c": "--cpu-shares"}


def options(argv: list[str]) -> dict[str, list[str]]:
    """Return option -> its values, up to the image's name, without podman's own options before `run`."""
    found: dict[str, list[str]] = {}
    inside = False
    words = iter(argv[1:])
    for word in words:
        if word == "--":
            break
        if not word.startswith("-"):
            if inside:
                break  # the image: the container's own arguments follow
            inside = word in VERBS
            continue
        name, value = _split(word)
        if value is None:
            value = "true" if _alone(name) else next(words, "")
        if inside:
            found.setdefault(name, []).append(value)
    return found


def _split(word: str) -> tuple[str, str | None]:
    """(name, value or None): `--memory=1g`, `-m1g`, `-m=1g`, `-dit`, `-m`."""
    if word.startswith("--"):
        name, equals, value = word.partition("=")
        return name, value if equals else None
    for position, letter in enumerate(word[1:], 1):
        if letter in LETTERS_ALONE:
            continue
        rest = word[position + 1 :].lstrip("=")
        return LETTERS.get(letter, f"-{letter}"), rest or None
    return word, None


def _alone(name: str) -> bool:
    return name in ALONE or (not name.startswith("--") and all(letter in LETTERS_ALONE for letter in name[1:]))
