#!/usr/bin/env bash
# Sets up and runs the project's checks from a fresh clone on a Debian-like machine, as root.
#
#   bash tests/run.sh [--quick|--lint|--ci|--all] [--no-matrix] [-- PYTEST ARGUMENTS]
#
#   (no option)  linters, unit tests, integration tests on this host, and three kernels booted in QEMU that stand
#                for the cgroup layouts: less than ten minutes on two idle cores, after some 600 MB of packages
#   --quick      unit tests only: about seven minutes, no container, no virtual machine
#   --lint       linters only
#   --ci         what CI runs, in about an hour: also the oldest and the newest Python that pyenv has, newer engines
#                in a root tree of their own, a kernel for each kind of host, and failures provoked in three guests
#   --all        everything: all kernels of the matrix, all guests, all Pythons; two to three hours
#   --no-matrix  no virtual machines
#
# Without --ci and --all, of the published error texts and of other large tables a part is looked at, and tests that
# are marked as long are left out.
#
# The last line is `N passed, N failed, N skipped`, summed over everything; the exit status is 1 if anything failed.
set -u
cd "$(dirname "$0")/.." || exit 1

quick=no
lint=yes
tests=yes
matrix=yes
ci=no
all=no
while [ $# -gt 0 ]; do
    case "$1" in
        --quick) quick=yes lint=no matrix=no ;;
        --lint) tests=no matrix=no ;;
        --ci) ci=yes ;;
        --all) ci=yes all=yes ;;
        --no-matrix) matrix=no ;;
        -h | --help)
            sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p;}' "$0"
            exit 0
            ;;
        --)
            shift
            break
            ;;
        *)
            echo "tests/run.sh: unknown argument $1 (see --help)" >&2
            exit 2
            ;;
    esac
    shift
done

selected=$#

# How much the tests look at (tests/extent.py). Without --ci the root tree with newer engines is not made either.
export CGSHIM_TESTS=sample
[ "$ci" = no ] || CGSHIM_TESTS=ci
[ "$all" = no ] || CGSHIM_TESTS=all

results=.test-results
rm -rf "$results"
mkdir -p "$results"
passed=0 failed=0 skipped=0

started=$SECONDS

# Each step says when it began, so that a long run shows where it is.
say() { printf '\n== [%02d:%02d] %s\n' $(((SECONDS - started) / 60)) $(((SECONDS - started) % 60)) "$*"; }

# A check without pytest counts as one test.
check() {
    local name=$1
    shift
    say "$name"
    if "$@"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED: $name"
    fi
}

# Adds up a JUnit file; a run that left none has failed as a whole.
count() {
    local totals
    if ! totals=$(/usr/bin/python3 - "$1" <<'PYTHON'
import sys
from xml.etree import ElementTree

total = failed = skipped = 0
for suite in ElementTree.parse(sys.argv[1]).getroot().iter("testsuite"):
    total += int(suite.get("tests", 0))
    failed += int(suite.get("failures", 0)) + int(suite.get("errors", 0))
    skipped += int(suite.get("skipped", 0))
print(max(total - failed - skipped, 0), failed, skipped)
PYTHON
    ); then
        failed=$((failed + 1))
        return
    fi
    # shellcheck disable=SC2086 # three numbers
    set -- $totals
    passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3))
    counted_failures=$2
}

# pytest_run NAME PATH ARGUMENTS: statuses other than "passed" and "failed" (usage, internal error, nothing found) are
# failures of their own when the JUnit file shows none. Nothing found is fine only if the caller selected tests.
interpreter=.venv/bin/python
run="-m pytest"
pytest_run() {
    local name=$1 status
    shift
    say "$name"
    # shellcheck disable=SC2086 # words
    "$interpreter" $run --junitxml="$results/$name.xml" "$@" </dev/null
    status=$?
    [ $status -eq 5 ] && [ "$selected" -gt 0 ] && return
    counted_failures=0
    count "$results/$name.xml"
    if [ $status -ne 0 ] && [ "$counted_failures" -eq 0 ]; then
        failed=$((failed + 1))
        echo "FAILED: pytest ended with status $status"
    fi
}

