"""conmon as CRI-O drives it: its first API, stream sockets, the runtime's flags by --runtime-arg, and never a --log.

The exchange: we write a byte to the start pipe when conmon may call the runtime; conmon answers on the sync pipe with
one JSON object a line, {"pid": N}, or {"pid": -1, "message": "what the runtime wrote to stderr"}.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
from typing import TYPE_CHECKING, Any

from integration.bundle import base_config
from integration.containers import SEARCH_PATH, Result
from integration.engines.engine import CGROUP_PARENT, SECONDS, Wish, wait_until
from integration.engines.podman import as_text_record

if TYPE_CHECKING:
    from pathlib import Path

    from integration.engines.front import Front

ENVIRONMENT = {"PATH": SEARCH_PATH, "XDG_RUNTIME_DIR": "/run", "CRI_O_EXTERNAL": "1"}
LINE = re.compile(rb"[^ ]+ (stdout|stderr) ([FP]) (.*\n)")


def logged(path: Path) -> tuple[str, str]:
    """stdout and stderr from a log in the CRI format: time, stream, F for a full line, text."""
    streams = {b"stdout": b"", b"stderr": b""}
    for stream, full, text in LINE.findall(path.read_bytes() if path.exists() else b""):
        streams[stream] += text if full == b"F" else text[:-1]
    return streams[b"stdout"].decode(), streams[b"stderr"].decode()


class Conmon:
    """One container a call; everything of it below `place`."""

    kind = "conmon"
    gives_log = False

    def __init__(self, place: Path, front: Front, rootfs: Path) -> None:
        place.mkdir()
        self._place = place
        self._front = front
        self._rootfs = rootfs
        for name in ("bundles", "exits", "persist", "sockets", "logs", "root"):
            (place / name).mkdir()

    def runtime(self, *args: str, bare: bool = False, stdin: str = "") -> Result:
        """The runtime, called directly, as CRI-O does for everything but `create`."""
        path = self._front.runtime if bare else str(self._front.path)
        return self._front.system([path, "--root", str(self._place / "root"), *args], env=ENVIRONMENT, stdin=stdin)

    def create(self, name: str, wish: Wish) -> dict[str, Any]:
        """conmon's answer to a `create`."""
        bundle = self._bundle(name, wish)
        ours, theirs = socket.socketpair()
        start, wait = socket.socketpair()
        variables = {"_OCI_SYNCPIPE": str(theirs.fileno()), "_OCI_STARTPIPE": str(wait.fileno())}
        argv = self._argv(name, bundle, bare=wish.bare)
        handles = (theirs.fileno(), wait.fileno())
        start.sendall(b"\0")  # conmon waits for it before it becomes a daemon
        with (self._place / "conmon.log").open("ab") as log:
            subprocess.run(
                argv,
                check=True,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**ENVIRONMENT, **variables},
                pass_fds=handles,
                timeout=SECONDS,
            )
        theirs.close()
        wait.close()
        start.close()
        return _answer(ours)

    def _bundle(self, name: str, wish: Wish) -> Path:
        bundle = self._place / "bundles" / name
        bundle.mkdir(exist_ok=True)
        for old in (self._place / "logs" / name, self._place / "exits" / name):
            old.unlink(missing_ok=True)
        mount = {"type": "bind", "source": wish.mount[0], "destination": wish.mount[1], "options": ["rbind"]}
        config = base_config(
            args=list(wish.args),
            resources=wish.resources,
            mounts=[mount] if wish.mount[0] else [],
            linux={"cgroupsPath": f"/{CGROUP_PARENT}/{name}"},
            root={"path": str(self._rootfs)},
        )
        (bundle / "config.json").write_text(json.dumps(config))
        return bundle

    def _argv(self, name: str, bundle: Path, *, bare: bool) -> list[str]:
        runtime = self._front.runtime if bare else str(self._front.path)
        own = {
            "-b": bundle,
            "-c": name,
            "-n": name,
            "-u": name,
            "--exit-dir": self._place / "exits",
            "-l": self._place / "logs" / name,
            "--log-level": "info",
            "-P": bundle / "conmon.pid",
            "-p": bundle / "pidfile",
            "--persist-dir": self._place / "persist",
            "-r": runtime,
            "--runtime-arg": f"--root={self._place / 'root'}",
            "--socket-dir-path": self._place / "sockets",
        }
        return [*self._front.system.within, "conmon", *(str(word) for pair in own.items() for word in pair)]

    def run(self, name: str, wish: Wish) -> Result:
        """Create, start, wait for the end: the answer's message, or the container's output, and its status."""
        answer = self.create(name, wish)
        if answer["pid"] < 0:
            return Result(("conmon", name), 1, "", str(answer.get("message", "")))
        started = self.runtime("start", name, bare=wish.bare)
        assert started.status == 0, str(started)
        ended = self._place / "exits" / name
        assert wait_until(lambda: ended.exists() and ended.read_text())
        out, err = logged(self._place / "logs" / name)
        return Result(("conmon", name), int(ended.read_text()), out, err)

    def start_again(self, name: str, wish: Wish) -> Result:
        """The kubelet makes a new container; the worst case is the same one once more."""
        self.runtime("delete", "--force", name)
        return self.run(name, wish)

    def remove(self, name: str) -> None:
        """`delete --force`."""
        self.runtime("delete", "--force", name)

    def refusal(self, text: str, spoken: str = "", *, again: str = "") -> tuple[int, str]:
        """All of stderr: what runc says, then cgshim's record; both in the runtime's own text form."""
        del again
        return 1, "".join(f"{part}\n" for part in (spoken, as_text_record(text)) if part)


def _answer(sync: socket.socket) -> dict[str, Any]:
    sync.settimeout(SECONDS)
    text = b""
    while not text.endswith(b"\n"):
        part = sync.recv(65536)
        if not part:
            break
        text += part
    sync.close()
    answer: dict[str, Any] = json.loads(text)
    return answer
