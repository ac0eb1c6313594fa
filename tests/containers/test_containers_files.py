"""What the inventory reads: BoltDB files, protobuf, command lines, unit files, the kubelet's state, CRI-O's records."""

from __future__ import annotations

import json
import os
import struct
from typing import TYPE_CHECKING, Any

import pytest

from shim.audit.levels import Kernel
from shim.containers import bolt, containerd, crio, docker, kubelet, podman, units
from shim.containers.container import Container
from shim.containers.inventory import inventory
from shim.containers.membership import branch
from shim.containers.places import Place, places
from shim.containers.processes import Process, census, kind_of
from shim.containers.tree import LARGEST, HostTree
from tests.audited_host import written
from tests.audited_many import meta
from tests.hosts_made import make_host

if TYPE_CHECKING:
    from pathlib import Path

ID = "ab" * 32


def _walked(content: bytes, tmp_path: Path) -> list[str]:
    """All buckets' paths of a BoltDB file."""
    path = tmp_path / "file.db"
    path.write_bytes(content)
    found: list[str] = []

    def visit(bucket: bolt.Bucket, above: str = "") -> None:
        for name, inside in bucket.buckets():
            found.append(f"{above}/{name}")
            visit(inside, f"{above}/{name}")

    handle = os.open(path, os.O_RDONLY)
    try:
        bolt.walk(handle, visit, found.clear)
    finally:
        os.close(handle)
    return found


def test_bolt_reads_what_containerd_wrote(tmp_path: Path) -> None:
    """Namespaces and containers of a recorded meta.db."""
    found = _walked(meta(), tmp_path)
    assert {"/v1", "/v1/default/containers/ctr-web", "/v1/default/containers/ctr-web/runtime"} <= set(found)


def test_bolt_takes_the_newer_intact_meta_page(tmp_path: Path) -> None:
    """One meta page damaged: the other one counts; both: no BoltDB."""
    content = bytearray(meta())
    whole = _walked(bytes(content), tmp_path)
    size = struct.unpack_from("<I", content, 16 + 8)[0]
    newest = bolt.newest(lambda length, offset: bytes(content[offset : offset + length]))[2]
    damaged = newest % 2  # bolt writes transaction N to page N % 2
    content[damaged * size + 16 + 56] ^= 1
    older = _walked(bytes(content), tmp_path)
    assert set(older) <= set(whole)
    assert "/v1" in older
    content[(1 - damaged) * size + 16 + 56] ^= 1
    with pytest.raises(bolt.Torn, match="no intact meta page"):
        _walked(bytes(content), tmp_path)


def test_bolt_survives_every_damage(tmp_path: Path) -> None:
    """A byte changed anywhere, or the end cut off: an answer or Torn, never another error, never without end."""
    content = meta()
    for position in range(0, len(content), 997):
        damaged = bytearray(content)
        damaged[position] ^= 0xFF
        for version in (bytes(damaged), content[:position]):
            try:
                _walked(version, tmp_path)
            except bolt.Torn:
                continue


def test_bolt_with_pages_in_a_circle_ends(tmp_path: Path) -> None:
    """A branch page whose only child is itself."""
    content = bytearray(meta())
    read = lambda length, offset: bytes(content[offset : offset + length])  # noqa: E731
    size, root, _ = bolt.newest(read)
    struct.pack_into("<QHHI", content, root * size, root, bolt.BRANCH, 2, 0)
    for number in range(2):
        struct.pack_into("<IIQ", content, root * size + 16 + number * 16, 0, 0, root)
    with pytest.raises(bolt.Torn):
        _walked(bytes(content), tmp_path)


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"\x0a\x03abc\x12\x02{}", b"{}"),
        (b"\x12\x02{}", b"{}"),
        (b"\x0a\x03abc", b""),
        (b"", b""),
        (b"\x12\xff", b""),
        (b"\x12\x05{}", b""),
        (b"\x08\x01\x12\x02{}", b""),
        (b"\xff" * 12, b""),
    ],
)
def test_protobuf_any(content: bytes, value: bytes) -> None:
    """Field 2 of an Any; what is cut short or no Any has none."""
    assert containerd.any_value(content) == value


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (b"/usr/bin/containerd-shim-runc-v2\0-namespace\0moby", "shim"),
        (b"/usr/bin/conmon\0-c\0x", "conmon"),
        (b"dockerd\0", "dockerd"),
        (b"/usr/bin/containerd\0--config\0x", "containerd"),
        (b"/bin/sh\0-c\0conmon", ""),
        (b"conmonrs\0", ""),
    ],
)
def test_programs_that_know_of_containers(line: bytes, kind: str) -> None:
    """By the program's own name, not by what stands on its line."""
    assert kind_of(line) == kind