# The package $1, which not every release of Debian has.
offered() {
    if apt-cache show "$1" >/dev/null 2>&1; then echo "$1"; fi
}

install_packages() {
    local wanted missing="" name
    # python-prctl is compiled against libcap; the launcher itself runs with the system's Python and its python3-prctl.
    wanted="python3 python3-venv python3-pip python3-dev python3-prctl gcc libcap-dev git busybox-static"
    if [ "$quick" = no ]; then
        # What the Debian package depends on, and what checks it.
        wanted="$wanted python3-click python3-pyroute2 python3-tomlkit lintian pipx man-db groff rpm"
        wanted="$wanted runc crun shellcheck strace iproute2 podman conmon containerd docker.io mmdebstrap buildah"
        [ "$ci" = no ] || wanted="$wanted prometheus"
    fi
    if [ "$matrix" = yes ] && [ -e integration/matrix/run.sh ]; then
        wanted="$wanted qemu-system-x86 kmod cpio"
        [ "$all" = no ] || wanted="$wanted qemu-system-arm"
    fi
    for name in $wanted; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || missing="$missing $name"
    done
    [ -n "$missing" ] || return 0
    say "Installing Debian packages (up to 600 MB with what they depend on):$missing"
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2046,SC2086 # lists of names
    if ! { apt-get update -qq && apt-get install -y -qq --no-install-recommends $missing $([ "$quick" = yes ] || offered criu); } \
        >"$results/apt.log" 2>&1 </dev/null; then
        tail -n 20 "$results/apt.log"
        return 1
    fi
}

# What the project depends on. The tests run the checkout, so the project itself is not installed.
dependencies() {
    .venv/bin/python - <<'PYTHON'
try:
    import tomllib
except ImportError:  # before Python 3.11
    from pip._vendor import tomli as tomllib
with open("pyproject.toml", "rb") as file:
    print("\n".join(tomllib.load(file)["project"]["dependencies"]))
PYTHON
}

make_environment() {
    local stamp
    stamp=$(cksum pyproject.toml shim/__init__.py)
    [ "$(cat .venv/cgshim-stamp 2>/dev/null)" = "$stamp" ] && return 0
    say "Making .venv"
    # pip >= 25.1 reads dependency groups; Debian 12's own is older.
    if ! {
        /usr/bin/python3 -m venv .venv &&
            .venv/bin/python -m pip install -q --upgrade 'pip>=25.1' &&
            dependencies >"$results/dependencies" &&
            .venv/bin/python -m pip install -q --requirement "$results/dependencies" --group test --group dev
    } >"$results/pip.log" 2>&1 </dev/null; then
        tail -n 20 "$results/pip.log"
        return 1
    fi
    echo "$stamp" >.venv/cgshim-stamp
}

# The version and path of each Python that pyenv has and cgshim can run with, from the oldest to the newest.
pyenv_pythons() {
    local python version
    for python in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.*/bin/python3; do
        version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])') || continue
        case $version in 3.[0-6]) ;; *) echo "$version $python" ;; esac
    done 2>/dev/null | sort -V
}

# The rooms that need no newer test libraries, with the oldest and the newest Python that pyenv has, with --all with
# every one. integration/test_pythons.py runs containers with each in any case.
other_pythons() {
    local python version
    while read -r version python <&3; do
        interpreter=.venv/pythons/$version/bin/python
        if ! { "$python" -m venv ".venv/pythons/$version" &&
            "$interpreter" -m pip install -q 'pytest>=7.4' hypothesis click tomlkit; } \
            >"$results/pip-$version.log" 2>&1 </dev/null; then
            tail -n 5 "$results/pip-$version.log"
            echo "FAILED: an environment for Python $version"
            failed=$((failed + 1))
            continue
        fi
        pytest_run "unit-$version" tests/rules tests/planning tests/oci tests/call
    done 3< <(pyenv_pythons | if [ "$all" = yes ]; then cat; else sed -n '1p;$p'; fi)
    interpreter=.venv/bin/python
}

finish() {
    printf '\n%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
    [ "$failed" -eq 0 ]
    exit
}

