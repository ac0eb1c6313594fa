"""A node of a cluster, from end to end: the image of examples/kubernetes is built, and its entry point run on a node.

The node is a mount namespace with an /etc, /opt and /run of its own and a real containerd in it; systemctl is a script
that starts and stops that daemon. The cluster's API is a server that writes down what it is told.
"""

from __future__ import annotations

import http.server
import json
import os
import shutil
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from integration.capabilities import program_problem, require
from integration.containers import Result, call
from integration.engines.containerd import configuration
from integration.engines.engine import wait_until
from integration.engines.system import CHECKOUT, ENVIRONMENT, FETCH, Namespace
from integration.engines.test_registered import PRIVATE, Machine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from integration.engines.front import Front
    from integration.engines.system import System

pytestmark = pytest.mark.long
KUBERNETES = CHECKOUT / "examples" / "kubernetes"
SUITE = "trixie"  # of the image's base: the same tree as the matrix has
FILE = "/etc/containerd/config.toml"
K3S = "/var/lib/rancher/k3s/agent/etc/containerd"
# What a node's administrator has written by hand stays, comments and all.
OWN_WORDS = "# this node's own\n"
SYSTEMCTL = """#!/bin/sh
echo "$*" >>{place}/journal
alive() {{ kill -0 "$(cat {place}/pid 2>/dev/null || echo x)" 2>/dev/null; }}
case $1 in
is-active) alive ;;
restart)
    if alive; then kill "$(cat {place}/pid)"; while alive; do sleep 0.1; done; fi
    [ ! -e {place}/generated ] || cat {place}/generated >{file}
    [ ! -e {place}/broken ] || ! grep -q cgshim {file} || {{ echo "job failed"; exit 1; }}
    [ ! -e {place}/mute ] || ! grep -q cgshim {file} || exit 0
    setsid containerd --config {file} </dev/null >{place}/log 2>&1 &
    echo $! >{place}/pid
    ;;
*) exit 1 ;;
esac
"""
# As PRIVATE has it, with the place where cgshim writes down what it has made.
OWN_STATE = (
    PRIVATE
    + """
mkdir "$1/lib" "$1/lib.work"
mount -t overlay overlay -o "lowerdir=/var/lib,upperdir=$1/lib,workdir=$1/lib.work" /var/lib
rm -rf /var/lib/cgshim  # what this machine's own cgshim made, hidden from the node
"""
)
# The pod sees the host's processes and devices, as with hostPID and privileged.
POD = """
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=$2,upperdir=$1/upper,workdir=$1/work" "$1/root"
for d in proc sys dev; do mount --rbind "/$d" "$1/root/$d"; done
mount -t tmpfs tmpfs "$1/root/run"
mkdir "$1/root/run/cgshim-node"
mount --bind "$3" "$1/root/mnt"
"""


HERE = pytest.mark.parametrize("system", ["here"], indirect=True)  # it does not depend on the engine's release


class Image(NamedTuple):
    """The built image: its root tree, and its command line."""

    tree: str
    entrypoint: list[str]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """The image as its Containerfile makes it, on a base that has what the published one has: Python and nsenter."""
    require("buildah", program_problem("buildah"))
    place = tmp_path_factory.mktemp("image")
    fetched = call(["bash", str(FETCH), "userland", SUITE], env={**os.environ, **ENVIRONMENT})
    require("newer engines", "" if fetched.status == 0 else fetched.err[-300:])
    build = place / "image"
    shutil.copytree(KUBERNETES / "image", build)
    # The virtual environment's Python has pip; the file is for every Python.
    environment = {**os.environ, **ENVIRONMENT, "PYTHON": str(CHECKOUT / ".venv/bin/python")}
    made = call(["bash", str(CHECKOUT / "packaging/single/build.sh"), str(build)], env=environment)
    require("package index", "pip cannot fetch what is needed" if "No matching distribution" in made.err else "")
    assert made.status == 0, str(made)

    def buildah(*words: str) -> str:
        store = ["--root", str(place / "store"), "--runroot", str(place / "run"), "--storage-driver", "overlay"]
        done = call(["buildah", *store, *words], env={**ENVIRONMENT, "TMPDIR": str(place)})
        assert done.status == 0, str(done)
        return done.out.strip()

    base = buildah("from", "scratch")
    buildah("add", "--quiet", base, fetched.out.strip(), "/")
    buildah("commit", "--quiet", base, "localhost/base")
    words = ("--isolation", "chroot", "--network", "host", "--build-arg", "BASE=localhost/base")
    built = buildah("bud", *words, "--tag", "localhost/cgshim-node", str(build))
    assert "cgshim 0." in built  # the RUN step has started it
    container = buildah("from", "localhost/cgshim-node")
    config = json.loads(buildah("inspect", "--type", "image", "localhost/cgshim-node"))["OCIv1"]["config"]
    assert config["Cmd"] == ["run"]
    yield Image(buildah("mount", container), config["Entrypoint"])
    buildah("umount", "--all")
    buildah("rm", "--all")
    buildah("rmi", "--all", "--force")


