"""cgshim's own refusals and faults; no runtime's message leads to them.

The texts for the user are made where the refusal happens; this is the text of `cgshimctl explain CODE`.
"""

from __future__ import annotations

from shim.diagnose.entry import Entry

SPEC = "OCI runtime-spec, config.md"
SETTINGS = "docs/settings.md"


def refusal(code: str, title: str, cause: str, *remedy: str, reference: str = "") -> Entry:
    """A row without a message, found only by its code."""
    return Entry(code=code, title=title, verdict=title, cause=cause, remedy=remedy, reference=reference)


ENTRIES = (
    refusal(
        "limit-not-applied",
        "the kernel does not show a limit, so the container was stopped",
        "The runtime reported success, but the kernel does not show the limit.",
        "Run cgshimctl doctor. The message names the file that was read, and its content.",
    ),
    refusal(
        "init-ended",
        "the container's init ended before it could be started",
        "The runtime reported success, but its init was dead when cgshim read the limits back: the memory limit is "
        "too small for the init itself, the seccomp profile denies it a system call, or somebody killed it. Such a "
        "container can never be started, so it is deleted.",
        "The message includes what the kernel's log, the container's own cgroup and the profile show.",
        "Raise the memory limit, or allow in the profile what the runtime's init needs.",
    ),
    refusal(
        "limit-not-read",
        "a limit could not be read back, so the container was stopped",
        "The runtime reported success, but cgshim did not find the container's cgroup. No cgroup namespace or partial "
        "mount on this host explains that.",
        "Check whether the container's init was killed at once. The message names the cgroup that cgshim looked for.",
    ),
    refusal(
        "bridge-impossible",
        "the container's limits need cgroup2 controllers that cannot be enabled for it",
        "On this hybrid host the controller exists only in cgroup2. An ancestor holds processes and cannot hand it "
        "down, or the runtime left the container in its caller's cgroup. A separate cgroup made by cgshim would not "
        "cover exec.",
        "Move the processes of the cgroup that the message names into a leaf, or choose another cgroupsPath.",
        "Use runc 1.1 or later, or boot with cgroup2 only.",
        "Or accept a separate cgroup, which exec escapes: policy warn in the settings.",
    ),
    refusal(
        "bridge-refused",
        "the kernel refused a limit in cgroup2",
        "The value was written to the container's own cgroup2 directory, and the kernel refused it.",
        "Correct the value. The message names the file and the errno.",
    ),
    refusal(
        "bad-resources",
        "no runtime or kernel accepts the value of a resource",
        "The value is outside the range that the specification or the kernel allows.",
        "Correct the field that the message names.",
        reference="OCI runtime-spec, config-linux.md, Control groups",
    ),
    refusal(
        "unwritable-bundle",
        "config.json needs changes for this host and cannot be written",
        "Starting the container without the changes would lose limits or fail.",
        "Free some space in the bundle's directory, or make it writable.",
    ),
    refusal(
        "bad-cgroups-path",
        "linux.cgroupsPath cannot be used",
        'It contains ".." or a NUL, or it is longer or deeper than any hierarchy. It could lead to somebody else\'s '
        "cgroup, or keep the host busy for minutes.",
        "Write a path below the root of the hierarchies, or SLICE:PREFIX:NAME with the systemd driver.",
        reference="OCI runtime-spec, config-linux.md, Cgroups Path",
    ),
    refusal(
        "bad-container-id",
        "the id is not a valid container id",
        'An id becomes a part of paths. One with a slash, ".." or more than 255 bytes could lead elsewhere.',
        "Choose an id of letters, digits and the characters _ + - .",
        reference="runc(8), crun(1)",
    ),
    refusal(
        "bad-bundle",
        "the bundle has no readable config.json",
        "The directory of --bundle, or the working directory without that option, must contain config.json.",
        "Name the right directory.",
        reference=SPEC,
    ),
    refusal(
        "unreadable-file",
        "a file named on the command line cannot be read",
        "It does not exist, is not a file, or belongs to another user.",
        "Name a file that exists and that you may read.",
    ),
    refusal(
        "bad-config",
        "config.json is not a usable OCI configuration",
        "It is not JSON, or a field has the wrong type.",
        "Correct the place that the message names.",
        reference=SPEC,
    ),
    refusal(
        "ambiguous-config",
        "config.json has a field more than once",
        "Readers disagree about which one counts, so a change could miss the one that the runtime reads.",
        "Remove the duplicate.",
        reference="RFC 8259, section 4",
    ),
    refusal(
        "bad-settings",
        "the settings file is not valid",
        "It is not a JSON object, or a key is unknown or has the wrong type.",
        "Correct the file that the message names.",
        reference=SETTINGS,
    ),
    refusal(
        "no-key",
        "the key that seals what cgshim keeps in config.json cannot be used",
        "Limits that only cgroup2 can enforce leave linux.resources and are kept in an annotation. A seal keeps the "
        "author of an image from writing such an annotation. Only root, or the rootless user, may read the key of the "
        "seal.",
        "Create the directory that the message names, with mode 0700. Remove a key that others could read.",
        reference=SETTINGS,
    ),
    refusal(
        "no-bundle",
        "limits would have to be kept in a configuration whose root file system is unknown",
        "Only cgroup2 can enforce a limit here, and nothing distinguishes this container's configuration from "
        "another's.",
        "Make root.path absolute, or create the container through cgshim as its runtime.",
    ),
    refusal(
        "id-in-use",
        "a container of this id already exists",
        "The runtime has a directory for it. cgshim checks this before it changes anything.",
        "Choose another id, or delete the container first.",
    ),
    refusal(
        "bad-policy",
        "the policy annotation is neither refuse nor warn",
        "cgshim refuses any other value, so that a typing error cannot lose a limit.",
        'Write "refuse" or "warn".',
        reference=SETTINGS,
    ),
    refusal(
        "bad-enable",
        "the annotation that switches cgshim on or off is neither true nor false",
        "cgshim refuses any other value, so that a typing error cannot lose a limit.",
        'Write "true" or "false", or leave the annotation out.',
        reference=SETTINGS,
    ),
    refusal(
        "bad-pressure",
        "the annotation that selects how memory pressure is measured is neither psi nor taskstats",
        "cgshim refuses any other value.",
        'Write "psi" or "taskstats", or leave the annotation out.',
        reference=SETTINGS,
    ),
    refusal(
        "bad-runtime",
        "the configured runtime cannot be used",
        "It is missing, not executable, or cgshim itself: a copy of it, or a wrapper that calls it.",
        "Name runc or crun by absolute path: in the entry's file in /etc/cgshim/runtimes, or in the settings.",
        reference=SETTINGS,
    ),
    refusal(
        "no-runtime",
        "no real runtime was found",
        "cgshim passes every call to runc or crun, and neither is in the standard directories.",
        "Install runc or crun, or name it in the settings.",
        reference=SETTINGS,
    ),
    refusal(
        "runtime-not-started",
        "the real runtime could not be started",
        "The kernel refused to execute the file.",
        "Check the path and its mode. For ENOEXEC, check its architecture.",
    ),
    refusal(
        "no-process",
        "the container has no process whose limits could be read back",
        "The container's init ended at once, the runtime keeps no pid, or the hook was called for a container that "
        "has ended. Limits that were not read back do not count as enforced.",
        "The runtime's own message gives the reason.",
    ),
    refusal(
        "leftover-cgroup",
        "the container's cgroup could not be removed after its end",
        "It has processes or child cgroups that others created.",
        "Remove it with rmdir when it is empty. cgroup.procs lists its processes.",
    ),
    refusal(
        "bad-hook",
        "the hook's arguments cannot be understood",
        "The hook was registered by hand.",
        "Register it again: cgshimctl hooks install.",
    ),
    refusal(
        "hook-not-answered",
        "the process that was to read the limits back ended without an answer",
        "The cgshim that started the runtime answers the hook of a `run`. It was killed, or it could not read the "
        "container's state in time. A container whose limits were not read back is not started.",
        "Start the container again. The system's log shows whether the kernel killed cgshim for memory.",
    ),
    refusal(
        "bad-state",
        "the hook was given no container state on standard input",
        "Hooks receive the container's state as JSON. A call by hand has none.",
        "Let the runtime call the hook.",
        reference="OCI runtime-spec, runtime.md, State",
    ),
    refusal(
        "no-hook-program",
        "the program cgshim-hook is missing from this installation",
        "A hook reads back the limits of a container that starts at once, and this program is the hook. It belongs "
        "beside the launcher, or in hooks/ of a source tree.",
        "Install cgshim again, with all of its files.",
    ),
    refusal(
        "crio-stage",
        "CRI-O would not start with a hook of this stage in a directory that it reads",
        'CRI-O does not support precreate. It would end with `unknown stage "precreate"` at its next start, and the '
        "node would be lost.",
        "Leave that stage out, or give podman a directory that CRI-O does not read: --dir, and hooks_dir in "
        "containers.conf.",
        reference="oci-hooks(5)",
    ),
    refusal(
        "hooks-not-proven",
        "podman could not create the container that tests the hooks",
        "Podman's message gives the reason. A hook may have refused the container.",
        "Follow podman's message.",
    ),
    refusal(
        "foreign-hook",
        "a file of the hooks directory has cgshim's name but was not written by cgshim",
        "It does not name a hook of cgshim. Installing or removing would destroy another program's file.",
        "Rename the file that the message names, then run cgshimctl hooks again.",
    ),
    refusal(
        "unwritable-hooks",
        "a file of the hooks directory cannot be read or changed",
        "The directory belongs to another user, or its file system is read-only.",
        "Run cgshimctl hooks as the owner of the directory, or name another one with --dir.",
        reference="oci-hooks(5)",
    ),
    refusal(
        "host-exhausted",
        "the host ran out of a resource while cgshim worked",
        "It ran out of open files, memory, processes or disk space. The message names the resource and its limit.",
        "Raise the limit that the message names, usually one of the engine's unit, or free some space.",
        reference="errno(3), getrlimit(2), systemd.exec(5)",
    ),
    refusal(
        "host-error",
        "the host failed a system call that cgshim cannot do without",
        "The message has the error's name, what it says of the host, and the file if there is one.",
        "Look at the file that the message names, and at dmesg.",
        reference="errno(3)",
    ),
    refusal(
        "not-loadable",
        "a module of cgshim or of Python cannot be loaded",
        "Its file is missing, cannot be read, or is of another version than the others.",
        "Install cgshim again. If the module is one of Python's own, install the host's Python packages again.",
    ),
    refusal(
        "own-fault",
        "a fault of cgshim itself",
        "Nothing was started. The message has the exception and its place.",
        "Report it. CGSHIM_DEBUG=FILE writes the traceback to FILE.",
    ),
)
