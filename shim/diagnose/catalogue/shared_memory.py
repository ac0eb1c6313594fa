"""Programs in containers that find too little shared memory: /dev/shm, mapped memory, System V segments."""

from __future__ import annotations

from shim.diagnose.entry import ENOMEM, ENOSPC, Entry

ENTRIES = (
    Entry(
        code="shared-memory-full",
        title="the container's /dev/shm is full",
        patterns=(
            rf"could not resize shared memory segment [^\n]*?: {ENOSPC}",
            r"workers are out of shared memory\. Please try to raise your shared memory limit",
            r"insufficient shared memory \(shm\)|might be out of shared memory",
            r"DataLoader worker [^\n]*killed by signal: Bus error|the host /dev/shm or /tmp mount likely just ran out",
            r"unable to (?:write to file|resize file|allocate shared memory)[^\n]*(?:/torch_|shm)[^\n]*",
            (
                r"(?:Creating shared memory in|Error while creating shared memory segment|posix_fallocate failed for "
                r"file) /dev/shm/[^\n]*"
            ),
            rf"[\s'\"`:(]/dev/shm/[^\n]{{0,200}}(?:{ENOSPC})",
            rf"{ENOSPC}[^\n/]{{0,40}}/dev/shm",
            r"ORA-00845\b[^\n]*",
        ),
        verdict="the container's /dev/shm is full: engines give it 64 MiB",
        cause="Databases with parallel queries, PyTorch's data loaders, NCCL and browsers share memory through files "
        "there. It is a tmpfs: what lies in it counts towards the container's memory limit as well.",
        remedy=(
            "docker, podman: --shm-size 1g; compose: shm_size: 1g (build: shm_size, too), or --ipc=host.",
            (
                "Kubernetes: an emptyDir with medium: Memory and sizeLimit: 1Gi, mounted on /dev/shm; raise the memory "
                "limit by as much."
            ),
            "Or fewer workers: num_workers; max_parallel_workers_per_gather = 0; chrome --disable-dev-shm-usage.",
        ),
        reference="https://docs.docker.com/reference/cli/docker/container/run/",
        tell="df -h /dev/shm in the container",
        rank=30,
    ),
    Entry(
        code="shared-memory-not-mapped",
        title="a database cannot map its shared memory",
        patterns=(
            rf"could not map anonymous shared memory: {ENOMEM}",
            r"ORA-27(?:104|125|102)\b[^\n]*",
        ),
        verdict="the kernel refuses the database's shared memory (ENOMEM): huge pages or memory of the host, not a "
        "cgroup's limit",
        cause="A memory limit kills when pages are used; it does not refuse the mapping. Refused are: huge pages "
        "(huge_pages = on) of which the host has too few free, strict overcommit (vm.overcommit_memory=2), or more "
        "than the host, or Docker's virtual machine, has.",
        remedy=(
            "shared_buffers smaller, and huge_pages = off; or more: sysctl vm.nr_hugepages=N on the host.",
            "Kubernetes with huge pages: resources.limits hugepages-2Mi, else huge_pages = off.",
            "sysctl vm.overcommit_memory=0 on the host; more memory or swap for it.",
        ),
        reference="https://www.postgresql.org/docs/current/kernel-resources.html#LINUX-HUGE-PAGES",
        tell="grep -i huge /proc/meminfo; sysctl vm.overcommit_memory; free -m",
        rank=30,
    ),
    Entry(
        code="sysv-segment-refused",
        title="a System V segment or semaphore is beyond the kernel's settings",
        patterns=(
            r"Failed system call was (?P<name>shmget|semget|shmat)\([^\n]*",
            rf"could not create (?P<name2>shared memory segment|semaphores): (?:{ENOSPC}|{ENOMEM}|Invalid argument)",
        ),
        verdict="the kernel refuses {name}: kernel.shmmax, shmall, shmmni or kernel.sem of the container are too small",
        cause="These settings belong to the IPC namespace: a new container has the kernel's defaults, whatever the "
        "host has set. No space left means the number (shmmni, kernel.sem), Invalid argument the size (shmmax).",
        remedy=(
            "docker, podman: --sysctl kernel.shmmax=... --sysctl kernel.sem='250 32000 32 128'; compose: sysctls.",
            "Kubernetes: securityContext.sysctls; the kubelet must allow them (--allowed-unsafe-sysctls 'kernel.sem').",
            "Leftover segments: ipcs -m, ipcrm; a container of its own has none after a restart.",
        ),
        reference="https://www.postgresql.org/docs/current/kernel-resources.html#SYSVIPC",
        tell="sysctl kernel.shmmax kernel.shmall kernel.shmmni kernel.sem in the container; ipcs -lm",
        rank=30,
    ),
    Entry(
        code="database-bus-error",
        title="Postgres is killed by SIGBUS",
        patterns=(
            r"(?:bootstrap script|bootstrap initialization|shared_buffers|max_connections) \.\.\. [^\n]*Bus error",
            r"server process \(PID \d+\) was terminated by signal 7: Bus error",
            r"Bus error +\(core dumped\) [^\n]*/postgres\b",
        ),
        verdict="Postgres touched memory that it may not have (SIGBUS): mostly huge pages, which the pod was not given",
        cause="With huge_pages = try it takes huge pages if the host has some; the container's hugetlb limit is 0, so "
        "the mapping works and the first access kills. While it runs, a full /dev/shm or a faulty volume does so too.",
        remedy=(
            "huge_pages = off: initdb -c huge_pages=off (16 and later), or in postgresql.conf.sample of the image.",
            "Or resources.limits hugepages-2Mi (the pod) and memory; or sysctl vm.nr_hugepages=0 on the node.",
            "While it runs: df -h /dev/shm (--shm-size, emptyDir with medium: Memory); dmesg for errors of the disk.",
        ),
        reference="https://github.com/docker-library/postgres/issues/451",
        tell="grep HugePages_Total /proc/meminfo; cat /sys/fs/cgroup/hugetlb.2MB.max (v1: hugetlb.2MB.limit_in_bytes)",
        rank=35,
    ),
    Entry(
        code="shared-memory-ended-program",
        title="a program was ended by SIGBUS: /dev/shm of its container is full",
        patterns=(
            r"Fatal Python error: Bus error|^Bus error(?: \(core dumped\))?$",
            r"\b[Ee]xit(?:ed)?(?: with)?(?: (?:code|status))?:? \(?135\b",
        ),
        verdict="a program was ended by SIGBUS (135 = 128 + 7): usually the container's /dev/shm is full",
        cause="A tmpfs of 64 MiB is at /dev/shm by default. A program maps more than that and is ended when it writes "
        "there: Frigate, ZoneMinder, PyTorch, MPI, browsers. Others are huge pages without a limit, and a mapped file "
        "that became shorter.",
        remedy=(
            "docker run --shm-size=512m; compose: shm_size: '512mb'; and make the container again.",
            "Kubernetes: an emptyDir with medium: Memory at /dev/shm.",
            "Containers that share memory: --ipc=host (compose: ipc: host).",
            "PostgreSQL with huge pages on the host: huge_pages = off, or a limit for them.",
        ),
        reference="https://github.com/blakeblackshear/frigate/issues/1354",
        tell="docker exec NAME df -h /dev/shm",
        rank=60,
    ),
)