class Cluster(http.server.ThreadingHTTPServer):
    """The API server: what each PATCH of the node said."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.told: list[dict[str, Any]] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def last(self) -> tuple[str | None, str]:
        """The label and the annotation as they are now."""
        metadata = self.told[-1]["metadata"]
        return metadata["labels"]["cgshim/handler"], metadata["annotations"]["cgshim/problem"] or ""


class Answer(http.server.BaseHTTPRequestHandler):
    """One request."""

    def do_PATCH(self) -> None:
        """Write it down, if it is for this node and has the pod's token."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        right = self.path == "/api/v1/nodes/node-1" and self.headers["Authorization"] == "Bearer secret"
        right = right and self.headers["Content-Type"] == "application/strategic-merge-patch+json"
        if right and isinstance(self.server, Cluster):
            self.server.told.append(json.loads(body))
        self.send_response(200 if right else 403)
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 # the base class has it so
        """Say nothing."""


class Node(Machine):
    """The node with its engine, and the pod on it."""

    def __init__(self, holder: Namespace, system: System, place: Path, image: Image, config: str) -> None:
        super().__init__(system.name, holder.within, system.python)
        self.config = config
        self.place, self.image, self.cluster = place, image, Cluster()
        self._pid = holder.within[1].rpartition("=")[2]
        (place / "bin").mkdir()
        systemctl = place / "bin/systemctl"
        systemctl.write_text(SYSTEMCTL.format(place=place, file=self.config))
        systemctl.chmod(0o755)
        (place / "account").mkdir()
        (place / "account/token").write_text("secret\n")
        room = place / "pod"
        room.mkdir()
        self.pod = Namespace(POD, str(room), image.tree, str(place / "account"))
        assert not self.pod.problem
        self.root = str(room / "root")

    def start(self, text: str, *, generated: bool = False) -> None:
        """Start the engine with this configuration, which is `generated` at every start, as k3s does it."""
        self.write(self.config, text)
        if generated:
            (self.place / "generated").write_text(text)
        self.shell(f"{self.place}/bin/systemctl restart containerd")
        assert wait_until(lambda: self.answers)

    def shell(self, script: str) -> Result:
        """Run a script on the node."""
        return self(["sh", "-c", script])

    @property
    def probe(self) -> str:
        """Does the engine answer?"""
        return f"ctr --address {self.place}/containerd.sock version >/dev/null"

    @property
    def answers(self) -> bool:
        """The same, asked."""
        return self.shell(self.probe).status == 0

    def run(self, *words: str, **settings: str) -> Result:
        """The image's entry point with the settings of the overlay `containerd`, except for what differs here."""
        rendered = {"ACTION": "install", "ENGINE": "containerd", "UNITS": "containerd", "PREFIX": "/opt/cgshim"}
        environment = {
            **rendered,
            "PROBE": self.probe,
            "PATIENCE": "15",
            "PAUSE": "0.1",
            "NODE_NAME": "node-1",
            "NODE_PATH": f"{self.place}/bin:{ENVIRONMENT['PATH']}",
            **settings,
            "NODE_PID": self._pid,
            "KUBE_API": f"http://127.0.0.1:{self.cluster.server_port}",
            "ACCOUNT": "/mnt",
            "PATH": ENVIRONMENT["PATH"],
        }
        return call([*self.pod.within, "chroot", self.root, *self.image.entrypoint, *words], env=environment)

    def restarts(self) -> int:
        """How often the engine was restarted, without the first start."""
        return (self.place / "journal").read_text().count("restart containerd\n") - 1

    def tree(self) -> str:
        """Every file, directory and link that an installation could leave, with the files' checksums."""
        places = f"{os.path.dirname(self.config)} /etc/containerd /etc/cgshim /opt/cgshim /var/lib/cgshim"
        return self.shell(f"find {places} \\( -type f -exec cksum {{}} + \\) -o -print 2>/dev/null | sort").out

    def close(self) -> None:
        """Stop the engine, the pod and the API server."""
        self.shell(f"kill $(cat {self.place}/pid)")
        self.pod.close()
        self.cluster.shutdown()
        self.cluster.server_close()


