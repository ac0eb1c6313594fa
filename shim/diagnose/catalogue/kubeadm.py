"""Checks of kubeadm, and what the kubelet says while the cluster around it does not exist yet."""

from __future__ import annotations

from shim.diagnose.entry import Entry

INSTALL = "https://kubernetes.io/docs/setup/production-environment/tools/kubeadm/install-kubeadm/"

ENTRIES = (
    Entry(
        code="kubeadm-optional-cgroups-notice",
        title="kubeadm's notice that a controller is missing which it can do without",
        patterns=(r"missing optional cgroups: (?P<controller>[a-z_]+(?: [a-z_]+)*)",),
        verdict="a notice of kubeadm: the controller {controller} is missing, and Kubernetes works without it",
        cause="hugetlb and blkio are optional: without them there are no limits of huge pages, no figures of disks. "
        "On cgroup2 the latter is called io, and older versions of kubeadm look for the old name there, too.",
        remedy=("Nothing is to be done. The error that stops kubeadm stands in another line.",),
        reference="https://github.com/kubernetes/system-validators/blob/master/validators/cgroup_validator_linux.go",
        rank=90,
    ),
)
