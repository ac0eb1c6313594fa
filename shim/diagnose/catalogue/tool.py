"""Refusals of `cgshimctl`, by code; no message leads to them, and none of them changed anything."""

from __future__ import annotations

from shim.diagnose.catalogue.own import refusal

ENGINES = "docs/engines.md"
PAGE = "docs/cgshimctl.md"

ENTRIES = (
    refusal(
        "name-taken",
        "the engine has another runtime under this name",
        "Containers that use this name would be started by another program.",
        "Choose another name with --name. For BuildKit, first remove the line that the message names from its drop-in.",
        reference=ENGINES,
    ),
    refusal(
        "registered-otherwise",
        "cgshim is registered with the engine under another name",
        "Containers store the name of their runtime, so the old name must stay.",
        "Keep that name with --name, or run cgshimctl engine remove first.",
        reference=ENGINES,
    ),
    refusal(
        "bad-name",
        "the engine does not accept this name for a runtime",
        "Engines accept letters, digits, underscores, hyphens and dots. Docker reserves a few names.",
        "Choose another with --name.",
        reference=ENGINES,
    ),
    refusal(
        "bad-binary",
        "the file to register cannot be an engine's runtime",
        "It is missing or not executable, it would be gone after a reboot, or its file system is mounted noexec. An "
        "engine without its runtime starts nothing.",
        "Install cgshim in a directory of its own, such as /opt/cgshim, or name it with --binary.",
        reference=ENGINES,
    ),
    refusal(
        "bad-place",
        "the directory is not suitable for a runtime",
        "It is empty after a reboot, or its file system is mounted noexec. An engine without its runtime starts "
        "nothing.",
        "Use --prefix /opt/cgshim.",
        reference=ENGINES,
    ),
    refusal(
        "no-python",
        "there is no Python that cgshim can use",
        "`create`, `run`, `restore`, `update` and `checkpoint` need Python 3.7 or newer. cgshim looks in the tree of "
        "the engine, at CGSHIM_PYTHON, and in the standard directories. Other calls, such as delete, work without it.",
        "Install Python 3.7 or newer there, or set CGSHIM_PYTHON to the absolute path of one for the engine.",
    ),
    refusal(
        "runtime-starts-nothing",
        "the runtime cannot start a container on this host, so it is not registered",
        "crun refuses every container on a hybrid host if cgroup2 has controllers.",
        "Install runc, name another runtime with --runtime, or set crun_on_hybrid to hide-cgroup2 in the settings.",
        reference=ENGINES,
    ),
    refusal(
        "not-registered",
        "cgshim is not registered with the engine that --engine names",
        "The engine's files have no entry that leads to cgshim.",
        "Run cgshimctl engine install, or name the runtime with --runtime.",
        reference=ENGINES,
    ),
    refusal(
        "no-default",
        "nerdctl has no setting for a default runtime",
        "Neither nerdctl.toml nor containerd has a key for it.",
        "Name the runtime for each container: nerdctl run --runtime.",
        reference=ENGINES,
    ),
    refusal(
        "no-rootless",
        "CRI-O has no per-user configuration",
        "It runs as root only.",
        "Leave out --rootless.",
        reference=ENGINES,
    ),
    refusal(
        "no-entry",
        "the engine's configuration has no place for a runtime",
        "Its users name the runtime with each container.",
        "The message shows the name to use.",
        reference=ENGINES,
    ),
    refusal(
        "engine-config",
        "a file of the engine's configuration cannot be read or written",
        "It belongs to another user, or its file system is read-only.",
        "Run the command as root. The message names the file and the errno.",
        reference=ENGINES,
    ),
    refusal(
        "malformed-engine-config",
        "the engine's configuration is not valid JSON or TOML",
        "The engine cannot read it either. cgshim leaves a broken file as it is.",
        "Correct the line that the message names, then run the command again.",
        reference=ENGINES,
    ),
    refusal(
        "engine-config-notation",
        "the engine's configuration is written in a way that cannot be edited safely",
        "A table cannot be added to inline tables and dotted keys. The file is left as it is.",
        "Add by hand what cgshimctl engine print shows.",
        reference=ENGINES,
    ),
    refusal(
        "engine-config-version",
        "containerd's configuration has an unknown version",
        "Each version keeps its runtimes in a different table.",
        "Add by hand what cgshimctl engine print containerd shows, in the file's own notation.",
        reference=ENGINES,
    ),
    refusal(
        "output-is-input",
        "the file to write is the one that was read, under another name",
        "Only one of its names would get the new content.",
        "To change the file in place, give --output the name that was read.",
        reference=PAGE,
    ),
    refusal(
        "unwritable-output",
        "the file or directory that is named for output cannot be written",
        "It belongs to another user, the disk is full, the directory is missing, or the file system is read-only. For "
        "--alert, no daemon listens.",
        "Name a file or a directory that you may write to.",
        reference=PAGE,
    ),
    refusal(
        "not-empty",
        "the directory for a captured host is not empty",
        "A capture mixed with other files would describe no host.",
        "Name a directory that does not exist yet.",
        reference=PAGE,
    ),
    refusal(
        "bad-host-tree",
        "the directory is not a captured host",
        "It has neither a readable manifest.json nor a proc directory.",
        "Capture one on the host in question: cgshimctl capture DIRECTORY.",
        reference=PAGE,
    ),
    refusal(
        "no-cgroup-version",
        "the cgroup version for an engine is ambiguous, or there is no cgroup file system",
        "What is mounted at /sys/fs/cgroup decides for every engine. Nothing is mounted there, v1 hierarchies are "
        "inside cgroup2, or the files are not the kernel's.",
        "Mount cgroup2 there, or v1 hierarchies with cgroup2 beside them. The message names the contradiction.",
        reference=PAGE,
    ),
    refusal(
        "no-cgroup-driver",
        "it is not known whether systemd or the engine creates the cgroups",
        "This depends on whether systemd is PID 1, which an older capture does not record.",
        "Capture the host again: cgshimctl capture DIRECTORY.",
        reference=PAGE,
    ),
    refusal(
        "no-container",
        "the container is not known on this host",
        "Neither an engine's records nor a runtime's state has it, and no memory report of it was kept.",
        "cgshimctl audit lists the containers of this host, with their names.",
        "Or name the runtime's directory with --root, or the bundle's directory.",
        reference=PAGE,
    ),
    refusal(
        "ambiguous-container",
        "there is more than one container of this name or id",
        "Engines do not know each other's names. Short ids are unique only below one root of a runtime. The beginning "
        "of an id may fit several.",
        "Use the whole ID, or select one with --root.",
        reference=PAGE,
    ),
    refusal(
        "bad-report",
        "this version cannot read the container's report",
        "The annotation io.cgshim.report was written by another version, or not by cgshim.",
        "Read it with the cgshimctl of the version that wrote it.",
        reference=PAGE,
    ),
    refusal(
        "nothing-to-explain",
        "there is no failure to explain",
        "No engine has left a runtime's log here, or none for this container. Logs are removed with their containers.",
        "Paste the message: cgshimctl explain 'MESSAGE', or pipe it: podman run ... 2>&1 | cgshimctl explain.",
        reference=PAGE,
    ),
    refusal(
        "not-compiled",
        "cgshim's code could not be compiled",
        "The directory of the package belongs to another user or is read-only, or a source file is damaged.",
        "Run the command as the directory's owner, or install cgshim again.",
        reference=PAGE,
    ),
    refusal(
        "no-log",
        "the log cannot be read",
        "It belongs to another user, or no longer exists.",
        "Run cgshimctl as the engine's user.",
        reference=PAGE,
    ),
    refusal(
        "no-configuration",
        "the container has no readable config.json",
        "Engines write it when they start a container, and some remove it at the end. One of another user cannot be "
        "read.",
        "Name the file itself: cgshimctl plan CONFIG.",
        "Or start the container first.",
        reference=PAGE,
    ),
    refusal(
        "bad-audit",
        "the file is not an audit that this version can merge",
        "It is not the output of cgshimctl audit --json, it is cut short, or it has another schema.",
        "Write it again with cgshimctl audit --json.",
        reference="docs/audit.md",
    ),
    refusal(
        "not-root",
        "the command needs root",
        "self-test starts a container, and only root may create the cgroups for it.",
        "Run it as root.",
        reference=PAGE,
    ),
    refusal(
        "not-removed",
        "a file of cgshim could not be removed",
        "It belongs to another user, or its file system is read-only. Everything removed before stays removed.",
        "Run cgshimctl uninstall again as the user to whom the file belongs.",
        reference=PAGE,
    ),
)
