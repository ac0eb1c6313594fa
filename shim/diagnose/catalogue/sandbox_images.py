"""Images that a node needs before any container starts, and the store that they are kept in."""

from __future__ import annotations

from shim.diagnose.entry import Entry

PAUSE = (
    r"(?:failed to get sandbox image|[Ff]ailed pulling image) \\*\"(?P<image>[^\"\\\n]*pause[^\"\\\n]*)\\*\""
    r"[^\n]*"
)

ENTRIES = (
    Entry(
        code="pause-image-lost",
        title="the node has lost its pause image, and its registry wants a login",
        patterns=((rf"{PAUSE}(?:no basic auth credentials|401 Unauthorized|pull access denied|403 Forbidden)"),),
        verdict="the node no longer has the pause image {image}, and its registry wants a login for a new pull",
        cause="Every pod begins with the pause image, which the engine pulls without the credentials of a pod or of "
        "the kubelet. On EKS it is put on the node at boot; the kubelet's image garbage collection, or crictl rmi "
        "--prune, took it away.",
        remedy=(
            "EKS with AL2: systemctl restart sandbox-image on the node; otherwise replace the node.",
            "So that it stays: an AMI of v20240202 or later (EKS 1.29), a larger disk, no crictl rmi --prune.",
            (
                'Or an image without a login: sandbox_image = "registry.k8s.io/pause:3.9" in containerd\'s '
                "config.toml; systemctl restart containerd."
            ),
        ),
        reference="https://github.com/awslabs/amazon-eks-ami/issues/1597",
        tell="crictl images | grep pause on the node; df -h /var/lib/containerd",
        ours=False,
        rank=30,
    ),
    Entry(
        code="pause-image-not-reached",
        title="the engine cannot pull the pause image",
        patterns=(
            (
                rf"{PAUSE}(?:i/o timeout|no such host|connection refused|Client\.Timeout|server misbehaving|"
                r"context deadline|network is unreachable|TLS handshake timeout|not found)"
            ),
        ),
        verdict="the engine cannot pull the pause image {image}: the node does not reach its registry",
        cause="Every pod needs it, and the engine pulls the one of its own configuration. kubeadm's image-repository "
        "and the kubelet's --pod-infra-container-image do not change that of containerd or CRI-O.",
        remedy=(
            (
                'containerd 1: sandbox_image = "MIRROR/pause:TAG" in the CRI section of config.toml; containerd 2: '
                "sandbox below pinned_images; CRI-O: pause_image. Restart it."
            ),
            "Without a network: ctr -n k8s.io images import pause.tar, with the tag of the configuration.",
            (
                "A proxy: Environment=HTTPS_PROXY=... NO_PROXY=... in a drop-in of containerd.service; "
                "daemon-reload, restart."
            ),
            "k3s: --pause-image=MIRROR/pause:TAG, or a mirror in /etc/rancher/k3s/registries.yaml.",
        ),
        reference="https://github.com/kubernetes/kubeadm/issues/2801",
        tell="containerd config dump | grep -E 'sandbox_image|sandbox ='; crictl images | grep pause: the same name?",
        ours=False,
        rank=31,
    ),
    Entry(
        code="containerd-store-damaged",
        title="containerd's store lacks a layer that it has noted",
        patterns=(
            r"missing parent \\*\"(?P<name>[^\"\\\n]*)\\*\" bucket: not found",
            r"failed to (?:create prepare snapshot dir|stat parent): [^\n]*",
            r"parent snapshot \S+ does not exist: not found",
        ),
        verdict="containerd's store is damaged: it has noted a layer that is not there",
        cause="A power cut, a crash, a full disk, or files removed by hand below /var/lib/containerd left its database "
        "and its directories apart. A new pull does not help while the broken layer is still noted.",
        remedy=(
            "crictl rmi the image and all images that share its layers; crictl pull; kubectl delete pod.",
            (
                "For all: kubectl drain NODE; stop the kubelet and containerd; reboot, or end the shims that are "
                "left; mv /var/lib/containerd away; start both."
            ),
            (
                "k3s has it below /var/lib/rancher/k3s/agent, MicroK8s below /var/snap/microk8s/common, k0s at "
                "/var/lib/k0s/containerd."
            ),
        ),
        reference="https://github.com/containerd/containerd/issues/3671",
        tell="df -h; ctr -n k8s.io snapshots ls | wc -l; ls the snapshots directory | wc -l",
        rank=40,
    ),
    Entry(
        code="kind-image-incomplete",
        title="kind cannot import an image: docker saved an index without all of its content",
        patterns=(r"ctr: content digest (?P<digest>sha256:[0-9a-f]+): not found",),
        verdict="the image that docker saved names content that is not in it",
        cause="Docker 29, Docker Desktop and OrbStack keep images in containerd's store. docker save writes the index "
        "of all platforms, of which only the host's was pulled, and kind imports all of them.",
        remedy=(
            "docker image save --platform linux/amd64 IMAGE -o image.tar; kind load image-archive image.tar",
            'Or "features": {{"containerd-snapshotter": false}} in daemon.json; restart docker, pull again.',
            "Or let the node pull it: docker exec kind-control-plane crictl pull IMAGE.",
        ),
        reference="https://github.com/kubernetes-sigs/kind/issues/3795",
        tell="docker info | grep -i snapshotter; docker version",
        rank=20,
    ),
)
