#!/bin/bash
# run.sh [--quick] [--out DIR] [--runtime PATH] [--no-stand-in] [--peer WRAPPER]: measure, and write a table,
# results.json and results.svg. As root. Nothing is installed: the compiled stand-in is built in a scratch folder, with
# gcc's or Debian's own packages unpacked there. WRAPPER: a real one, that looks for runc in PATH, to be measured, too.
#
# run.sh --engines [--rounds N] [--out DIR] [--peer WRAPPER]: what a person waits for: podman, docker, ctr and CRI with
# each runtime behind them; engines.json. `python3 -m integration.benchmarks.page DIR/engines.json` puts it into the documents.
#
# run.sh --vm [--out DIR]: count instructions, with runc and with crun, in a guest that is all cgroup2; needs what
# integration/matrix needs.
set -euo pipefail
case " $* " in *" -h "* | *" --help "*) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p;}' "$0"; exit 0 ;; esac
cd "$(dirname "$0")/../.."
command -v gcc > /dev/null || { echo "benchmarks: gcc is missing (apt-get install gcc libc6-dev)" >&2; exit 1; }
[ "$(id -u)" = 0 ] || { echo "benchmarks: containers are started, so run as root" >&2; exit 1; }
case " $* " in
*" --engines "*)
  python=.venv/bin/python # grpcio-tools, for CRI
  [ -x "$python" ] || python=python3
  /usr/bin/python3 -B -m shim.start.archive_file
  exec "$python" -B -m integration.benchmarks.engines_seen "$@"
  ;;
esac
scratch=$(mktemp -d "${TMPDIR:-/tmp}/cgshim-benchmarks.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
gcc -O2 -static -o "$scratch/spawn" integration/benchmarks/spawn.c

stand_in() {
  go=$(command -v go || true)
  if [ -z "$go" ]; then
    echo "benchmarks: Debian's Go is downloaded and unpacked in $scratch (90 MB)" >&2
    version=$(apt-cache depends golang-go | sed -n 's/.*Depends: \(golang-1[.0-9]*-go\).*/\1/p' | head -1)
    (cd "$scratch" && apt-get -q -o APT::Sandbox::User=root download "$version" "${version%-go}-src" > /dev/null) || return 1
    for package in "$scratch"/*.deb; do dpkg -x "$package" "$scratch/go"; done
    go=$(echo "$scratch"/go/usr/lib/go-1*/bin/go)
    GOROOT=${go%/bin/go} && export GOROOT
  fi
  GOCACHE=$scratch/cache GO111MODULE=off CGO_ENABLED=0 GOFLAGS='' "$go" build -o "$scratch/stand-in" \
    integration/benchmarks/stand_in.go
}
case " $* " in *" --no-stand-in "*) ;; *) stand_in || echo "benchmarks: no Go: the compiled stand-in is left out" >&2 ;; esac

case " $* " in *" --vm "*) measure=counted ;; *) measure=benchmarks ;; esac
# The first call after a change of the sources makes this file; it is not what a container pays.
/usr/bin/python3 -B -m shim.start.archive_file
/usr/bin/python3 -B -m "integration.benchmarks.$measure" --scratch "$scratch" "$@"