def test_options_of_a_command_line() -> None:
    """`-b V`, `--b=V`, several of one name, one without a value at the end."""
    process = Process(
        pid=1, kind="conmon", argv=("conmon", "-b", "/x", "--runtime-arg=--root=/r", "--runtime-arg", "-q")
    )
    assert process.option("-b", "--bundle") == "/x"
    assert process.options("--runtime-arg") == ["--root=/r", "-q"]
    assert process.option("-c") == ""


def test_tree_of_a_user_follows_no_link(tmp_path: Path) -> None:
    """Neither the last component nor one on the way, nor `..`; a tree of the host's own does."""
    written(tmp_path, "/secret/file").write_text('{"a": 1}')
    written(tmp_path, "/home/link").symlink_to(tmp_path / "secret")
    written(tmp_path, "/home/file").symlink_to(tmp_path / "secret" / "file")
    careful, trusting = HostTree(f"{tmp_path}/home", follow=False), HostTree(f"{tmp_path}/home")
    for path in ("/link/file", "/file", "/../secret/file"):
        assert careful.object(path) == {}
    assert trusting.object("/link/file") == trusting.object("/file") == {"a": 1}
    assert careful.problems["/file"] == "ELOOP"


def test_tree_reads_regular_files_only(tmp_path: Path) -> None:
    """A FIFO does not block, a directory and a huge file are problems."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "directory").mkdir()
    with open(tmp_path / "huge", "wb") as file:
        file.truncate(LARGEST + 1)
    tree = HostTree(str(tmp_path))
    assert [tree.read(f"/{name}") for name in ("fifo", "directory", "huge", "absent")] == [None] * 4
    assert tree.problems == {"/fifo": "EINVAL", "/directory": "EINVAL", "/huge": f"is larger than {LARGEST} bytes"}


def test_unit_files_in_systemds_order(tmp_path: Path) -> None:
    """Transient unit, its drop-ins, then set-property's; later ones win; throttles add up."""
    unit = f"docker-{ID}.scope"
    written(tmp_path, f"/run/systemd/transient/{unit}").write_text(
        "[Scope]\n# MemoryMax=1\nMemoryMax=100\nTasksMax=5\n"
    )
    drop = "[Scope]\nIOReadBandwidthMax=/dev/a 1\nIOReadBandwidthMax=/dev/b 2\n"
    written(tmp_path, f"/run/systemd/transient/{unit}.d/50-IO.conf").write_text(drop)
    written(tmp_path, f"/etc/systemd/system.control/{unit}.d/50-MemoryMax.conf").write_text("[Scope]\nMemoryMax=200\n")
    noted = units.noted(
        HostTree(str(tmp_path)), Container(id=ID, driver="systemd", cgroups_path=f"system.slice:docker:{ID}")
    )
    (record,) = noted.records
    assert record.value == {
        "MemoryMax": "200",
        "TasksMax": "5",
        "IOReadBandwidthMax": "/dev/a 1\n/dev/b 2",
    }


STATES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("cpu_manager_state", {"entries": {"u": {"web": "2-3"}}}, {"exclusive": "2-3"}),
    (
        "allocated_pods_state",
        {"allocationEntries": {"u": {"web": {"limits": {"cpu": "500m"}}}}},
        {"cpu": "500m", "allocated": True},
    ),
    (
        "allocated_pods_state",
        {"data": json.dumps({"entries": {"u": {"ContainerResources": {"web": {"limits": {"memory": "1Gi"}}}}}})},
        {"memory": "1Gi", "allocated": True},
    ),
    ("allocated_pods_state", {"data": json.dumps({"entries": {"u": {"web": {}}}})}, {"allocated": True}),
]


