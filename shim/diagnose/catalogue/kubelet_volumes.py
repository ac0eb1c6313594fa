"""Volumes of pods that the kubelet or a CSI driver cannot mount or find on the node."""

from __future__ import annotations

from shim.diagnose.catalogue.volume_sources import DEAD
from shim.diagnose.entry import EEXIST, EROFS, Entry

VOLUME = r"/var/lib/kubelet/(?:pods|plugins)/[^\s\"':]*(?:volumes/kubernetes\.io~|globalmount)[^\s\"':]*"

ENTRIES = (
    Entry(
        code="pod-volume-mount-dead",
        title="the node's mount of a volume does not answer any more",
        patterns=(rf"\bmkdir (?P<path>{VOLUME}): {EEXIST}", rf"(?P<path2>{VOLUME})\"?'?: {DEAD}"),
        verdict="the volume is mounted on the node, but its mount is dead: {path}",
        cause="Its server (NFS, SMB, CephFS, Azure Files) was restarted or lost, the share was removed, or the program "
        "of its driver has ended. Such a mount does not recover, and every new pod of the node gets it.",
        remedy=(
            (
                "kubectl delete pod NAME: the volume is then mounted again. If not: delete the CSI driver's pod of "
                "that node, then this pod again."
            ),
            "Or on the node: umount -l {path}, and the globalmount of the same volume; or restart the node.",
            "NFS: a fixed fsid= in the server's /etc/exports keeps handles valid over its restarts.",
        ),
        reference="https://github.com/kubernetes-csi/csi-driver-smb/issues/419",
        tell="on the node: stat {path}; dmesg | tail",
        rank=29,
    ),
    Entry(
        code="host-path-of-other-kind",
        title="a hostPath is not on the node, or is of another kind",
        patterns=(r"hostPath type check failed: (?P<path>/[^\n]*?) is not a (?P<kind>[^\n\"]*)",),
        verdict="on the node, {path} does not exist or is not a {kind}",
        cause="hostPath means the node. A node of kind, k3d or minikube is a container or virtual machine that does "
        "not see your files. A node with containerd has no /var/run/docker.sock and no /var/lib/docker.",
        remedy=(
            "Make it on every node, or write type: DirectoryOrCreate (FileOrCreate).",
            (
                "kind: extraMounts in the cluster's configuration; k3d: --volume SOURCE:DEST@all; minikube mount "
                "SOURCE:DEST"
            ),
            "Docker's socket: use what the program has for containerd, or a builder that needs no docker.",
        ),
        reference="https://github.com/kubernetes-sigs/kind/issues/1002",
        tell="on the node: ls -ld {path} (kind: docker exec NODE ls -ld {path}; minikube ssh)",
        rank=30,
    ),
    Entry(
        code="csi-driver-of-other-kubelet",
        title="the CSI driver was installed for another directory of the kubelet",
        patterns=(
            rf"\bmkdir (?P<path>/var/snap)\b[^\n:]*: {EROFS}",
            rf"\bmkdir (?P<path2>/var/lib/(?:k0s|rancher)/[^\n:]*kubelet[^\n:]*): {EROFS}",
        ),
        verdict="the CSI driver does not have the kubelet's directory of this distribution",
        cause="MicroK8s has it below /var/snap/microk8s/common, k0s at /var/lib/k0s/kubelet. The driver's pod mounts "
        "/var/lib/kubelet, and tries to make the path in its own read-only root.",
        remedy=(
            (
                "MicroK8s: --set kubeletDir=/var/snap/microk8s/common/var/lib/kubelet for the driver's chart "
                "(csi-driver-nfs; the name of the value differs by chart)."
            ),
            "k0s: the same value with /var/lib/k0s/kubelet",
        ),
        reference="https://github.com/kubernetes-csi/csi-driver-nfs/issues/514",
        tell="kubectl get daemonset -A -o yaml | grep -n /kubelet",
        beside=r"MountVolume|MountDevice|csi|FailedMount",
        rank=28,
    ),
    Entry(
        code="sub-path-not-prepared",
        title="the kubelet cannot prepare a subPath",
        patterns=(r"failed to (?:prepare subPath|create subPath directory) for volumeMount \\*\"(?P<name>[^\"\\\n]*)",),
        verdict="the kubelet cannot make or bind the subPath of {name}; its log on the node has the reason",
        cause="It does so as root on the node. The volume does not let root write (NFS with root_squash, read-only), "
        "its mount is stale, the config map or secret was changed, or the kubelet is 1.7.14, 1.8.9 or 1.9.4, which "
        "fail for single files.",
        remedy=(
            "Make the directory or file in the volume beforehand, or let root write (NFS: no_root_squash).",
            "kubectl delete pod NAME, if the config map or secret was changed.",
            "Kubernetes 1.7.14, 1.8.9, 1.9.4, OpenShift 3.7 before 3.7.46: upgrade.",
        ),
        reference="https://github.com/kubernetes/kubernetes/issues/61076",
        tell="on the node: journalctl -u kubelet | grep -i subpath",
        rank=30,
    ),
    Entry(
        code="sub-paths-fail-with-util-linux",
        title="no subPath can be mounted with the mount program of util-linux 2.41",
        patterns=(
            rf"failed to mkdir \\*\"?(?P<path>[^\"\n]*/volume-subpaths/[^\"\n]*?)\\*\"?: mkdir [^\n]*: {EEXIST}",
            r"--no-canonicalize -o bind[^\n]* /proc/\d+/fd/\d+",
        ),
        verdict="the node's mount program is util-linux 2.41, which cannot mount a subPath as the kubelet asks for it",
        cause="With --no-canonicalize, mount of 2.41 does not follow /proc/PID/fd/N. The bind mount fails, and the "
        "next attempt finds the file that the first one made (EEXIST).",
        remedy=(
            (
                "Upgrade util-linux to 2.41.1 or later (distributions backported it), or go back to 2.40.4; then "
                "delete the pods."
            ),
            "k3s, RKE2: prefer-bundled-bin: true in config.yaml, and restart it.",
            "openSUSE MicroOS: snapshot 20250616 or later.",
        ),
        reference="https://github.com/kubernetes/kubernetes/issues/130999",
        tell="mount --version on the node; journalctl -u kubelet (k3s, k0s) | grep -A2 no-canonicalize",
        rank=28,
    ),
    Entry(
        code="host-path-on-read-only-root",
        title="the node's root is read-only, and a hostPath does not exist there",
        patterns=(
            rf"failed to generate spec: failed to mkdir \\*\"(?P<source>/[^\"\\\n]+)\\*\": mkdir [^\n]*: {EROFS}",
        ),
        verdict="containerd cannot make {source} on the node: the node's root file system is read-only",
        cause="A hostPath volume names a directory that the node does not have. Container-Optimized OS (GKE), "
        "Bottlerocket, Talos, Flatcar and the like have a read-only root.",
        remedy=(
            "Remove the hostPath, or name a directory that exists and is writable (below /var, on GKE /home).",
            "A file such as a kubeconfig or a key: a Secret or ConfigMap in its place.",
        ),
        reference="https://github.com/apecloud/kubeblocks/issues/7215",
        tell="kubectl get pod NAME -o yaml | grep -A2 hostPath; on the node: findmnt -T {source}",
        rank=40,
    ),
)
