"""Pods of podman, and what a container in one may not have of its own."""

from __future__ import annotations

from shim.diagnose.entry import Entry

ENTRIES = (
    Entry(
        code="pod-shares-user-namespace",
        title="a container in a pod cannot have a user namespace of its own",
        patterns=(r"--userns and --pod cannot be set together",),
        verdict="podman refuses --userns for a container in a pod: it shares the pod's user namespace",
        cause="podman-compose from 1.1.0 on puts every project into a pod.",
        remedy=(
            (
                "podman-compose: x-podman: with in_pod: false at the top of the file; or podman-compose "
                "--in-pod=false up (1.1.0: --in-pod=)."
            ),
            "A pod of your own: podman pod create --userns keep-id NAME, and podman run --pod NAME without --userns.",
            "Quadlet: UserNS=keep-id in the .pod file.",
        ),
        reference="https://github.com/containers/podman-compose/issues/795",
        tell="podman pod ps; podman-compose version",
        rank=30,
    ),
    Entry(
        code="required-container-runs-already",
        title="podman trips over a required container that runs already",
        patterns=(r"generating dependency graph for container [^\n]* not found in input list",),
        verdict="podman cannot start a container whose required containers run already and require others",
        cause="It is a fault of podman before May 2025 (--requires; compose: depends_on).",
        remedy=(
            "podman-compose down, then up -d: what is started together works more often.",
            "depends_on only where it is needed, without chains.",
            "Upgrade podman; or docker compose with podman's socket in place of podman-compose.",
        ),
        reference="https://github.com/containers/podman/pull/26193",
        tell="podman version; podman ps",
        rank=40,
    ),
    Entry(
        code="hostname-of-shared-namespace",
        title="a host name is given, and the UTS namespace is the host's or the pod's",
        patterns=(r"cannot set hostname when running in the host UTS namespace",),
        verdict="the container shares the UTS namespace that holds the host name, so it cannot have one of its own",
        cause='It is the host\'s by --uts=host, by utsns = "host" in containers.conf (as in quay.io/podman/stable), or '
        "the pod's.",
        remedy=(
            'Inside quay.io/podman/stable: --uts=private, or utsns = "private" in /etc/containers/containers.conf.',
            "In a pod: podman pod create --hostname NAME, and no --hostname for its containers.",
            "Or leave --hostname (compose: hostname:) out.",
        ),
        reference="https://github.com/containers/podman/issues/11969",
        tell="grep -r utsns /etc/containers ~/.config/containers",
        rank=40,
    ),
    Entry(
        code="podman-database-of-former-kind",
        title="podman's state is in a BoltDB database, which podman 6 does not read",
        patterns=(
            r"deprecated BoltDB database driver is in use",
            r"BoltDB database backend was removed in Podman 6",
        ),
        verdict="podman's containers are recorded in a BoltDB database, which podman 6 no longer reads",
        cause="Installations from before podman 4.8 have bolt_state.db. Images, and the files of volumes, are not in "
        "it. podman 5.7 warns, and 5.8 can migrate it.",
        remedy=(
            "podman 5.8.1 or a later 5: podman system migrate --migrate-db, as each user with containers and as root.",
            "Already podman 6: go back to 5.8, migrate, upgrade again; or make the containers again.",
            'Remove database_backend = "boltdb" from containers.conf.',
        ),
        reference="https://github.com/containers/podman/pull/27660",
        tell="podman info | grep -i databaseBackend; ls ~/.local/share/containers/storage/libpod",
        rank=60,
    ),
)
