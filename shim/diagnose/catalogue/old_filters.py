"""Programs in a container whose system calls are younger than the host's seccomp filter."""

from __future__ import annotations

from shim.diagnose.entry import EPERM, Entry

UPGRADE = (
    "Upgrade on the host libseccomp (2.4.2 for the time, 2.5 for the rest) and docker (20.10.10 or later). Raspbian "
    "and Debian 10: libseccomp2 from buster-backports. Synology, QNAP: the newest DSM or QTS."
)
TRY = "To see whether it is that: --security-opt seccomp=unconfined (compose: security_opt: [seccomp:unconfined])"

ENTRIES = (
    Entry(
        code="time-refused-by-old-filter",
        title="a program in the container may not read the time: the seccomp filter is older than its C library",
        patterns=(
            rf"clock_gettime[^\n]*(?:{EPERM}|errno 1\b)",
            (
                rf"(?:unable|failed|cannot|can't|could not) (?:to )?(?:get|read|obtain)[^\n]{{0,30}} ?"
                rf"(?:time of day|realtime clock|the (?:current )?time|clock)[^\n]*{EPERM}"
            ),
            rf"(?:can't initialize time|_PyTime|pytime|init_timezone)[^\n]*(?:\n[^\n]*)?{EPERM}",
            r"No monotonic clock was available|clock_gettime\(MONOTONIC\) failed",
            rf"\b(?:time|gettimeofday|clock)\w*\(\)?[^\n]*: {EPERM}",
            r"Unable to (?:determine|find) (?:the )?monotonic clock|monotonic time[^\n]*operation not permitted",
            r"asn1 encoding routines:ASN1_TIME_adj:error getting time[^\n]*",
            r"Thu Jan  1 00:00:\d\d UTC 1970",
        ),
        ambiguous=(r"At least one invalid signature was encountered",),
        offer=1,
        verdict="the container's programs may not read the clock: the host's seccomp filter does not know "
        "clock_gettime64",
        cause="Images with 64-bit time for 32-bit systems (Alpine 3.13, Debian 11, Ubuntu 20.04 and later on armv7 or "
        "i386) call clock_gettime64. libseccomp before 2.4.2 on the host does not know it, and answers EPERM. Dates "
        "are then 1970 or at random, and apt or apk fail at signatures and certificates.",
        remedy=(UPGRADE, TRY, "Or an older tag of the image (Alpine 3.12, Debian 10)."),
        reference="https://github.com/moby/moby/issues/40734",
        tell="dpkg -l libseccomp2; docker version; docker run --rm IMAGE date",
        rank=52,
    ),
    Entry(
        code="call-refused-by-old-filter",
        title="programs in the container fail with EPERM: the seccomp filter is older than the image",
        ambiguous=(
            rf"(?:^|[\s\"])(?:make|gmake|ninja)(?:\[\d+\])?: (?!\*\*\*)[^\n:]+: {EPERM}",
            r"Problem executing scripts APT::Update::Post-Invoke[^\n]*",
            rf"(?:^|\s)(?:/bin/)?(?:sh|ash|bash|dash): (?:\d+: )?(?:line \d+: )?(?!can't|cannot)/?[\w./-]+: {EPERM}",
            rf"\bline \d+: (?:sleep|date|ls|cat|id|whoami|mkdir|touch|expr|which|basename|dirname|env|uname): {EPERM}",
            r"(?:uv_thread_create|uv_thread_create_ex|WorkerThreadsTaskRunner)[^\n]*(?:assertion|failed)[^\n]*",
            r"Assertion `?(?:\(0\) == \()?\(?uv_thread_create[^\n]*",
            r"getaddrinfo\(\) thread failed to start",
            rf"(?:^|[\s\"=])tar: [^\n]*: Cannot (?:change mode|utime)[^\n]*: {EPERM}",
            rf"(?:^|[\s(])(?:statx|faccessat2|close_range|pidfd_open|rseq)(?:\([^)\n]*\))?(?: failed)?: {EPERM}",
            rf"(?:^|[\s\"=])Failed to (?:fork|spawn executor)(?: [^\n:]*)?: {EPERM}",
        ),
        verdict="programs of the image are refused system calls (EPERM): the host's seccomp filter is older than they",
        cause="Newer C libraries use newer calls: faccessat2 (Alpine 3.14), clone3 (glibc 2.34: Ubuntu 22.04, Fedora "
        "35), fchmodat2 (Fedora 40), utimensat_time64, statx, close_range, openat2 (crun); systemd 253 and later "
        "unshare or clone3 for each service. Filters of docker before 20.10.10, and of libseccomp before 2.5, answer "
        "EPERM instead of ENOSYS, so that the program does not fall back. A file that is not executable, or noexec, "
        "gives EACCES.",
        remedy=(UPGRADE, TRY),
        reference="https://wiki.alpinelinux.org/wiki/Release_Notes_for_Alpine_3.14.0",
        tell="docker version: the server before 20.10.10? Does it work with --security-opt seccomp=unconfined?",
        offer=1,
    ),
    Entry(
        code="dotnet-cannot-start-threads",
        title=".NET cannot start a thread",
        patterns=(r"Failed to create CoreCLR, HRESULT: 0x80070008",),
        verdict=".NET cannot start a thread: the host's seccomp filter does not know clone3, or a limit of processes "
        "is reached",
        cause="0x80070008 is a lack of resources. Images with glibc 2.34 or later (Ubuntu 22.04, Debian 12) start "
        "threads with clone3, to which filters of docker before 20.10.10 answer EPERM. With a newer docker it is "
        "--pids-limit or ulimit -u.",
        remedy=(UPGRADE, TRY, "A newer docker: raise --pids-limit (podman's default is 2048) and ulimit -u."),
        reference="https://github.com/PowerShell/PowerShell/issues/17624",
        tell="docker version: the server before 20.10.10?",
        rank=45,
    ),
)
