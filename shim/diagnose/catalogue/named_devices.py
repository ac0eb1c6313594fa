"""Devices whose name tells which driver or machine should have made them."""

from __future__ import annotations

from shim.diagnose.entry import EACCES, ENOENT, EPERM, Entry


def given(name: str) -> str:
    """Match: a device below /dev that the engine was asked to give to a container is not there; group `path`."""
    return (
        rf"(?:error gathering device information while add ?ing custom device \\*\"?|\bstat )"
        rf"(?P<path>/dev/{name}[^\"\\\s:]*)\\*\"?: {ENOENT}"
    )


ENTRIES = (
    Entry(
        code="serial-adapter-not-there",
        title="the USB serial adapter is not there under this name",
        patterns=(given(r"(?:tty(?:USB|ACM|AMA)\d+|serial/)"),),
        verdict="{path} is not there now: adapters are numbered as they appear",
        cause="Another stick, another port or a restart changes the number. docker looks for the device at every start "
        "of the container, and its restart policy does not try again when it is missing.",
        remedy=(
            (
                "compose: devices: /dev/serial/by-id/NAME:/dev/ttyUSB0 (docker run --device with the same), not "
                "the number."
            ),
            (
                "To start without the stick: -v /dev:/dev and --device-cgroup-rule 'c 188:* rmw' (ttyUSB; ttyACM: c "
                "166:*); compose: device_cgroup_rules."
            ),
            (
                "dmesg says 'claimed ... while brltty sets config' (Ubuntu 22.04): apt remove brltty, and plug it "
                "in again."
            ),
            "Pass it to the machine first: Proxmox: hardware, USB device; WSL: usbipd attach --wsl --busid ID.",
        ),
        reference="https://github.com/docker/compose/issues/11075",
        tell="ls -l /dev/serial/by-id; dmesg | grep -iE 'tty(USB|ACM)|brltty'",
        rank=45,
    ),
    Entry(
        code="graphics-device-not-there",
        title="there is no /dev/dri where the engine runs",
        patterns=(given(r"dri(?:/\w+)?"),),
        verdict="{path} is not there: no driver of a graphics card has made it where the engine runs",
        cause="i915, xe or amdgpu make it on a PC. In WSL it is vgem, which WSL from 2.5.1 on does not load by itself. "
        "A virtual machine, LXC and Docker Desktop have it only if it is passed in.",
        remedy=(
            "WSL: modprobe vgem, and echo vgem >/etc/modules-load.d/vgem.conf; WSL 2.9.8 has no vgem.",
            (
                "Linux: modprobe i915 (amdgpu), and no nomodeset on the kernel's command line. Another number: ls -l "
                "/dev/dri/by-path."
            ),
            "LXC, a virtual machine: pass the card in. Not needed: leave the device out of the configuration.",
        ),
        reference="https://github.com/microsoft/WSL/issues/12702",
        tell="ls -l /dev/dri; lsmod | grep -E 'vgem|i915|xe|amdgpu', where the engine runs",
        rank=45,
    ),
    Entry(
        code="kvm-device-not-there",
        title="the engine finds no /dev/kvm where it runs",
        patterns=(given(r"kvm"),),
        verdict="there is no /dev/kvm where the engine runs: it may be a virtual machine of its own (Docker Desktop)",
        cause="Docker Desktop runs its engine in a virtual machine, on Linux too, and passes no /dev/kvm into it; on "
        "macOS there is none. Elsewhere the module is not loaded, or the machine has no nested virtualization.",
        remedy=(
            "Linux with Docker Desktop: install docker-ce beside it; docker context use default.",
            "Linux: modprobe kvm_intel (kvm_amd), and virtualization switched on in the firmware or the outer machine.",
            "Windows: docker-ce in a distribution of WSL 2 (nestedVirtualization=true in .wslconfig).",
            "macOS: leave the device out, with the image's own switch for it (dockur: KVM: N); it is slow.",
        ),
        reference="https://github.com/sickcodes/Docker-OSX/issues/786",
        tell="docker context ls: desktop-linux with a star? ls -l /dev/kvm; grep -cE 'vmx|svm' /proc/cpuinfo",
        rank=45,
    ),
    Entry(
        code="coral-driver-missing",
        title="the driver of a Coral accelerator is not loaded",
        patterns=(given(r"apex_\d+"),),
        verdict="{path} is not there: the driver gasket of the Coral is not loaded",
        cause="PCIe and M.2 Corals need it. It is no part of the kernel, has to be built for each one, and is often "
        "missing after an update. A USB Coral has no such device.",
        remedy=(
            (
                "apt install dkms and the headers of uname -r (Proxmox: proxmox-default-headers); build gasket-dkms "
                "from github.com/google/gasket-driver (the package 1.0-18 fails on Linux 6); reboot."
            ),
            "Secure Boot: the module must be signed (mokutil --sb-state).",
            "A USB Coral: --device /dev/bus/usb.",
        ),
        reference="https://github.com/google-coral/edgetpu/issues/808",
        tell="lspci -nn | grep 089a; lsmod | grep apex; dkms status",
        rank=44,
    ),
    Entry(
        code="raspberry-pi-device-renamed",
        title="a device of the Raspberry Pi has another name",
        patterns=(given(r"(?:vcsm|gpiomem|vchiq)"),),
        verdict="this Raspberry Pi, or its kernel, has {path} under another name or not at all",
        cause="Newer kernels have /dev/vcsm-cma in place of /dev/vcsm. The pins of the Pi 5 are at /dev/gpiomem0 to "
        "gpiomem4.",
        remedy=(
            "--device /dev/vcsm-cma in place of /dev/vcsm.",
            "Pi 5: --device /dev/gpiomem0 --device /dev/gpiochip0; the program must know the Pi 5 (lgpio, libgpiod).",
            "Leave out a device that the program does not need.",
        ),
        reference="https://github.com/kclyu/rpi-webrtc-streamer/issues/122",
        tell="ls -l /dev/vc* /dev/gpio*; uname -r",
        rank=44,
    ),
    Entry(
        code="device-path-with-colons",
        title="the path of a device has colons, which docker takes for separators",
        patterns=(
            r"invalid spec: (?P<path>/(?:dev|sys)/\S+): too many colons",
            r"bad format for path: (?P<path2>/(?:dev|sys)/\S+)",
            r"(?P<path3>/(?:dev|sys)/\S*) for --device: device is not an absolute path",
        ),
        verdict="the path has colons, which docker takes for the separators of HOST:CONTAINER:PERMISSIONS: {path}",
        cause="The names in /dev/serial/by-path, of PCI addresses and some in by-id have colons, which cannot be "
        "escaped.",
        remedy=(
            "Name a link without colons (ls -l /dev/serial/by-id), or what it leads to (readlink -f).",
            'Or make one: SYMLINK+="NAME" in a rule in /etc/udev/rules.d, udevadm trigger, --device /dev/NAME.',
            "compose since August 2024: the long form with source:, target: and permissions:.",
            "Or -v /dev:/dev with --device-cgroup-rule 'c 188:* rmw'.",
        ),
        reference="https://github.com/moby/moby/issues/39293",
        rank=40,
    ),
    Entry(
        code="proxmox-device-not-there",
        title="Proxmox finds no device at the path of a dev entry",
        patterns=(
            r"Device (?P<path>/dev/\S+) does not exist",
            r"(?P<path2>/+dev/\S+) is not a device",
        ),
        verdict="{path}, which a dev entry of the container names, is no device on the Proxmox host",
        cause="It is looked up at every start. The driver is not loaded, the stick was unplugged, card0 is now card1, "
        "or an ordinary file of that name was made.",
        remedy=(
            "ls -l {path} on the host: if the line begins with -, rm it, and load the driver (modprobe i915, amdgpu).",
            "Another number: pct set ID -dev0 /dev/dri/renderD129,gid=104; not needed: pct set ID -delete dev0",
            (
                "A stick that comes and goes: lxc.mount.entry: /dev/serial/by-id/NAME dev/ttyUSB0 none "
                "bind,optional,create=file"
            ),
        ),
        reference="https://github.com/tteck/Proxmox/issues/3758",
        tell="pct config ID | grep dev",
        beside=r"\bpct\b|LXC|TASK ERROR|lxc|vzstart",
        rank=40,
    ),
    Entry(
        code="privileged-docker-walks-lxd-devices",
        title="docker run --privileged in LXD or LXC reads directories that LXD hides below /dev",
        patterns=(rf"linux runtime spec devices: [^\n]*(?P<path>/dev/\.lx[cd][^\n:]*): (?:{EACCES}|{EPERM})",),
        verdict="docker collects all of the host's devices for --privileged, and may not read {path}",
        cause="LXD puts a proc and a sys of its own below /dev/.lxc when nesting is on. An old docker looks for "
        "devices there.",
        remedy=(
            "Start the container without --privileged; give it --device and --cap-add for what it needs.",
            "Or upgrade docker (runc leaves out /dev/.lxc and /dev/.lxd-mounts).",
        ),
        reference="https://github.com/canonical/lxd/issues/2825",
        ours=False,
        rank=40,
    ),
)
