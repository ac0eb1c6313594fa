"""Mounts that the kubelet makes for a pod's volumes, and mounts of single files of them (subPath)."""

from __future__ import annotations

from shim.diagnose.entry import ENOENT, Entry

VOLUMES = "https://kubernetes.io/docs/concepts/storage/volumes/#using-subpath"

ENTRIES = (
    Entry(
        code="subpath-changed",
        title="a file of a volume (subPath) was replaced while the pod ran",
        patterns=(
            (
                r"\bmounting \\*\"(?P<source>/[^\"\\\n]*/volume-subpaths/[^\"\\\n]*)\\*\" to rootfs[^\n]*"
                rf"(?:: |caused:? \\*\"?){ENOENT}"
            ),
        ),
        verdict="the container cannot start again in this pod: the file that subPath names was replaced meanwhile",
        cause="The kubelet bound the file of the ConfigMap or Secret once, when the pod was made. After the object was "
        "changed that file is deleted, and a container that starts again in the same pod finds nothing. Kubernetes "
        "1.19 and later bind it again.",
        remedy=(
            "Delete the pod: a new one gets the new file (kubectl rollout restart deployment NAME).",
            "Without subPath (a directory of its own for the volume) changes arrive, too. Upgrade Kubernetes.",
        ),
        reference="https://github.com/kubernetes/kubernetes/issues/68211",
        tell="kubectl get pod NAME -o yaml: restartCount above 0? grep deleted /proc/self/mountinfo on the node",
        rank=40,
    ),
    Entry(
        code="kubelet-mount-failed",
        title="the kubelet cannot mount a volume of the pod",
        patterns=(
            r"failed to prepare subPath for volumeMount[^\n]*",
            r"\b[Mm]ount failed: exit status (?P<number>\d+)",
            r"\bMountVolume\.(?:SetUp|MountDevice) failed for volume[^\n]*",
            r"Unable to (?:attach or )?mount volumes for pod|Unable to attach or mount volumes:[^\n]*",
        ),
        verdict="the kubelet could not mount a volume of the pod; the runtime was not asked yet",
        cause="The lines behind 'Output:' are mount's own. Usual: a Secret, ConfigMap or claim that does not exist, a "
        "tool that the node lacks (mount.nfs, mount.cifs), a server that does not answer, a subPath that leads out of "
        "its volume or is a file where a directory is expected. 'Object cache' and 'timed out' mean that the kubelet "
        "itself waits: for the API server, or because it restarts again and again. Rootless, a file system with "
        "nodev, noexec or ro may not be bound again without these flags.",
        remedy=(
            "kubectl describe pod NAME: which volume? kubectl get secret,configmap,pvc -n NAMESPACE: does it exist?",
            "On the node: the mount command of the log by hand; apt-get install nfs-common cifs-utils.",
            "Rootless k3s: a data directory (--data-dir) on a file system without nodev and noexec.",
        ),
        reference=VOLUMES,
        rank=60,
    ),
)