@pytest.mark.parametrize(("name", "state", "value"), STATES)
def test_kubelets_files(tmp_path: Path, name: str, state: dict[str, Any], value: dict[str, Any]) -> None:
    """Exclusive CPUs and allocated limits, in each of the forms that releases write, by pod and container."""
    written(tmp_path, f"/k/{name}").write_text(json.dumps(state))
    notes = kubelet.notes((Place(tree=HostTree(str(tmp_path)), path="/k"),))
    found = kubelet.noted(Container(id=ID, name="web", hints={"pod-uid": "u"}), notes)
    assert [record.value for record in found.records] == [value]
    assert kubelet.noted(Container(id=ID, name="other", hints={"pod-uid": "u"}), notes).records == ()


def test_crio_tells_its_own_from_podmans(tmp_path: Path) -> None:
    """One storage, two managers: the annotation decides; names from the labels, the process with its start."""
    labels = {
        "io.kubernetes.container.name": "web",
        "io.kubernetes.pod.name": "pod",
        "io.kubernetes.pod.namespace": "ns",
    }
    ours = {"io.container.manager": "cri-o", "io.kubernetes.cri-o.Labels": json.dumps(labels)}
    base = "/g/overlay-containers"
    for name, notes in ((ID, ours), ("cd" * 32, {"io.container.manager": "libpod"})):
        config = {"annotations": notes, "linux": {"cgroupsPath": "a.slice:crio:x", "resources": {}}}
        written(tmp_path, f"{base}/{name}/userdata/config.json").write_text(json.dumps(config))
    state = {"status": "running", "initPid": 7, "initStartTime": "99"}
    written(tmp_path, f"{base}/{ID}/userdata/state.json").write_text(json.dumps(state))
    (found,) = crio.containers(Place(tree=HostTree(str(tmp_path)), path="/g"))
    assert (found.id, found.name, found.pod, found.pid, found.start) == (ID, "web", "ns/pod", 7, 99)
    assert (found.state, found.driver, found.helper) == ("running", "systemd", False)


def test_docker_with_remapped_users(tmp_path: Path) -> None:
    """userns-remap puts the data one directory deeper."""
    config = {"ID": ID, "Name": "/web", "State": {"Running": True, "Pid": 7}}
    written(tmp_path, f"/d/165536.165536/containers/{ID}/config.v2.json").write_text(json.dumps(config))
    written(tmp_path, f"/d/165536.165536/containers/{ID}/hostconfig.json").write_text('{"Memory": 5, "Env": ["x"]}')
    (found,) = docker.containers(Place(tree=HostTree(str(tmp_path)), path="/d"))
    assert (found.name, found.pid, found.records[0].value) == ("web", 7, {"Memory": 5})


def test_podman_without_a_database(tmp_path: Path) -> None:
    """A storage that only Buildah or CRI-O uses has none: nothing is found and nothing is wrong."""
    tree = HostTree(str(tmp_path))
    assert list(podman.containers(Place(tree=tree, path="/g"))) == []
    assert tree.problems == {}


