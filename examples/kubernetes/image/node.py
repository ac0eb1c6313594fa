#!/usr/bin/env python3
"""What cgshim's pod does on its node: `node.py run` until it is stopped, `node.py ready` for the readiness probe.

Everything happens in the node's own namespaces (nsenter, so the pod needs hostPID and privileges). Settings are
environment variables, the same in the kustomize overlays and in the chart:

  ACTION      install, or remove
  ENGINE      containerd, or crio
  UNITS       systemd units, of which the first active one is restarted
  PROBE       shell command that succeeds while the engine answers
  CONFIG      the engine's configuration file, where it is not the usual one
  RUNTIME     the real runtime, where it is not found in the standard directories
  NODE_PATH   PATH on the node
  PREFIX      where cgshim goes on the node
  AS_DEFAULT  "yes": for every pod, not only for those with the RuntimeClass
  INTERVAL    seconds between two looks at the node
  PATIENCE    seconds that the engine has to come up again; PAUSE: between two questions
"""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
import time
import urllib.request

IMAGE_FILE = os.environ.get("CGSHIM_FILE", "/opt/cgshim.pyz")
MARK = os.environ.get("READY_FILE", "/run/cgshim-node/ready")  # in the pod: the last run of ACTION succeeded
ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
LABEL, PROBLEM = "cgshim/handler", "cgshim/problem"
STEADY = 3  # times in a row that the engine has to answer: one that fails at start is active for a moment
UNSURE = 4  # exit status of `engine status`: nothing is wrong, but nobody could be asked
FIND_PYTHON = """
for python in python3 /usr/libexec/platform-python python3.13 python3.12 python3.11 python3.9 python3.8 python3.7; do
    if command -v "$python" >/dev/null; then exec "$python" "$1" install "$2"; fi
done
echo "there is no Python on this node: cgshim needs 3.7 or newer" >&2
exit 3
"""


class Failed(Exception):
    """Something went wrong and was taken back. It is tried again when the node's configuration has changed."""


class Waiting(Exception):
    """Not yet possible; it is tried again at the next look."""


