"""Boots one guest under QEMU's software emulation and waits for it, or kills it when it hangs.

The userland is a read-only 9p share under a tmpfs overlay, the modules and the checkout are shares of their own, and
the guest writes what it found into a fourth. One emulation thread: with several, guests were seen to hang for minutes.
"""

from __future__ import annotations

import lzma
import os
import pathlib
import shutil
import subprocess
import tempfile
import threading
import time
from typing import NamedTuple

STOPPING = threading.Event()  # set when the run is interrupted: every guest ends
MODULES = ("virtio_pci", "9pnet_virtio", "9p", "overlay")
LIMIT = 1500  # seconds for a whole boot
SILENCE = 480  # seconds without a new result: the guest hangs. One scene of a set may wait five times for 90 seconds.
MEMORY = "1024"  # MiB
# Nothing here changes what a cgroup does; it is what emulation pays for most: page table isolation and other
# mitigations, five-level page tables, waiting for RCU, auditing.
KERNEL = (
    "quiet panic=-1 mitigations=off no5lvl rcupdate.rcu_expedited=1 rcupdate.rcu_normal_after_boot=0"
    " audit=0 apparmor=0 selinux=0 nowatchdog"
)


class Emulator(NamedTuple):
    """QEMU for one architecture: the program, what it emulates, the serial console, a busybox that runs there, and
    what the kernel of that architecture is told.
    """

    program: str
    machine: tuple[str, ...]
    console: str
    busybox: str = ""  # below the userland; "": this machine's own
    kernel: str = ""

    def busybox_of(self, userland: pathlib.Path) -> pathlib.Path:
        """The static busybox of the ramdisk and of the containers."""
        return userland / self.busybox if self.busybox else pathlib.Path("/bin/busybox")


# By Debian's name of the architecture. Pointer authentication is what emulation pays for most on arm64.
EMULATORS = {
    # On a busy machine the emulated timer is late, and the kernel would panic: "IO-APIC + timer doesn't work!"
    "amd64": Emulator("qemu-system-x86_64", ("-cpu", "max,la57=off"), "ttyS0", kernel="no_timer_check "),
    "arm64": Emulator(
        "qemu-system-aarch64",
        ("-machine", "virt,gic-version=3", "-cpu", "max,pauth=off,sve=off"),
        "ttyAMA0",
        "usr/bin/busybox",
    ),
}


class Machine:
    """What is booted: folders of the kernel and of the userland, the number of CPUs, and MiB of memory.

    counted: its clock goes by the instructions that it executes, one a nanosecond.
    """

    def __init__(
        self,
        kernel: pathlib.Path,
        userland: pathlib.Path,
        cpus: str,
        memory: str = MEMORY,
        *,
        counted: bool = False,
        architecture: str = "amd64",
    ) -> None:
        self.kernel = kernel
        self.userland = userland
        self.cpus = cpus
        self.memory = memory
        self.counted = counted
        self.emulator = EMULATORS[architecture]


class Guest:
    """What one boot left: seconds it took, the driver's exit status (None: none came), why it was killed if it was."""

    def __init__(self, out: pathlib.Path, log: pathlib.Path, seconds: float, killed: str) -> None:
        self.out = out
        self.log = log
        self.seconds = seconds
        self.killed = killed
        status = out / "status"
        self.status = int(status.read_text()) if status.exists() and status.read_text().strip() else None


def initrd(machine: Machine, init: pathlib.Path, destination: pathlib.Path) -> None:
    """A ramdisk with busybox, the modules that the shares need, and `init`."""
    with tempfile.TemporaryDirectory() as name:
        tree = pathlib.Path(name)
        for directory in ("bin", "proc", "sys", "dev", "modules"):
            (tree / directory).mkdir()
        shutil.copy(machine.emulator.busybox_of(machine.userland), tree / "bin/busybox")
        shutil.copy(init, tree / "init")
        (tree / "init").chmod(0o755)
        order = [unpacked(module, tree / "modules") for module in modules(machine.kernel)]
        (tree / "modules/list").write_text("".join(f"{module}\n" for module in order))
        with destination.open("wb") as file:
            subprocess.run("find . | cpio -o -H newc --quiet | gzip -1", shell=True, cwd=tree, stdout=file, check=True)


def modules(kernel: pathlib.Path) -> list[str]:
    """Paths of the modules in the order of their dependencies; what is built in has none."""
    version = (kernel / "lib/modules").iterdir().__next__().name
    found: list[str] = []
    for module in MODULES:
        shown = subprocess.run(
            ["modprobe", "-d", str(kernel), "-S", version, "--show-depends", module],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        found += [line.split()[1] for line in shown.splitlines() if line.startswith("insmod")]
    return list(dict.fromkeys(found))


def unpacked(module: str, directory: pathlib.Path) -> str:
    """Copy one module uncompressed, since busybox's insmod reads nothing else; returns its name."""
    source = pathlib.Path(module)
    name = source.name.replace(".xz", "")
    data = source.read_bytes()
    (directory / name).write_bytes(lzma.decompress(data) if source.suffix == ".xz" else data)
    return name


def share(tag: str, path: pathlib.Path, read_only: bool = True) -> list[str]:
    """QEMU arguments for a 9p share."""
    options = f"local,id={tag},path={path},security_model=none,multidevs=remap"
    return ["-fsdev", options + (",readonly=on" if read_only else ""),
            "-device", f"virtio-9p-pci,fsdev={tag},mount_tag={tag}"]  # fmt: skip


def boot(machine: Machine, checkout: pathlib.Path, out: pathlib.Path, words: str) -> Guest:
    """Boot, follow the results in `out`, and return when the guest is off or was killed."""
    out.mkdir(parents=True)
    ramdisk = out / "initrd"
    initrd(machine, checkout / "integration/matrix/guest/init", ramdisk)
    (out / "share").mkdir()
    arguments = {
        "-accel": "tcg,thread=single",
        "-smp": machine.cpus,
        "-m": machine.memory,
        "-serial": "stdio",
        "-kernel": str(machine.kernel / "vmlinuz"),
        "-initrd": str(ramdisk),
        "-append": f"console={machine.emulator.console} {machine.emulator.kernel}{KERNEL} {words}",
    }
    if machine.counted:
        arguments["-icount"] = "shift=0,sleep=on"
    # A harness that is killed takes its guests along.
    command = ["setpriv", "--pdeathsig", "KILL", machine.emulator.program, "-nographic", "-nodefaults", "-no-reboot"]
    command += machine.emulator.machine
    command += [word for pair in arguments.items() for word in pair]
    command += share("userland", machine.userland) + share("modules", machine.kernel / "lib/modules")
    command += share("checkout", checkout) + share("out", out / "share", read_only=False)
    log = out / "log"
    started = time.monotonic()
    with log.open("wb") as file:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
        killed = follow(child, out / "share/results", started)
    ramdisk.unlink()
    return Guest(out / "share", log, time.monotonic() - started, killed)


def follow(child: subprocess.Popen[bytes], results: pathlib.Path, started: float) -> str:
    """Wait for the guest; why it was killed, "" if it ended by itself."""
    size, grown = 0, time.monotonic()
    try:
        while True:
            try:
                child.wait(timeout=1)
                return ""
            except subprocess.TimeoutExpired:
                now = time.monotonic()
            new = os.path.getsize(results) if results.exists() else 0
            if new != size:
                size, grown = new, now
            if STOPPING.is_set():
                return "interrupted"
            if now - started > LIMIT:
                return f"killed after {LIMIT} s"
            if now - grown > SILENCE:
                return f"killed: no new result for {SILENCE} s"
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()
