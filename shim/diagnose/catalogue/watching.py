"""Refusals of `cgshimctl watch` and `cgshimctl leaks`."""

from __future__ import annotations

from shim.diagnose.catalogue.own import refusal

WATCH = "docs/watch.md"
LEAKS = "docs/leaks.md"

ENTRIES = (
    refusal(
        "not-running",
        "the container to watch does not run",
        "Of a container that has ended no cgroup is left to look at.",
        "Start it first, or watch all containers, which includes those that start later.",
        reference=WATCH,
    ),
    refusal(
        "watch-state",
        "the watcher cannot keep its state",
        "The directory cannot be made or written, or others may write to it, who could hide alerts or make them up.",
        "Name a directory that is the watcher's alone: cgshimctl watch --state DIR.",
        reference=WATCH,
    ),
    refusal(
        "bad-address",
        "the address to serve metrics on cannot be read",
        "It is ADDR:PORT, with an IPv6 address in brackets; :PORT is this host alone.",
        "Write 127.0.0.1:9435, [::1]:9435 or :9435.",
        reference=WATCH,
    ),
    refusal(
        "cannot-listen",
        "metrics cannot be served on the address",
        "It is not one of this host's, the name has no address, or the port is taken or needs a privilege.",
        "Name an address of this host, and a port that nobody listens on.",
        reference=WATCH,
    ),
    refusal(
        "no-prometheus-client",
        "metrics need the Python library prometheus_client, which is not installed",
        "Neither --prometheus nor --textfile works without it; the table and the alerts do.",
        "Install it: pip install 'cgshim[watch]', or Debian's python3-prometheus-client.",
        reference=WATCH,
    ),
    refusal(
        "no-trace",
        "allocations cannot be traced on this host",
        "tracefs is closed to this user or by the kernel's lockdown, or the kernel has no histogram triggers "
        "(CONFIG_HIST_TRIGGERS).",
        "Run it as root of the host, or leave out --trace: the rate of each container is shown without it.",
        reference=LEAKS,
    ),
    refusal(
        "bad-recording-place",
        "the file that is named cannot take a recording",
        "Something else than a recording has that name, another watcher writes to it, or its directory is missing.",
        "Name another file, in a directory that exists: cgshimctl watch --record FILE.",
        reference=LEAKS,
    ),
    refusal(
        "bad-recording",
        "the file is not a recording that can be read",
        "It is missing, is closed to this user, has no header of a recording, or has damaged lines.",
        "Name the FILE of cgshimctl watch --record FILE.",
        reference=LEAKS,
    ),
    refusal(
        "empty-recording",
        "the recording has no sample of any container",
        "No container ran while it was made, or it ended before the first look.",
        "Record for longer.",
        reference=LEAKS,
    ),
    refusal(
        "not-in-recording",
        "the recording has no container of that name",
        "The message lists the containers that were recorded.",
        "Give a name, pod/name, an id, or at least four characters of its beginning.",
        reference=LEAKS,
    ),
)