def test_places_from_command_lines_and_settings(tmp_path: Path) -> None:
    """Moved data roots are found where daemons, monitors and settings name them."""
    written(tmp_path, "/etc/docker/daemon.json").write_text(
        '{"data-root": "/moved/docker", "exec-root": "/moved/exec"}'
    )
    written(tmp_path, "/etc/containers/storage.conf").write_text('[storage]\ngraphroot = "/moved/storage"\n')
    written(tmp_path, "/etc/c.toml").write_text('root = "/moved/c"\nstate = "/moved/s"\n[plugins]\nroot = "/other"\n')
    lines = {
        10: ["containerd", "--config", "/etc/c.toml"],
        11: ["conmon", "-c", "x", "-b", "/far/g/vfs-containers/x/userdata", "--runtime-arg", "--root=/far/r"],
        12: ["kubelet", "--root-dir=/far/k"],
    }
    written(tmp_path, "/moved/exec/runtime-runc/moby/x").write_text("")
    for pid, argv in lines.items():
        written(tmp_path, f"/proc/{pid}/cmdline").write_text("\0".join(argv) + "\0")
    tree = HostTree(str(tmp_path))
    found = places(tree, census(tree), ("/asked",))
    paths = {kind: {place.path for place in value} for kind, value in found.__dict__.items() if kind != "trees"}
    assert "/moved/docker" in paths["docker"]
    assert {
        "/moved/s/io.containerd.runtime.v2.task",
        "/moved/exec/containerd/daemon/io.containerd.runtime.v2.task",
    } <= (paths["tasks"])
    assert {"/moved/c", "/moved/docker/containerd/daemon"} <= paths["metadata"]
    assert "/other" not in paths["metadata"]
    assert {"/moved/storage", "/far/g"} <= paths["storage"]
    assert {"/far/k", "/var/lib/kubelet"} == paths["kubelet"]
    assert {"/far/r", "/asked", "/moved/exec/runtime-runc/moby"} <= paths["runtimes"]


def test_container_that_only_its_cgroup_knows(tmp_path: Path) -> None:
    """An engine that is stopped, or keeps its records away: the process's cgroup still has the id, once."""
    for pid in (20, 21):
        written(tmp_path, f"/proc/{pid}/cmdline").write_text("sleep\0")
        written(tmp_path, f"/proc/{pid}/cgroup").write_text(f"0::/system.slice/libpod-{ID}.scope/container\n")
    written(tmp_path, "/proc/22/cmdline").write_text("conmon\0")
    written(tmp_path, "/proc/22/cgroup").write_text(f"0::/system.slice/crio-conmon-{'ef' * 32}.scope\n")
    (found,) = inventory(HostTree(str(tmp_path))).containers
    assert (found.engine, found.id, found.pid, found.state) == ("podman", ID, 20, "running")
    assert found.problems == ("no record of it was found; its cgroup is in /proc/20/cgroup",)


PF_KTHREAD = 0x00200000
# (state, flags) in /proc/PID/stat, what the inventory says of the process with this start time
WITHOUT_A_COMMAND_LINE = {
    "in the middle of execve": ("R", 0, 400, "running"),
    "started without arguments": ("S", 0x00400000, 400, "running"),
    "zombie": ("Z", 0, 400, "gone"),
    "dead": ("X", 0, 400, "gone"),
    "kernel thread that has the number now": ("I", PF_KTHREAD, 400, "gone"),
    "another process": ("R", 0, 401, "gone"),
}


@pytest.mark.parametrize("case", WITHOUT_A_COMMAND_LINE)
def test_container_whose_process_has_no_command_line(tmp_path: Path, case: str) -> None:
    """/proc/PID/cmdline is empty while execve(2) replaces the program, and for good without arguments."""
    letter, flags, started, state = WITHOUT_A_COMMAND_LINE[case]
    status = {"pid": 20, "process-start-time": 400, "cgroup-path": "/web", "bundle": "/bundle"}
    written(tmp_path, "/run/crun/web/status").write_text(json.dumps(status))
    written(tmp_path, "/proc/20/cmdline").write_text("")
    written(tmp_path, "/proc/20/cgroup").write_text("0::/web\n")
    written(tmp_path, "/proc/20/stat").write_text(f"20 (a) b) {letter} 1 20 20 0 -1 {flags} {'0 ' * 12}{started} 0 0\n")
    found = inventory(HostTree(str(tmp_path)))
    assert [(one.id, one.state) for one in found.containers] == [("web", state)]
    if state == "running":
        assert found.cgroups == {20: "0::/web\n"}


BRANCHES = [
    ({"recorded": {"": f"/a/x-{ID}.scope/container"}}, f"/a/x-{ID}.scope/container", f"/a/x-{ID}.scope"),
    ({"recorded": {"memory": "/sys/fs/cgroup/memory/a/web"}}, "/a/web/deeper", "/a/web"),
    ({"cgroups_path": "/a/web"}, "/a/web", "/a/web"),
    ({}, f"/a/docker-{ID}.scope/nested/{ID}", f"/a/docker-{ID}.scope"),
    (
        {},
        f"/kubepods.slice/pod.slice/cri-containerd-{ID}.scope",
        f"/kubepods.slice/pod.slice/cri-containerd-{ID}.scope",
    ),
]


