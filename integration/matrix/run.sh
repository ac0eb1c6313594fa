#!/bin/bash
# run.sh [PROFILE...]: boot real kernels under QEMU and hold cgshim against them; see README.md.
# Says what is missing when something is: it needs qemu-system-x86 (qemu-system-arm for arm64), busybox-static, kmod, cpio and
# mmdebstrap, and root.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
missing=()
for program in qemu-system-x86_64 busybox modprobe cpio mmdebstrap depmod flock setpriv; do
  command -v "$program" > /dev/null || missing+=("$program")
done
[ "$(id -u)" = 0 ] || missing+=("root")
# Only the profile that boots arm64 needs it, by its name or with --all.
case " $* " in
*arm64* | *" --all "*) command -v qemu-system-aarch64 > /dev/null || missing+=(qemu-system-aarch64) ;;
esac
if [ ${#missing[@]} -gt 0 ]; then
  echo "matrix: missing: ${missing[*]} (apt-get install qemu-system-x86 qemu-system-arm busybox-static kmod cpio mmdebstrap)" >&2
  exit 1
fi
cd "$here/../.."
exec python3 -m integration.matrix.matrix "$@"
