"""`hooks list --prove`: podman is a program of the test's own; the real one is in integration/test_hooks.py."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from shim.engines.hooks_proof import proven
from shim.errors import ShimError
from shim.planning import injection

OURS = {"path": "/usr/bin/cgshim-hook", "args": [injection.NAME, "create_runtime", "--runtime", "/usr/sbin/runc"]}
OTHERS = {"path": "/usr/bin/nvidia-hook", "args": ["nvidia-hook", "prestart"]}
HOOKS = {"createRuntime": [OTHERS, OURS], "poststop": [OURS], "prestart": [OTHERS], "startContainer": []}


class Podman:
    """`calls`: its command lines so far, and whether the program of the container was there at `create`."""

    def __init__(self, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.config, self.log = place / "config.json", place / "calls"
        self.program = place / "bin" / "podman"
        self.program.parent.mkdir()
        monkeypatch.setenv("PATH", f"{self.program.parent}:/usr/bin:/bin")
        self.answers("")

    def answers(self, failing: str, words: str = "") -> None:
        """All succeed but the command `failing`."""
        self.program.write_text(
            "#!/bin/sh\n"
            f'echo "$*" >>{self.log}\n'
            f'case "$1" in\n"{failing}") echo "{words}" >&2; exit 125 ;;\n'
            'create) for rootfs; do case "$rootfs" in /*/rootfs) break ;; esac; done\n'
            f'    [ -x "$rootfs/program" ] && echo "program is there" >>{self.log}; echo 4f2d1a ;;\n'
            f"inspect) echo {self.config} ;;\nesac\n"
        )
        self.program.chmod(0o755)

    def calls(self) -> list[str]:
        """One a line; the rest of `create` is looked at by its words."""
        return self.log.read_text().splitlines()


@pytest.fixture
def podman(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Podman:
    """The program, first in PATH."""
    return Podman(tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("config", "stages"),
    [
        ({"hooks": HOOKS}, ("createRuntime", "poststop")),
        ({"hooks": {"prestart": [OTHERS], "poststop": None}}, ()),
        ({"hooks": {"poststop": [{"path": "/x"}, {"path": "/y", "args": []}]}}, ()),
        ({"hooks": None}, ()),
        ({}, ()),
    ],
    ids=["ours and others", "others alone", "without arguments", "null", "no hooks"],
)
def test_stages_are_read_from_the_configuration(
    podman: Podman, config: dict[str, object], stages: tuple[str, ...]
) -> None:
    """Ours are told by the first argument; the container is made without a network and always removed."""
    podman.config.write_text(json.dumps(config))
    assert proven() == stages
    name = f"cgshim-hooks-proof-{os.getpid()}"
    create, there, *rest = podman.calls()
    assert create.startswith("create --rootfs --network none ")
    assert f" --name {name} " in create
    assert create.endswith("/rootfs /program")
    assert there == "program is there"
    assert rest == [f"init {name}", f"inspect --format {{{{.OCIConfigPath}}}} {name}", f"rm --force {name}"]
    assert not Path(create.split()[-2]).exists()


@pytest.mark.parametrize("command", ["create", "init", "inspect"])
def test_what_podman_refuses_is_said_in_its_words(podman: Podman, command: str) -> None:
    """The container is removed whatever failed."""
    words = "Error: OCI runtime error: runc create failed: unable to start container process"
    podman.answers(command, words)
    with pytest.raises(ShimError, match=f"podman {command} failed for the container of the proof") as caught:
        proven()
    assert (caught.value.code, caught.value.evidence) == ("hooks-not-proven", (words,))
    assert podman.calls()[-1] == f"rm --force cgshim-hooks-proof-{os.getpid()}"


def test_a_silent_failure_has_evidence_too(podman: Podman) -> None:
    """An empty line would say nothing."""
    podman.answers("init")
    with pytest.raises(ShimError) as caught:
        proven()
    assert caught.value.evidence == ("podman printed nothing",)


def test_a_podman_that_does_not_start(podman: Podman, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's reason is the evidence, although the container cannot be removed either."""
    podman.program.chmod(0o644)
    monkeypatch.setenv("PATH", str(podman.program.parent))
    with pytest.raises(ShimError) as caught:
        proven()
    assert (caught.value.code, caught.value.evidence) == (
        "hooks-not-proven",
        ("[Errno 13] Permission denied: 'podman'",),
    )
