"""Programs in a container that find a device's file, shared memory or a file of /sys closed or too small."""

from __future__ import annotations

from shim.diagnose.entry import EACCES, EPERM, EROFS, Entry

DEVICE = (
    r"/dev/(?:tty(?:USB|ACM|AMA|S|HS|mxc)\w+|serial/\S+|dri/\w+|kfd|snd/\w+|video\d+|media\d+|i2c-\d+|gpiomem|"
    r"gpiochip\d+|"
    r"spidev[\d.]+|bus/usb/[\d/]+|usb/\w+|hidraw\d+|input/\w+|uinput|rfkill|dvb/\S+|vchiq|vcio|mem|watchdog\d*)"
)

ENTRIES = (
    Entry(
        code="shared-memory-too-small",
        title="the shared memory (/dev/shm) of the container is full",
        patterns=(
            r"could not resize shared memory segment [^\n]*: No space left on device",
            (
                r"insufficient shared memory \(shm\)|might be out of shared memory|out of shared memory\. Please "
                r"try to raise "
                r"your shared memory limit|DataLoader worker [^\n]*killed by signal: Bus error"
            ),
            (r"unable to (?:write to file|resize file|allocate shared memory)[^\n]*(?:/torch_|shm)[^\n]*"),
            r"the host /dev/shm or /tmp mount likely just ran out of space",
            (
                r"(?:Creating shared memory in|Error while creating shared memory segment|posix_fallocate failed "
                r"for file) "
                r"/dev/shm/[^\n]*"
            ),
            r"\B/dev/shm[^\n]*: No space left on device",
        ),
        verdict="the container's shared memory (/dev/shm) is too small: docker and podman make it 64 MiB large",
        cause="Databases, browsers, PyTorch's data loaders and NCCL share memory through /dev/shm, a tmpfs of "
        "its own size. "
        "Writing beyond it is ENOSPC, or SIGBUS. What is in it counts against the container's memory limit.",
        remedy=(
            "docker run --shm-size=1g (compose: shm_size: 1g; daemon.json: default-shm-size; docker build --shm-size).",
            "Or --ipc=host; Swarm: a volume of type: tmpfs at /dev/shm with tmpfs: size.",
            "Kubernetes: an emptyDir with medium: Memory (and sizeLimit) at /dev/shm. Chrome: --disable-dev-shm-usage.",
        ),
        reference="https://docs.docker.com/reference/cli/docker/container/run/",
        tell="df -h /dev/shm in the container",
        ours=False,
        rank=40,
    ),
    Entry(
        code="device-file-not-accessible",
        title="a program in the container may not open a device",
        patterns=(
            rf"(?P<path>{DEVICE})[^\n]{{0,60}}(?:{EACCES}|{EPERM})",
            rf"(?:{EACCES}|{EPERM})[^\n]{{0,60}}?(?P<path2>{DEVICE})",
            r"[Ff]ailed to open (?P<path3>/dev/dri/\w+) as DRM device node",
            r"No VA display found for (?:device (?P<path4>/dev/\S+?)\.?$|any default device)",
            r"Trying display: drm\s+[Ff]ailed to open the given device",
        ),
        verdict="the program in the container may not open the device: {path}",
        cause="Permission denied is about the file: the program's user is not in the group that owns it. Groups are "
        "numbers: render, video or dialout have other ones in the image than on the host; a rootless engine has no "
        "number for the host's group at all. Operation not permitted is about the device rules of the cgroup: a "
        "bind mount (-v) brings the file without the rule, and a device that was plugged in again has a new number.",
        remedy=(
            "--device PATH, and --group-add $(stat -c %g PATH) on the host (compose: devices, group_add).",
            (
                "Rootless podman: --group-add keep-groups with crun; rootless docker: setfacl -m u:$USER:rw PATH, a "
                "udev rule."
            ),
            "After plugging in: --device-cgroup-rule='c 188:* rmw' with -v /dev:/dev; ls -l PATH shows the number.",
            "LXC on cgroup2: lxc.cgroup2.devices.allow (not lxc.cgroup.devices), or dev0: PATH,gid=... in Proxmox.",
        ),
        reference="https://docs.docker.com/reference/cli/docker/container/run/#device",
        tell="ls -ln the device inside and outside; id inside",
        ours=False,
        rank=58,
    ),
    Entry(
        code="sysfs-read-only-in-container",
        title="/sys is read-only in the container",
        patterns=(
            rf"(?P<path>/sys/(?:bus|class|devices|block|kernel|module|power|firmware)/[^\s'\"]+)[^\n]{{0,20}}{EROFS}",
        ),
        verdict="a program in the container cannot write {path}: engines mount /sys read-only",
        cause="Only a privileged container has a writable /sys; what is written there concerns the whole host.",
        remedy=(
            "Do it on the host: a udev rule, a service, or sysfsutils.",
            "Or a volume of that directory alone: -v /sys/class/gpio:/sys/class/gpio; or --privileged.",
        ),
        reference="https://docs.docker.com/engine/containers/run/",
        ours=False,
        rank=58,
    ),
    Entry(
        code="dev-mem-refused",
        title="a program in the container may not use /dev/mem",
        patterns=(
            r"No access to /dev/mem\.[^\n]*",
            r"initPeripherals: mmap \w+ failed[^\n]*",
            r"(?:[Cc]an(?:'|no)t|[Ff]ailed to|[Uu]nable to) (?:open|mmap) /dev/mem\b[^\n]*",
        ),
        verdict="the program wants the memory of the machine (/dev/mem), which containers do not have",
        cause="Libraries for GPIO (RPi.GPIO, pigpio, wiringPi) and firmware tools map registers. It needs the device, "
        "CAP_SYS_RAWIO, and a kernel that permits it: CONFIG_STRICT_DEVMEM and lockdown forbid it even to a privileged "
        "container.",
        remedy=(
            (
                "GPIO alone: --device /dev/gpiomem (Pi 5: /dev/gpiomem0), or a library on /dev/gpiochip0 (libgpiod, "
                "lgpio)."
            ),
            "Else --device /dev/mem --cap-add SYS_RAWIO, or --privileged; kernel command line: iomem=relaxed.",
        ),
        reference="https://github.com/joan2937/pigpio/issues/235",
        tell="ls -l /dev/mem /dev/gpiomem* /dev/gpiochip*; cat /sys/kernel/security/lockdown; dmesg | tail",
        rank=60,
    ),
)
