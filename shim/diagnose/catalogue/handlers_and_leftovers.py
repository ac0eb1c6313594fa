"""What crun's handlers, FUSE storage after a logout, LXC's controllers and more batch systems say."""

from __future__ import annotations

from shim.diagnose.entry import EBUSY, ENOENT, Entry

ENTRIES = (
    Entry(
        code="fuse-storage-ended",
        title="the FUSE program behind the container's root has ended",
        patterns=(
            r"(?P<path>/[^\s:]{0,300}/merged[^\s:]{0,200}): transport endpoint is not connected",
            r"(?P<path2>/[^\s:]{0,300}/overlay/[0-9a-f]{20,}[^\s:]{0,200}): [Tt]ransport endpoint is not connected",
        ),
        verdict="fuse-overlayfs, which shows the container's root, has ended: {path}",
        cause="It was started by a login, su or a service that ended, and systemd ended it with the rest of that "
        "session or cgroup; or it was killed for memory.",
        remedy=(
            "podman stop -t0 NAME; podman unshare umount -l PATH/merged; podman start NAME.",
            (
                "loginctl enable-linger USER; start at boot by a user's unit (Quadlet, podman-restart.service), not "
                "rc.local."
            ),
            "Kernel 5.13 or later: overlay without FUSE (no mount_program in storage.conf, then podman system reset).",
        ),
        reference="https://github.com/containers/podman/issues/14885",
        rank=30,
    ),
    Entry(
        code="crun-handler-failed",
        title="crun's handler (krun, wasm) cannot start",
        patterns=(
            r"failed configuring mounts for handler at phase: [^\n]*",
            r"exec container process failed with handler as [^\n:]+: [^\n\"]+",
        ),
        verdict="the handler of this container (krun, wasm) does not start",
        cause="krun starts a virtual machine: /dev/kvm is missing or closed to the user, or libkrun-sev is "
        "installed on a machine without AMD SEV (/dev/sev). wasm needs an image of that platform.",
        remedy=(
            "ls -l /dev/kvm; group kvm, or nested virtualisation; dnf remove libkrun-sev; upgrade crun and libkrun.",
            "A common container: no --runtime krun, and no annotation run.oci.handler.",
        ),
        reference="https://github.com/containers/crun/issues/1120",
        rank=30,
    ),
    Entry(
        code="bundle-not-in-directory",
        title="the runtime finds no config.json in the directory it was started in",
        patterns=(
            r"cannot read the file: (?P<path>\S*config\.json)",
            r"JSON specification file (?P<path2>\S*config\.json) not found",
            rf"(?:load|open) `?(?P<path3>config\.json)`?: (?:{ENOENT}|cannot read[^\n]*)",
        ),
        verdict="there is no {path} where the runtime looks for it",
        cause="crun and runc run a bundle: a directory with config.json and the root. Images are podman's or docker's.",
        remedy=(
            "cd BUNDLE, or -b BUNDLE; crun spec (runc spec) makes a config.json; the root is in rootfs.",
            "An image: podman --runtime crun run IMAGE.",
        ),
        reference="https://github.com/containers/crun/issues/966",
        rank=55,
    ),
    Entry(
        code="lxc-controllers-busy",
        title="LXC may not enable controllers, because processes are in the cgroup above",
        patterns=(rf"{EBUSY} - Could not enable \"(?P<names>[^\"\n]+)\" controllers in the unified cgroup",),
        verdict="LXC cannot enable {names}: there are processes in the cgroup in which it makes its own",
        cause="On cgroup2 a cgroup has processes or controllers for its children. An LXC, LXD or Incus inside a pod or "
        "container sits in the root of its cgroup namespace, beside the init of that container.",
        remedy=(
            (
                "Before it starts: mkdir /sys/fs/cgroup/init; move every process of /sys/fs/cgroup/cgroup.procs "
                "there; then echo +cpu +memory +pids > cgroup.subtree_control."
            ),
            "A cgroup namespace of its own: docker --cgroupns=private; Kubernetes on cgroup2 has one. Or no limits.",
        ),
        reference="https://github.com/FootprintAI/Containarium/issues/1568",
        rank=52,
    ),
)
