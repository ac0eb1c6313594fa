#!/bin/sh
# One container whose limits are meant for another kind of host than this one: first with the bare runtime, then with
# cgshim in front of it. Run as root on a Debian-like machine: sh examples/quickstart.sh
#
# Installs runc, busybox and Python if they are missing, works in a temporary directory, and leaves only these packages.
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
id=cgshim-quickstart-$$

cleanup() {
    status=$?
    trap - EXIT
    "${runtime:-true}" --root "$work/state" delete --force "$id" >/dev/null 2>&1 || true
    rm -rf "$work"
    exit "$status"
}
trap cleanup EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

heading() { printf '\n=== %s\n' "$*"; }
indent() { sed 's/^/    /'; }

# ---------------------------------------------------------------- what it needs

if [ "$(id -u)" -ne 0 ]; then
    echo "quickstart: starting a container takes root: run it with sudo" >&2
    exit 1
fi
missing=''
for package in runc busybox-static python3 python3-prctl; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing="$missing $package"
done
if [ -n "$missing" ]; then
    echo "Installing$missing"
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086 # a list of names
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends $missing; } >"$work/apt.log" 2>&1 || {
        tail -n 20 "$work/apt.log" >&2
        exit 1
    }
fi
runtime=$(PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin command -v "${CGSHIM_RUNTIME:-runc}")
export CGSHIM_RUNTIME="$runtime" CGSHIM_CONFIG="$work/settings.json"
echo '{}' >"$CGSHIM_CONFIG"

# ---------------------------------------------------------------- a bundle for the other kind of host

if [ "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs ]; then
    here='cgroup v2 only' meant='cgroup v1'
    resources='{
      "memory": {"limit": 67108864, "swap": 67108864, "kernel": 33554432, "swappiness": 0, "disableOOMKiller": true},
      "cpu": {"quota": 50000, "period": 100000, "realtimeRuntime": 950000, "realtimePeriod": 1000000},
      "pids": {"limit": 32}
    }'
else
    here='cgroup v1 hierarchies' meant='cgroup v2'
    resources='{
      "unified": {
        "memory.max": "67108864", "memory.swap.max": "0", "pids.max": "32", "cpu.max": "50000 100000"
      }
    }'
fi

# write_bundle DIRECTORY
write_bundle() {
    mkdir -p "$1/rootfs/bin" "$1/rootfs/proc" "$1/rootfs/dev"
    cp "$(command -v busybox)" "$1/rootfs/bin/busybox"
    ln -sf busybox "$1/rootfs/bin/sleep"
    cat >"$1/config.json" <<JSON
{
  "ociVersion": "1.0.2",
  "process": {
    "user": {"uid": 0, "gid": 0}, "args": ["/bin/sleep", "60"], "env": ["PATH=/bin"], "cwd": "/",
    "noNewPrivileges": true
  },
  "root": {"path": "rootfs", "readonly": true},
  "mounts": [
    {"destination": "/proc", "type": "proc", "source": "proc"},
    {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]}
  ],
  "linux": {
    "namespaces": [{"type": "pid"}, {"type": "ipc"}, {"type": "uts"}, {"type": "mount"}],
    "resources": $resources
  }
}
JSON
}

# ---------------------------------------------------------------- what the kernel says

# kernel_values PID: the limits of a process's own cgroups, from whichever hierarchy has them.
kernel_values() {
    /usr/bin/python3 -IS - "$1" <<'PYTHON'
import os
import sys

FILES = (
    ("memory", "memory.limit_in_bytes", "memory.max"),
    ("memory and swap", "memory.memsw.limit_in_bytes", "memory.swap.max"),
    ("pids", "pids.max", "pids.max"),
    ("cpu quota", "cpu.cfs_quota_us", "cpu.max"),
)
paths = {}
for line in open(f"/proc/{sys.argv[1]}/cgroup"):
    _, controllers, path = line.rstrip("\n").split(":", 2)
    paths.update(dict.fromkeys(controllers.split(","), path))  # "" is cgroup2
mounts = {}
for line in open("/proc/self/mountinfo"):
    fields, after = line.split(" - ")
    kind, _, options = after.split()
    for controller in [""] if kind == "cgroup2" else options.split(",") if kind == "cgroup" else []:
        mounts[controller] = (fields.split()[3].rstrip("/"), fields.split()[4])
for what, first, second in FILES:
    controller = first.split(".")[0]
    key, name = (controller, first) if controller in paths else ("", second)
    if key not in mounts:
        continue
    root, point = mounts[key]
    below = paths[key][len(root):] if paths[key].startswith(root) else paths[key]
    file = f"{point}{below}/{name}"
    shown = open(file).read().strip() if os.path.exists(file) else "(no such file here)"
    print(f"{what:16} {name:28} {shown}")
PYTHON
}

# create COMMAND...: create the container of the bundle; its output goes to $work/out.
create() {
    "$@" --root "$work/state" create --bundle "$bundle" --pid-file "$work/pid" "$id" </dev/null >"$work/out" 2>&1
}

delete() { "$runtime" --root "$work/state" delete --force "$id"; }

# ---------------------------------------------------------------- before and after

printf 'This host has %s; the bundle has limits meant for %s:\n' "$here" "$meant"
printf '%s\n' "$resources" | sed '1d;$d' | sed 's/^  //'

heading "Before: $(basename "$runtime") alone"
bundle=$work/before
write_bundle "$bundle"
if create "$runtime"; then
    echo "The container is created without any message. What the kernel enforces:"
    kernel_values "$(cat "$work/pid")" | indent
    delete
else
    echo "The container is not created:"
    indent <"$work/out"
    delete 2>/dev/null || true
fi

heading "After: cgshim in front of it"
bundle=$work/after
write_bundle "$bundle"
if ! create sh "$top/shim/launcher.sh"; then
    echo "The container is not created:"
    indent <"$work/out"
    exit 1
fi
echo "The container is created. What the kernel enforces:"
kernel_values "$(cat "$work/pid")" | indent

heading "What was changed, and why"
/usr/bin/python3 -IS - "$bundle/config.json" <<'PYTHON' | indent
import json
import sys

annotations = json.load(open(sys.argv[1])).get("annotations", {})
report = json.loads(annotations["io.cgshim.report"])
for change in report["changes"]:
    print(f"{change['field']}: {change['effect']}, {change['reason']}")
    if "lost" in change:
        print(f"    no longer limited: {change['lost']}")
for edit in report["edits"]:
    print(f"{edit['op']:6} {edit['path']}" + (f" = {json.dumps(edit['new'])}" if "new" in edit else ""))
PYTHON

sh "$top/shim/launcher.sh" --root "$work/state" start "$id"
sh "$top/shim/launcher.sh" --root "$work/state" delete --force "$id"
heading "Started, stopped and deleted"
