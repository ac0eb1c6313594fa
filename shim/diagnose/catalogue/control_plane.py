"""The cluster's own pods: the control plane and kube-proxy; and what systemd says where nodes are containers."""

from __future__ import annotations

from shim.diagnose.entry import EACCES, EPERM, Entry

DRIVERS = "https://kubernetes.io/docs/setup/production-environment/container-runtimes/#cgroup-drivers"
OWN = r"(?:etcd|kube-(?:apiserver|controller-manager|scheduler|proxy))"

ENTRIES = (
    Entry(
        code="systemd-links-exist",
        title="a notice of systemd in a container: links to v1 hierarchies are there already",
        patterns=(r"Failed to create symlink /sys/fs/cgroup/(?P<name>\w+): File exists",),
        verdict="a notice, not a failure: systemd in the container finds /sys/fs/cgroup/{name} there already",
        cause="The engine, or the image's entry point, has mounted the v1 hierarchies before systemd starts. systemd "
        "uses them as they are.",
        remedy=("Nothing is to be done for this. If the container does not come up, a later line says why.",),
        reference="https://github.com/systemd/systemd/blob/main/src/shared/mount-setup.c",
        rank=92,
    ),
    Entry(
        code="systemd-may-not-mount",
        title="systemd in a container may not change its mounts",
        patterns=(rf"Failed to set up the root directory for shared mount propagation: (?:{EPERM}|{EACCES})",),
        verdict="systemd runs as the first process of a container that may not mount anything (no CAP_SYS_ADMIN)",
        cause="systemd mounts file systems and makes cgroups. In a pod or a container of docker it may do neither "
        "without more rights; the notice by itself is harmless, the next lines say where it stops.",
        remedy=(
            "Kubernetes: securityContext.privileged: true, tmpfs (emptyDir, medium: Memory) on /run and /tmp.",
            "docker: run --privileged --cgroupns=private. podman run --systemd=always needs no more rights.",
            "Or start the service itself instead of systemd.",
        ),
        reference="https://systemd.io/CONTAINER_INTERFACE/",
        rank=58,
    ),
    Entry(
        code="slice-cannot-be-delegated",
        title="this systemd refuses to delegate a slice",
        patterns=(r"Delegation not available for unit type",),
        verdict="systemd refuses Delegate= for a slice, which the kubelet or the engine wanted",
        cause="Since version 237 systemd delegates only services and scopes. runc before 1.0-rc5, and with it docker "
        "before 18.03 and a kubelet before 1.10, asked for it with every slice.",
        remedy=(
            "Upgrade the kubelet, docker or containerd with runc (runc 1.0-rc5 or later).",
            "Until then the cgroupfs driver in both: kubelet --cgroup-driver=cgroupfs, docker native.cgroupdriver.",
            "A unit file of your own: Delegate= belongs to a .service or .scope, not to a .slice.",
        ),
        reference="https://github.com/kubernetes/kubernetes/issues/61474",
        tell="systemctl --version; runc --version; kubelet --version",
        rank=40,
    ),
    Entry(
        code="k3s-cannot-evacuate",
        title="k3s in a container cannot make room in its cgroup",
        patterns=(r"failed to evacuate (?:root )?cgroup: (?P<reason>[^\n\"]+)",),
        verdict="k3s, the first process of a container on cgroup2, cannot move its processes into /sys/fs/cgroup/init: "
        "{reason}",
        cause="To enable controllers for pods it first empties the container's cgroup. In a container that is not "
        "privileged /sys/fs/cgroup is read-only. k3s 1.22.5 and later leave it out where no agent runs.",
        remedy=(
            "With pods of its own: docker run --privileged, Kubernetes: securityContext.privileged: true.",
            "Only a control plane (vcluster, k3k): a newer k3s with --disable-agent, or another distribution.",
        ),
        reference="https://github.com/k3s-io/k3s/issues/4873",
        rank=25,
    ),
)