# Every shell script of the project, in a checkout or in an unpacked archive.
scripts() { find . -path './.*' ! -path './.ci*' -prune -o \( -name '*.sh' -o -path './.ci/run' \) -type f -print; }

case $quick:$tests:$ci:$matrix in
yes:*) plan="unit tests: about seven minutes" ;;
no:no:*) plan="linters: about a minute" ;;
no:yes:no:no) plan="linters, unit and integration tests: about eight minutes" ;;
no:yes:no:yes) plan="linters, unit and integration tests, three kernels in QEMU: less than ten minutes" ;;
*) plan="everything that CI runs: about an hour" ;;
esac
[ "$all" = no ] || plan="everything: two to three hours"
say "$plan on two idle cores; the first run also installs packages, makes .venv and fetches kernels"

if ! install_packages || ! make_environment; then
    echo "FAILED: set-up"
    failed=$((failed + 1))
    finish
fi

linters() {
    # shellcheck disable=SC2046 # names without spaces
    check shellcheck shellcheck $(scripts)
    check "ruff check" .venv/bin/ruff check
    check "ruff format" .venv/bin/ruff format --check
    check "mypy --strict" .venv/bin/mypy
    check "lint-imports" .venv/bin/lint-imports
}

unit_tests() {
    if [ $# -gt 0 ]; then
        pytest_run unit tests "$@"
    else
        # Every line and branch of the rooms that decide about limits has a test in its room's folder (pyproject.toml).
        local rooms="tests/rules tests/planning tests/oci tests/enforce"
        # shellcheck disable=SC2046,SC2086 # names without spaces
        pytest_run unit tests $(printf ' --ignore=%s' $rooms)
        export COVERAGE_FILE=$results/coverage
        run="-m coverage run -m pytest"
        # shellcheck disable=SC2086 # names without spaces
        pytest_run unit-with-coverage $rooms
        run="-m pytest"
        check "coverage" .venv/bin/python -m coverage report
    fi
    [ "$ci" = no ] || other_pythons
}

integration_tests() {
    pytest_run integration integration "$@"
}

kernels() {
    [ "$matrix" = yes ] || return 0
    if [ "$all" = yes ]; then
        check matrix bash integration/matrix/run.sh --all
        check "failures in guests" .venv/bin/python -m integration.failures.guest_failures
    elif [ "$ci" = yes ]; then
        check matrix bash integration/matrix/run.sh
        # The oldest cgroup2, v1 alone, and systemd as PID 1.
        check "failures in guests" .venv/bin/python -m integration.failures.guest_failures unified-5.10 legacy-6.1 systemd
    else
        # One boot each for cgroup2 alone, for v1 alone, and for v1 with a controller left to cgroup2; one kernel.
        check matrix bash integration/matrix/run.sh occupied-parent no-v1-memory hybrid-hugetlb
    fi
}

# What needs no container runs beside what does: each keeps one core busy. Its output follows when both have ended.
beside() {
    (
        # shellcheck disable=SC2030 # counted apart, and added below
        passed=0 failed=0 skipped=0
        [ "$lint" = no ] || linters
        unit_tests "$@"
        echo "$passed $failed $skipped" >"$results/beside.totals"
    ) >"$results/beside.log" 2>&1 &
    local other=$!
    trap 'pkill -P $other; kill $other; exit 130' INT TERM
    integration_tests "$@"
    [ "$ci" = yes ] || kernels # a few; many would take the time that the unit tests count on
    wait $other
    trap - INT TERM
    cat "$results/beside.log"
    if [ -s "$results/beside.totals" ]; then
        # shellcheck disable=SC2046 # three numbers
        set -- $(cat "$results/beside.totals")
        # shellcheck disable=SC2031 # they come from the file
        passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3))
    else
        failed=$((failed + 1))
        echo "FAILED: linters and unit tests did not come to their end"
    fi
}

case $tests:$quick in
no:*) [ "$lint" = no ] || linters ;;
yes:yes) unit_tests "$@" ;;
*) beside "$@" ;;
esac
[ "$ci" = no ] || kernels
finish