@pytest.mark.parametrize(("fields", "path", "own"), BRANCHES)
def test_own_part_of_a_cgroups_path(fields: dict[str, Any], path: str, own: str) -> None:
    """Cut where the runtime says, else where the id is; what is below is inside, what is above are ancestors."""
    found = branch(Container(id=ID, **fields), "memory" if "memory" in str(fields) else "", path)
    assert (found.known, found.own) == (True, own)
    assert found.inner[0] == own
    assert found.inner[-1] == path
    assert all(own.startswith(above) and above != own for above in found.above)


def test_process_among_others_has_no_cgroup_of_its_own() -> None:
    """Nothing on the path belongs to the container."""
    assert branch(Container(id=ID), "", "/user.slice/session").known is False
    assert branch(Container(id=ID), "", "/").known is False


def test_part_of_a_hierarchy_that_is_mounted(tmp_path: Path) -> None:
    """A pod's subtree on /sys/fs/cgroup, paths as the host has them: they are read below the root of the mount."""
    mount = "30 20 0:26 /pod /sys/fs/cgroup rw - cgroup2 cgroup rw\n"
    written(tmp_path, "/proc/self/mountinfo").write_text(mount)
    written(tmp_path, "/sys/fs/cgroup/web/pids.max").write_text("50\n")
    kernel = Kernel(HostTree(str(tmp_path)), make_host("unified"))
    found = kernel.hierarchies(Container(id="web", pid=7, cgroups_path="/pod/web"), "0::/pod/web\n")["pids"]
    assert [(level.path, level.files) for level in found.own] == [("/web", {"pids.max": "50\n"})]


def test_part_of_a_hierarchy_behind_a_link(tmp_path: Path) -> None:
    """v1 with cpu and cpuacct on one mount: `cpu` is a link beside it, and the mount shows a pod's part (as on EKS)."""
    point = "/sys/fs/cgroup/cpu,cpuacct"
    whole, part = (
        f"3{n} 20 0:26 {root} {point} rw - cgroup cgroup rw,cpu,cpuacct\n" for n, root in enumerate(("/", "/pod"))
    )
    mounts = whole + part
    written(tmp_path, "/proc/self/mountinfo").write_text(mounts)
    written(tmp_path, f"{point}/web/cpu.shares").write_text("512\n")
    written(tmp_path, "/sys/fs/cgroup/cpu").symlink_to("cpu,cpuacct")
    host = make_host("legacy")
    cpu = host.placements["cpu"].changed(mount="/sys/fs/cgroup/cpu")
    kernel = Kernel(HostTree(str(tmp_path)), host.changed(placements={**host.placements, "cpu": cpu}))
    found = kernel.hierarchies(Container(id="web", pid=7, cgroups_path="/pod/web"), "4:cpu,cpuacct:/pod/web\n")["cpu"]
    assert [(level.path, level.files) for level in found.own] == [("/web", {"cpu.shares": "512\n"})]


def test_nerdctls_containers_by_their_labels(tmp_path: Path) -> None:
    """The labels are in config.json's annotations, so a bundle is enough for engine and name."""
    bundle = f"/run/containerd/io.containerd.runtime.v2.task/default/{ID}"
    labels = {"nerdctl/namespace": "default", "nerdctl/name": "web"}
    config = {"annotations": labels, "linux": {"cgroupsPath": f"/default/{ID}"}}
    written(tmp_path, f"{bundle}/config.json").write_text(json.dumps(config))
    written(tmp_path, f"{bundle}/options.json").write_text('{"binary_name": "/usr/bin/crun", "systemd_cgroup": true}')
    written(tmp_path, f"{bundle}/init.pid").write_text("7")
    (found,) = containerd.tasks(Place(tree=HostTree(str(tmp_path)), path=bundle.rpartition("/default")[0]))
    assert (found.engine, found.name, found.pid, found.family, found.driver) == ("nerdctl", "web", 7, "crun", "systemd")
    assert found.root == "/run/containerd/runc/default"
