"""The virtual machine in which podman runs on macOS and Windows (podman machine)."""

from __future__ import annotations

from shim.diagnose.entry import Entry

MANUAL = "https://docs.podman.io/en/latest/markdown/podman-machine.1.html"
DEBUG = "podman machine start --log-level=debug: the lines after 'helper command-line' are the hypervisor's own."
AGAIN = "Nothing to keep in it: podman machine rm NAME; podman machine init NAME; podman machine start NAME."

ENTRIES = (
    Entry(
        code="machine-hypervisor-ended",
        title="the hypervisor or network helper of a podman machine ends at once",
        patterns=(
            r"(?P<program>vfkit|krunkit|qemu|gvproxy) exited unexpectedly with exit code -?\d+[^\n]*",
            r"Error: (?P<program2>qemu)-system-\w+: [^\n]*",
            r"failed to read (?P<program3>vfkit|krunkit|qemu|gvproxy) process status[^\n]*",
            r"unable to verify (?P<program4>gvproxy) is running",
            r"(?P<program5>gvproxy) unixgram socket \"[^\"\n]*\" not found[^\n]*",
        ),
        verdict="podman machine: {program} ended at once, and podman does not pass on what it said",
        cause="vfkit: podman for another processor (an Intel build on Apple silicon, x86 Homebrew), macOS older "
        "than 13, Rosetta asked for and not installed, or nested virtualisation. qemu: no hardware acceleration, "
        "or another version than the machine was made with. gvproxy: too old for this podman, or one that is "
        "left from before holds its socket or the ssh port.",
        remedy=(
            DEBUG,
            (
                "uname -m; file $(readlink -f $(command -v podman)): both must be arm64, or both x86_64. Install "
                "podman by its own installer (podman.io) or brew upgrade podman vfkit."
            ),
            (
                "pgrep -fl 'gvproxy|vfkit|krunkit|qemu-system': end what is left of an earlier start; remove its "
                "sockets in $TMPDIR/podman."
            ),
            "CONTAINERS_MACHINE_PROVIDER=libkrun (or applehv). Rosetta: rosetta = false under [machine] in "
            "containers.conf. " + AGAIN,
        ),
        reference="https://blog.podman.io/2024/03/the-dreaded-vfkit-exit-1/",
        rank=40,
    ),
    Entry(
        code="machine-refused-by-wsl",
        title="WSL does not make or start the podman machine",
        patterns=(
            (
                r"WSL bootstrap script failed[^\n]*|the WSL import of guest OS failed[^\n]*|could not install "
                r"(?:the )?WSL [Kk]ernel[^\n]*"
            ),
            r"command \S*wsl(?:\.exe)? \[[^\]\n]*(?:podman|machine)[^\]\n]*\] failed: exit status[^\n]*",
            r"failed to start command [^\n]*wsl(?:\.exe)? \[[^\n]*",
            r"(?:Could not stop API forwarding service|win-sshproxy)[^\n]*|Error stopping sysd: exit status \d+",
            r"There is no distribution with the supplied name|WSL_E_DISTRO_NOT_FOUND",
            r"Wsl/Service/(?:CreateInstance|RegisterDistro|CreateVm)\S*[^\n]*|WSL_E_\w+",
        ),
        verdict="Windows' WSL did not make or start podman's virtual machine",
        cause="WSL is too old or not installed completely, virtualisation is off (firmware, Virtual Machine Platform), "
        "or the machine's distribution is gone while podman still lists it (wsl --unregister, an interrupted init).",
        remedy=(
            "wsl --update; wsl --shutdown; wsl --status. Missing parts: wsl --install --no-distribution, then reboot.",
            (
                "Over ssh to Windows: WSL from the Store cannot be called there; install the .msi of WSL. Does not "
                "stop: taskkill /im win-sshproxy.exe; wsl --shutdown."
            ),
            "wsl -l -v: is podman-machine-default there? If not: podman machine rm -f; podman machine init; start.",
            "HCS errors: switch virtualisation on in the firmware, and the Windows feature Virtual Machine Platform.",
        ),
        reference="https://github.com/containers/podman/blob/main/docs/tutorials/podman-for-windows.md",
        tell="wsl --status; wsl -l -v; podman machine list",
        rank=40,
    ),
    Entry(
        code="machine-in-other-state",
        title="the podman machine exists already, is running, or is not known",
        patterns=(
            r"\S+: VM does not exist|\S+: VM already exists|VM in wrong state to perform action",
            r"unable to start \"[^\"\n]+\": already running|\S+ VM already running or starting",
            r"only one VM can be active at a time",
            r"incompatible machine config[^\n]*",
            r"running vm \"[^\"\n]+\" cannot be destroyed",
        ),
        verdict="the podman machine is not in the state that this command needs",
        cause="It runs already (or a start was interrupted, so that podman takes it for starting), another one "
        "runs, it was made under another provider or podman version, or by another user or app (podman desktop).",
        remedy=(
            "podman machine list --all-providers; podman machine stop; then start again.",
            "Stuck in 'starting': end its hypervisor (pgrep -fl 'gvproxy|vfkit|qemu-system'), then start.",
            AGAIN,
        ),
        reference=MANUAL,
        rank=40,
    ),
    Entry(
        code="machine-not-reachable",
        title="the podman machine starts, but its ssh or its system does not answer",
        patterns=(
            r"machine did not transition into running state[^\n]*",
            r"^Error: exit status 255$",  # ssh's own
            (
                r"(?:ssh: handshake failed|failed to connect: ssh|machine [^\n]*ssh)[^\n]*(?:reset by peer|refused|EOF|"
                r"attempted methods|ssh error)[^\n]*"
            ),
            r"(?<!machine )ssh error: [^\n]*|host key mismatch[^\n]*|knownhosts: key mismatch",
        ),
        verdict="podman's virtual machine was started, but does not answer by ssh",
        cause="It hangs while it boots (too little memory, a damaged disk after a crash, an update that failed), "
        "its ssh port is taken by a helper of an earlier start, a VPN or firewall filters 127.0.0.1, or its key "
        "is another one (~/.local/share/containers/podman/machine).",
        remedy=(
            "podman machine stop; podman machine start --log-level=debug; podman machine inspect (the port, the key).",
            "pgrep -fl gvproxy: end one that is left. podman system connection list: remove entries of old machines.",
            "More memory: podman machine set --memory 4096. " + AGAIN,
            "Too many keys in the agent: ssh-add -D, or Host localhost, IdentitiesOnly yes in ~/.ssh/config.",
        ),
        reference=MANUAL,
        rank=44,
    ),
)