@pytest.fixture
def node(request: pytest.FixtureRequest, system: System, place: Path, image: Image) -> Iterator[Node]:
    """A fresh one for each test; its engine's file is the test's parameter, or the usual one."""
    require("containerd", system.missing("containerd", "ctr"))
    own = place / "node"
    shutil.rmtree(own, ignore_errors=True)
    (own / "room").mkdir(parents=True)
    holder = Namespace(OWN_STATE, str(own / "room"), outer=system.within)
    require("overlay in a mount namespace", holder.problem)
    found = Node(holder, system, own, image, getattr(request, "param", FILE))
    yield found
    found.close()
    holder.close()
    subprocess.run(["umount", "--lazy", str(own / "room")], check=False, capture_output=True)
    shutil.rmtree(own, ignore_errors=True)


@pytest.fixture
def started(node: Node, installed_front: Front) -> Node:
    """With containerd running as it is configured there."""
    node.start(OWN_WORDS + configuration(node, node.place, bare=installed_front.runtime))
    return node


@pytest.mark.parametrize("node", [f"{K3S}/config.toml"], indirect=True)
def test_an_engine_whose_file_is_generated(node: Node, installed_front: Front) -> None:
    """As with k3s and RKE2: the entry goes into the directory that the file imports, where containerd merges that.

    Where it does not (before 2.1), the entry is gone after the restart: everything is put back, and the reason told.
    """
    text = configuration(node, node.place, bare=installed_front.runtime)
    node.start(f'imports = ["{K3S}/config-v3.toml.d/*.toml"]\n{text}', generated=True)
    before = node.tree()
    done = node.run("once", CONFIG=node.config)
    if node.name == "here":
        assert (done.status, node.tree(), node.answers) == (1, before, True), str(done)
        assert "no entry for cgshim in containerd's files" in node.cluster.last[1]
        return
    assert (done.status, node.cluster.last) == (0, ("ready", "")), str(done)
    entry = node.must_run("cat", f"{K3S}/config-v3.toml.d/50-cgshim.toml")
    assert 'BinaryName = "/opt/cgshim/bin/cgshim-runc"' in entry
    assert node.run("ready", CONFIG=node.config).status == 0
    removed = node.run("once", CONFIG=node.config, ACTION="remove")
    assert (removed.status, node.tree()) == (0, before), str(removed)


def test_there_and_back(started: Node) -> None:
    """Registered, proven by a container, labelled, ready; looked at again without a restart; repaired; removed."""
    node = started
    before = node.tree()
    assert node.run("ready").status == 1
    done = node.run("once")
    assert (done.status, node.restarts()) == (0, 1), str(done)
    assert node.cluster.last == ("ready", "")
    assert OWN_WORDS in node.must_run("cat", FILE)
    assert 'BinaryName = "/opt/cgshim/bin/cgshim-runc"' in node.must_run("cat", FILE)
    assert node.answers
    assert node.run("ready").status == 0
    assert (node.run("once").status, node.restarts()) == (0, 1)
    drifted = node.shell(f"cat {FILE}.cgshim-backup >{FILE}")
    assert drifted.status == 0
    assert "no entry for cgshim" in node.run("ready").out
    assert (node.run("once").status, node.restarts(), node.run("ready").status) == (0, 2, 0)
    removed = node.run("once", ACTION="remove")
    assert (removed.status, node.restarts()) == (0, 3), str(removed)
    assert node.cluster.told[-1] == {
        "metadata": {"labels": {"cgshim/handler": None}, "annotations": {"cgshim/problem": None}}
    }
    assert node.tree() == before
    assert node.answers
    assert node.run("ready", ACTION="remove").status == 0