class Node:
    """The node's files and services; `settings` are those of the environment."""

    def __init__(self, settings: dict[str, str]) -> None:
        self.action = settings.get("ACTION", "install")
        self.engine = settings["ENGINE"]
        self.units = settings["UNITS"].split()
        self.probe = settings["PROBE"]
        self.config = settings.get("CONFIG", "")
        self.runtime = settings.get("RUNTIME", "")
        self.path = settings.get("NODE_PATH") or "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        self.prefix = settings.get("PREFIX") or "/opt/cgshim"
        self.as_default = settings.get("AS_DEFAULT") == "yes"
        self.patience = float(settings.get("PATIENCE") or 90)
        self.pause = float(settings.get("PAUSE") or 1)
        self.pid = settings.get("NODE_PID", "1")

    def call(self, *argv: str, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Run a program on the node, as if one had logged in there."""
        enter = ["nsenter", f"--target={self.pid}", "--mount", "--cgroup", "--uts", "--ipc", "--net", "--pid", "--"]
        words = [*enter, "/usr/bin/env", "-i", f"PATH={self.path}", "HOME=/root", "LC_ALL=C.UTF-8", *argv]
        return subprocess.run(words, check=False, input=data, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def shell(self, script: str, *words: str, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Run a script on the node."""
        return self.call("/bin/sh", "-euc", script, "sh", *words, data=data)

    def ctl(self, command: str, *words: str) -> subprocess.CompletedProcess[bytes]:
        """`cgshimctl engine COMMAND ENGINE` on the node."""
        config = ("--config", self.config) if self.config else ()
        return self.call(f"{self.prefix}/bin/cgshimctl", "engine", command, self.engine, *config, *words)

    @property
    def directories(self) -> list[str]:
        """Where the engine's configuration is."""
        return ["/etc/containerd", "/etc/crio", *([os.path.dirname(self.config)] if self.config else [])]

    def state(self) -> bytes:
        """The checksum of every file of the engine's configuration."""
        script = 'for d do [ ! -d "$d" ] || find "$d" -type f -exec sha256sum {} +; done | sort'
        return self.shell(script, *self.directories).stdout

    def saved(self) -> bytes:
        """Every file of the engine's configuration, as a tar archive."""
        script = 'cd /; set -- $(for d do [ ! -d "/$d" ] || echo "$d"; done); [ $# = 0 ] || tar -cf - "$@"'
        done = self.shell(script, *(path.lstrip("/") for path in self.directories))
        if done.returncode:
            raise Failed(f"the engine's configuration cannot be saved: {text(done)}")
        return done.stdout

    def has_program(self) -> bool:
        """Is cgshim on the node?"""
        return self.call("test", "-e", f"{self.prefix}/lib/cgshim").returncode == 0

    def place(self) -> None:
        """Put the image's cgshim onto the node, unless it is there already. Calls under way keep the old one."""
        with open(IMAGE_FILE, "rb") as file:
            content = file.read()
        there = f"{self.prefix}/cgshim.pyz"
        if self.has_program() and self.shell('cat "$1"', there).stdout == content:
            return
        done = self.shell('mkdir -p "$2"; cat >"$1.new"; mv "$1.new" "$1"', there, self.prefix, data=content)
        if not done.returncode:
            done = self.shell(FIND_PYTHON, there, self.prefix)
        if done.returncode:
            self.tidy()
            raise Failed(f"cgshim cannot be installed in {self.prefix}: {text(done)}")

    def tidy(self) -> None:
        """Remove what `place` made and `engine remove` does not know, and the directories if they are empty."""
        script = 'rm -f "$1/cgshim.pyz" "$1/cgshim.pyz.new"; [ -e "$1/lib/cgshim" ] || rm -f "$1/bin/cgshimctl"'
        self.shell(f'{script}; rmdir "$1/bin" "$1/lib" "$1" 2>/dev/null || :', self.prefix)

    def restart(self) -> str:
        """Restart the engine; what went wrong, "" if it answers again and goes on to do so."""
        unit = next((u for u in self.units if not self.call("systemctl", "is-active", "--quiet", u).returncode), "")
        unit = unit or self.units[0]
        say(f"restarting {unit}")
        done = self.call("systemctl", "restart", unit)
        return f"systemctl restart {unit}: {text(done)}" if done.returncode else self.silent()

    def silent(self) -> str:
        """Why the engine does not answer, "" if it does, STEADY times in a row."""
        end, answers = time.monotonic() + self.patience, 0
        while True:
            done = self.shell(self.probe)
            answers = 0 if done.returncode else answers + 1
            if answers == STEADY:
                return ""
            if time.monotonic() > end:
                return f"{self.engine} does not answer after {self.patience:.0f} s: {text(done)}"
            time.sleep(self.pause)

    def unproven(self) -> str:
        """What `cgshimctl engine status` calls wrong, "" if nothing is."""
        done = self.ctl("status")
        return "" if done.returncode in (0, UNSURE) else f"engine status: {text(done)}"

    def unable(self) -> str:
        """Why no container starts through the entry on this node, "" if one does: created, started, deleted."""
        for program in self.programs():
            done = self.shell(TRIAL, program, json.dumps(TRIAL_CONFIG))
            if done.returncode:
                return f"{program} starts no container: {text(done)}"
        return ""

    def programs(self) -> list[str]:
        """What the engine's entries for cgshim call, as `engine status` has it."""
        checks = json.loads(self.ctl("status", "--json").stdout)["checks"]
        return [check["evidence"] for check in checks if (check["what"], check["state"]) == ("executable", "ok")]


# The node's own programs, read-only, in a cgroup with a limit: it needs no image and no network.
MOUNTS = [{"destination": "/proc", "type": "proc", "source": "proc"}]
MOUNTS += [
    {"destination": path, "type": "bind", "source": path, "options": ["rbind", "ro"]}
    for path in ("/usr", "/bin", "/lib", "/lib64")
]
TRIAL_CONFIG = {
    "ociVersion": "1.0.2",
    "process": {"cwd": "/", "args": ["/bin/true"], "env": ["PATH=/bin"], "user": {"uid": 0, "gid": 0}},
    "root": {"path": "rootfs"},
    "mounts": MOUNTS,
    "linux": {
        "cgroupsPath": "/cgshim-node-trial",
        "namespaces": [{"type": kind} for kind in ("pid", "mount", "ipc", "uts", "network")],
        "resources": {"memory": {"limit": 134217728}},
    },
}
TRIAL = """
place=/run/cgshim-node-trial
mkdir -p $place/rootfs
printf %s "$2" >$place/config.json
status=0
"$1" --root $place/state run --bundle $place cgshim-node-trial || status=$?
rm -rf --one-file-system $place
exit $status
"""


def text(done: subprocess.CompletedProcess[bytes]) -> str:
    """What a program said."""
    return done.stdout.decode(errors="replace").strip() or f"exit status {done.returncode}"


def paths(state: bytes) -> set[str]:
    """The files in what `Node.state` gives."""
    return {line.partition("  ")[2] for line in state.decode(errors="surrogateescape").splitlines()}


def say(words: str) -> None:
    """One line, or more, of the pod's log."""
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


def install(node: Node) -> None:
    """Put cgshim there, register it, restart the engine if anything changed; take all of it back unless it works."""
    problem = node.silent()
    if problem:
        raise Failed(f"nothing was changed: {problem}")
    before, saved, there = node.state(), node.saved(), node.has_program()
    node.place()
    words = [*(("--runtime", node.runtime) if node.runtime else ()), *(("--as-default",) if node.as_default else ())]
    done = node.ctl("install", *words)
    if done.returncode:
        if not there:
            node.ctl("remove", "--prefix", node.prefix)
            node.tidy()
        raise Failed(f"nothing was changed: {text(done)}")
    say(text(done))
    changed = node.state() != before
    if changed or node.unproven():
        problem = node.restart()
    problem = problem or node.unproven() or node.unable()
    if problem:
        put_back(node, before, saved, problem)


def put_back(node: Node, before: bytes, saved: bytes, problem: str) -> None:
    """Make the configuration what it was, restart the engine with it, and raise Failed."""
    say(f"{problem}\nputting the old configuration back")
    node.ctl("remove", "--prefix", node.prefix)
    node.tidy()
    if node.state() != before:
        node.shell("tar -C / -xf -", data=saved)
        # Where the file was generated again, `engine remove` found no entry, and left its copy of the file.
        ours = [path for path in sorted(paths(node.state()) - paths(before)) if "cgshim" in os.path.basename(path)]
        node.call("rm", "-f", "--", *ours)
    left = "" if node.state() == before else "; files of the engine's configuration differ from what they were"
    again = node.restart()
    raise Failed(f"{problem}; the old configuration is back{left}" + (f", and still: {again}" if again else ""))


def remove(node: Node) -> None:
    """Take the entry away, then the program, unless a running container still calls it."""
    if not node.has_program():
        node.tidy()
        return
    before, saved = node.state(), node.saved()
    done = node.ctl("remove", "--prefix", node.prefix)
    if done.returncode:
        raise Failed(f"nothing was changed: {text(done)}")
    say(text(done))
    problem = node.restart() if node.state() != before else ""
    if problem:
        node.place()
        node.shell("tar -C / -xf -", data=saved)
        again = node.restart()
        raise Failed(f"without cgshim: {problem}; it is registered again" + (f", and still: {again}" if again else ""))
    if node.has_program():
        raise Waiting(f"containers still call {node.prefix}/bin: it stays until they have ended")
    node.tidy()


def label(works: bool, problem: str) -> None:
    """Tell the cluster: the label that the RuntimeClass selects, and what went wrong."""
    host = os.environ.get("KUBERNETES_SERVICE_HOST", "")
    base = os.environ.get("KUBE_API") or f"https://{host}:{os.environ.get('KUBERNETES_SERVICE_PORT', '443')}"
    with open(f"{os.environ.get('ACCOUNT', ACCOUNT)}/token", encoding="ascii") as file:
        token = file.read().strip()
    metadata = {"labels": {LABEL: "ready" if works else None}, "annotations": {PROBLEM: problem[:1000] or None}}
    request = urllib.request.Request(
        f"{base}/api/v1/nodes/{os.environ['NODE_NAME']}",
        data=json.dumps({"metadata": metadata}).encode(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/strategic-merge-patch+json"},
        method="PATCH",
    )
    trusted = ssl.create_default_context(cafile=f"{ACCOUNT}/ca.crt") if base.startswith("https:") else None
    with urllib.request.urlopen(request, timeout=30, context=trusted):
        pass


class Agent:
    """Looks at the node again and again. What failed is left alone until the node's configuration is another."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.failed: bytes | None = None

    def look(self) -> None:
        """One round: run ACTION, and report the result to the cluster and the readiness probe."""
        if self.failed is not None and self.failed == self.node.state():
            return
        problem, self.failed = "", None
        try:
            if self.node.action == "remove":
                label(works=False, problem="")  # no new pods with it from here on
                remove(self.node)
            else:
                install(self.node)
        except Waiting as waiting:
            problem = str(waiting)
        except Failed as failed:
            problem, self.failed = str(failed), self.node.state()
        mark(ready=not problem)
        if problem:
            say(problem)
        label(works=self.node.action == "install" and not problem, problem=problem)


def mark(*, ready: bool) -> None:
    """Leave word for the readiness probe."""
    if ready:
        with open(MARK, "w", encoding="ascii"):
            return
    if os.path.exists(MARK):
        os.unlink(MARK)


def ready(node: Node) -> int:
    """For the probe: 0 if the last look was a success and, where cgshim is installed, `engine status` still is."""
    if not os.path.exists(MARK):
        say("not done yet, or failed: see the log of the pod")
        return 1
    problem = node.unproven() if node.action == "install" else ""
    if problem:
        say(problem)
    return 1 if problem else 0


def main(words: list[str]) -> int:
    """`run`, `once` (one look) or `ready`."""
    node = Node(dict(os.environ))
    if words == ["ready"]:
        return ready(node)
    if words not in (["run"], ["once"]):
        say("usage: node.py run|once|ready")
        return 2
    agent = Agent(node)
    while True:
        try:
            agent.look()
        except OSError as error:  # the API server is away, perhaps because of the restart
            say(f"cannot tell the cluster: {error}")
        if words == ["once"]:
            return 0 if os.path.exists(MARK) else 1
        time.sleep(float(os.environ.get("INTERVAL") or 300))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
