"""Words around a message that tell of its host: patterns for `Entry.beside` and `Entry.first_beside`."""

from __future__ import annotations

# An engine of a user other than root: his systemd, his runtime directory, his storage, or the engine's own word.
ROOTLESS = (
    r"user@[1-9]\d*\.service|/run/user/[1-9]|\.local/share/(?:containers|docker)|rootless[\"']?\s*[:=]\s*\"?true"
    r"|\brootless (?:podman|docker|mode|container)|(?:podman|docker)[- ]rootless|\brootlesskit\b"
    r"|create container: podman run"  # minikube; as root it says "sudo -n podman"
)
# Its firmware switches the memory controller off. The kernels' names: 5.10.103-v7l+, 6.1.21-v8+, 5.15.0-1055-raspi.
RASPBERRY_PI = r"raspberr|raspbian|raspios|\d-raspi\b|\d-v[678]l?\+|rpi-v\d|\bRPi\d?\b|\bPi ?[0-5]\b"
# An engine that runs in a container of another.
NESTED_ENGINE = r"\bdind\b|docker[- ]in[- ]docker|podman[- ]in[- ]podman"
# A container that LXC made, in which an engine may run.
LXC = r"\blx[cd]\b|\bincus\b|proxmox|\bpct (?:start|enter)|/\.lxc\b|lxc\.payload"
