"""Refusals of `cgshimctl watch` and `cgshimctl leaks`."""

from __future__ import annotations

from shim.diagnose.catalogue.own import refusal

WATCH = "docs/watch.md"
LEAKS = "docs/leaks.md"

ENTRIES = (
    refusal(
        "not-running",
        "the container to watch is not running",
        "A container that has ended has no cgroup to read.",
        "Start it first, or watch all containers, which includes those that start later.",
        reference=WATCH,
    ),
    refusal(
        "watch-state",
        "the watcher cannot keep its state",
        "The directory cannot be created or written. Or others may write to it, who could hide or forge alerts.",
        "Name a directory that only the watcher may write to: cgshimctl watch --state DIR.",
        reference=WATCH,
    ),
    refusal(
        "bad-address",
        "the address to serve metrics on is not valid",
        "The form is ADDR:PORT, with an IPv6 address in brackets. :PORT is this host alone.",
        "Write 127.0.0.1:9435, [::1]:9435 or :9435.",
        reference=WATCH,
    ),
    refusal(
        "cannot-listen",
        "metrics cannot be served on the address",
        "The address is not one of this host's, the name does not resolve, the port is in use, or it needs a "
        "privilege.",
        "Name an address of this host, and a free port.",
        reference=WATCH,
    ),
    refusal(
        "no-prometheus-client",
        "metrics need the Python library prometheus_client, which is not installed",
        "--prometheus and --textfile need it. The table and the alerts work without it.",
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
        "the recording cannot be written to this file",
        "Another kind of file has that name, another watcher writes to it, or its directory is missing.",
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
        "No container ran while it was made, or it ended before the first sample.",
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