@pytest.mark.parametrize(("fault", "words"), [("broken", "job failed"), ("mute", "does not answer after 15 s")])
def test_an_engine_that_does_not_come_up_again(started: Node, fault: str, words: str) -> None:
    """systemctl says so, or nothing answers: the old configuration is back byte for byte, and the engine with it."""
    node = started
    before = node.tree()
    (node.place / fault).touch()
    done = node.run("once")
    assert done.status == 1, str(done)
    assert (node.tree(), node.answers, node.restarts()) == (before, True, 2), str(done)
    label, problem = node.cluster.last
    assert label is None
    assert words in problem
    assert problem.endswith("; the old configuration is back")
    assert node.run("ready").status == 1


@HERE
def test_a_node_whose_runtime_starts_nothing(started: Node) -> None:
    """The engine takes the entry, but no container starts through it: everything is put back, too."""
    node = started
    before = node.tree()
    node.write("/opt/bad/runc", "#!/bin/sh\necho broken runtime >&2\nexit 1\n")
    node.must_run("chmod", "755", "/opt/bad/runc")
    done = node.run("once", RUNTIME="/opt/bad/runc")
    node.must_run("rm", "-r", "/opt/bad")
    assert (done.status, node.tree(), node.answers) == (1, before, True), str(done)
    assert "starts no container: broken runtime" in node.cluster.last[1]


@HERE
def test_a_container_that_still_calls_it(started: Node) -> None:
    """The entry goes, the program stays, and the pod is not ready until the container has ended."""
    node = started
    before = node.tree()
    assert node.run("once").status == 0
    task = "/run/containerd/io.containerd.runtime.v2.task/k8s.io/1"
    node.write(f"{task}/runtime", "/opt/cgshim/bin/cgshim-runc")
    for _ in range(2):
        done = node.run("once", ACTION="remove")
        assert (done.status, node.cluster.last[0]) == (1, None)
        assert node.cluster.last[1] == "containers still call /opt/cgshim/bin: it stays until they have ended"
        node.must_run("test", "-x", "/opt/cgshim/bin/cgshim-runc")
    assert "cgshim" not in node.must_run("cat", FILE)
    node.must_run("rm", "-r", task)
    assert (node.run("once", ACTION="remove").status, node.tree()) == (0, before)


@HERE
def test_an_engine_that_is_down_already(started: Node) -> None:
    """Nothing is changed."""
    node = started
    before = node.tree()
    node.shell(f"kill $(cat {node.place}/pid)")
    done = node.run("once", PATIENCE="1")
    assert (done.status, node.tree()) == (1, before)
    assert node.cluster.last[1].startswith("nothing was changed: containerd does not answer after 1 s: ")


@HERE
def test_a_node_without_python(started: Node) -> None:
    """As on Container-Optimized OS: the pod says so and leaves nothing behind."""
    node = started
    before = node.tree()
    few = node.place / "few"
    few.mkdir()
    for name in ("sh", "cat", "cut", "mkdir", "mv", "rm", "rmdir", "sort", "find", "sha256sum", "tar", "test", "ctr"):
        (few / name).symlink_to(node.find(name))
    (few / "systemctl").symlink_to(node.place / "bin/systemctl")
    done = node.run("once", NODE_PATH=str(few))
    assert (done.status, node.tree(), node.restarts()) == (1, before, 0), str(done)
    said = "there is no Python on this node: cgshim needs 3.7 or newer"
    assert node.cluster.last[1] == f"cgshim cannot be installed in /opt/cgshim: {said}"
