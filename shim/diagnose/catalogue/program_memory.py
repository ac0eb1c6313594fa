"""What a program's own runtime (Java, .NET, Node.js, Go) says when it meets, or misreads, a limit."""

from __future__ import annotations

from shim.diagnose.entry import Entry

ENTRIES = (
    Entry(
        code="java-sees-no-limits",
        title="Java does not recognise the container's limits",
        patterns=(
            r"\[os,container\] (?:One or more required controllers|controller \w+ is not enabled)[^\n]*",
            r"\[os,container\] (?:Required cgroup|Can't|Could not|Error|Open of file \S+ failed)[^\n]*",
            r"One or more required controllers (?:disabled at kernel level|not mounted at kernel level)",
            r"No relevant cgroup controllers mounted|Unable to open cgroup memory limit file[^\n]*",
            r"Required cgroup (?:v[12] )?(?:\w+ )?subsystem (?:\w+ )?not found",
            r"(?:-m |--memory[= ])\d+[^\n]*java[\s\S]{0,300}?Max\. Heap Size \(Estimated\): [\d.]+G",
        ),
        verdict="this Java does not recognise the container's limits, and takes the whole host's memory and CPUs",
        cause="It reads /proc/cgroups, in which kernels since 6.12 no longer list memory and cpuset if they are built "
        "without CONFIG_MEMCG_V1 and CONFIG_CPUSETS_V1. The heap is then a share of the host's memory, and the "
        "container is killed. Java before 15 (11.0.16, 8u372) does not know cgroup2 at all. In a chroot without "
        "/sys/fs/cgroup (Nomad's exec and java drivers, Singularity) no Java finds any. Where an agent "
        "of the node mounted a v1 hierarchy beside cgroup2, Java looks only at that; a path with /../ shows a process "
        "that was moved out of its cgroup namespace.",
        remedy=(
            "Upgrade Java: 25, or an update of 8, 11, 17 or 21 with the fix of JDK-8347811 or JDK-8346874.",
            "Until then, or in a chroot: -Xmx and -XX:ActiveProcessorCount in JAVA_TOOL_OPTIONS.",
        ),
        tell="java -Xlog:os+container=trace -version; grep -c memory /proc/cgroups",
        reference="https://bugs.openjdk.org/browse/JDK-8346874",
        rank=40,
    ),
    Entry(
        code="java-without-memory",
        title="the kernel gives Java no more memory",
        patterns=(
            r"There is insufficient memory for the Java Runtime Environment to continue",
            r"os::commit_memory\([^\n]*\) failed; error='[^\n]*'",
            r"Could not reserve enough space for [^\n]*(?:object heap|card marking)[^\n]*",
        ),
        verdict="Java could not get the memory that it asked for (mmap: ENOMEM); a cgroup's limit would have killed it "
        "instead",
        cause="The request itself was refused: too little memory and swap with strict overcommit "
        "(vm.overcommit_memory=2), a limit of address space (ulimit -v), too many mappings (vm.max_map_count), or a "
        "heap (-Xms, AlwaysPreTouch) larger than the machine or its virtual machine.",
        remedy=(
            "-Xmx and -Xms below the container's limit, with a quarter of it left for the rest of Java.",
            "free -m; ulimit -v; sysctl vm.overcommit_memory vm.max_map_count. Docker Desktop: its machine's memory.",
        ),
        reference="https://docs.oracle.com/en/java/javase/21/docs/specs/man/java.html",
        rank=55,
    ),
    Entry(
        code="program-heap-full",
        title="the program's own heap is full",
        patterns=(
            r"java\.lang\.OutOfMemoryError: (?:Java heap space|GC overhead limit exceeded|Metaspace)",
            r"JavaScript heap out of memory",
            r"Terminating due to java\.lang\.OutOfMemoryError: [^\n]*heap[^\n]*",
        ),
        verdict="the program's own heap is full: neither the kernel nor a limit of the container killed it",
        cause="Java takes a quarter of the container's memory as its largest heap (MaxRAMPercentage=25), Node.js about "
        "2 to 4 GB, or less where the container has less. Raising the container's limit alone may not help.",
        remedy=(
            "Java: -XX:MaxRAMPercentage=75 or -Xmx. Node.js: NODE_OPTIONS=--max-old-space-size=MB.",
            "Keep the heap a quarter below the container's limit; raise resources.limits.memory (--memory) with it.",
        ),
        reference="https://docs.oracle.com/en/java/javase/21/docs/specs/man/java.html",
        rank=60,
        ours=False,
    ),
    Entry(
        code="dotnet-heap-refused",
        title=".NET cannot set up its heap",
        patterns=(
            r"GC [Hh]eap [Ii]nitiali[sz]ation [Ff]ailed[^\n]*",
            r"Failed to (?:create|initialize) CoreCLR[^\n]*0x8007000E",
        ),
        verdict=".NET does not start: it cannot reserve the address space for its heap, or memory is short",
        cause="Since .NET 7 the garbage collector reserves 256 GB of address space, or twice the limit of the "
        "container. A limit of address space (ulimit -v, RLIMIT_AS) forbids it, or the memory limit is too small "
        "for the number of CPUs (a heap for each with server GC).",
        remedy=(
            "DOTNET_GCHeapHardLimit=0x10000000 (256 MB, hexadecimal), or DOTNET_GCRegionSize; DOTNET_gcServer=0",
            "ulimit -v: unlimited? Raise resources.limits.memory (docker, podman: --memory).",
        ),
        reference="https://learn.microsoft.com/dotnet/core/runtime-config/garbage-collector",
        rank=55,
    ),
    Entry(
        code="go-limits-not-read",
        title="a Go program could not read its CPU or memory limit",
        patterns=(
            r"(?:maxprocs|automaxprocs)[^\n]*(?:failed|[Ee]rror|no such|not found)[^\n]*",
            r"is not a descendant of mount point root [^\n]* and cannot be exposed from",
            r"failed to set GOM(?:AXPROCS|EMLIMIT)[^\n]*",
            r"(?:automemlimit|memlimit)[^\n]*(?:failed|[Ee]rror|cgroups? (?:is )?not)[^\n]*",
            r"cgroups? is not supported on this system",
        ),
        verdict="a Go program could not read its limits from the cgroup, and takes the host's values",
        cause="The library (automaxprocs, automemlimit) does not find the cgroup's files: another layout than it "
        "knows, /sys/fs/cgroup not visible, or a path of the host in /proc/self/cgroup. It is a warning.",
        remedy=(
            (
                "Set GOMAXPROCS and GOMEMLIMIT in the container's environment, or upgrade the program (Go 1.25 reads "
                "the CPU limit itself)."
            ),
        ),
        reference="https://github.com/uber-go/automaxprocs",
        rank=60,
    ),
    Entry(
        code="no-memory-for-thread",
        title="a program of Go gets no memory for a thread",
        patterns=(r"failed to create new OS thread \(have \d+ already; errno=12\)",),
        verdict="the kernel has no memory for another thread (errno 12, ENOMEM); it is not the limit of processes",
        cause="The host, or the program's cgroup, is out of memory, or vm.overcommit_memory is 2 and the commit limit "
        "is reached. The limit of processes would be errno 11.",
        remedy=(
            "free -m; cat /proc/sys/vm/overcommit_memory; grep Commit /proc/meminfo; ulimit -v",
            "End what uses the memory, add memory or swap, or sysctl -w vm.overcommit_memory=0 (1: never refuse).",
        ),
        reference="https://github.com/kubernetes/kubernetes/issues/50346",
        tell="grep -E 'MemAvailable|Commit' /proc/meminfo",
        rank=40,
    ),
)
