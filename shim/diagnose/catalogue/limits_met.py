"""Limits of memory, tasks and locked memory, in the words of the programs and engines that meet them."""

from __future__ import annotations

from shim.diagnose.entry import EACCES, EAGAIN, ENOMEM, EPERM, Entry

ENTRIES = (
    Entry(
        code="podman-keeps-old-task-limit",
        title="a podman container keeps a limit of processes that is above the user's by now",
        patterns=(rf"setrlimit `RLIMIT_NPROC`: {EPERM}", rf"setting rlimit type 6: {EPERM}"),
        verdict="the container's limit of processes (RLIMIT_NPROC) is above what its user may have now",
        cause="podman 4.5 and older keep the user's limit in the container when it is made. The kernel computes it at "
        "boot from the memory, so that after an upgrade it can be a little lower.",
        remedy=(
            (
                "Make it again with its files: podman commit NAME IMG; podman rm NAME; toolbox create --image IMG "
                "(distrobox create --image, podman run)."
            ),
            "Or allow the old number: USER hard nproc NUMBER in /etc/security/limits.d/90-nproc.conf; log in again.",
            "podman 4.6 and later: containers that it makes take the limit at each start.",
        ),
        reference="https://github.com/containers/podman/issues/19634",
        tell="podman inspect NAME | grep -A3 NPROC, against ulimit -Hu",
        beside=r"podman|toolbox|distrobox|crun",
        rank=40,
    ),
    Entry(
        code="build-step-out-of-memory",
        title="the machine ran out of memory in a step of a build",
        patterns=(
            r"The command '[^\n]*' returned a non-zero code: 137",
            r"process \\*\"[^\n]*\\*\" did not complete successfully: exit code: 137",
        ),
        verdict="a step of the build was killed (137 = 128 + 9): the machine had no memory left for it",
        cause="A build step has no limit of its own unless one was asked for. npm, webpack, compilers and Java need 1 "
        "to 4 GB in one step, of the host's memory or of that of Docker Desktop's virtual machine.",
        remedy=(
            "More memory: Docker Desktop: Settings, Resources; WSL: memory= in .wslconfig, then wsl --shutdown.",
            "Swap on the host: fallocate -l 4G /swapfile; chmod 600 /swapfile; mkswap /swapfile; swapon /swapfile",
            "Less at once: make -j2, NODE_OPTIONS=--max-old-space-size=1024, COMPOSE_PARALLEL_LIMIT=1.",
            "Or build elsewhere, and only pull the image here.",
        ),
        reference="https://docs.docker.com/engine/containers/resource_constraints/",
        tell="journalctl -k | grep -i 'out of memory'; free -m (Docker Desktop: docker run --rm alpine free -m)",
        rank=60,
    ),
    Entry(
        code="compiler-out-of-memory",
        title="the kernel killed a compiler for lack of memory",
        patterns=(
            r"Killed signal terminated program (?P<name>\w+)",
            r"internal compiler error: Killed \(program (?P<name2>\w+)\)",
            r"(?P<name3>rustc|collect2|clang\S*)\b[^\n]*signal: 9, SIGKILL",
        ),
        verdict="{name} was killed for lack of memory: too many compilers run at once",
        cause="A C++ compiler takes 0.5 to 2 GB, and make -j$(nproc) starts one for each CPU of the host, whatever the "
        "container's limits are. Its memory limit is reached, or the memory of the host or of Docker Desktop.",
        remedy=(
            "Fewer at once: make -j2, CMAKE_BUILD_PARALLEL_LEVEL=2, cargo build -j1, MAX_JOBS=2 pip install.",
            (
                "More memory: docker run --memory; Kubernetes: resources.limits.memory; Docker Desktop: Settings, "
                "Resources."
            ),
            "Or swap on the host.",
        ),
        reference="https://gcc.gnu.org/wiki/FAQ",
        tell="journalctl -k | grep constraint=: CONSTRAINT_MEMCG is the container's limit, CONSTRAINT_NONE the machine",
        rank=61,
    ),
    Entry(
        code="gunicorn-killed-worker",
        title="gunicorn killed a worker that did not answer in time",
        patterns=(
            (
                r"WORKER TIMEOUT \(pid: ?(?P<pid>\d+)\)[\s\S]{0,600}?Worker \(pid: ?(?P=pid)\) was (?:sent "
                r"SIGKILL|terminated due to signal 9)"
            ),
        ),
        verdict="gunicorn itself killed worker {pid}, which had not answered within its timeout",
        cause="It says 'Perhaps out of memory?' after every SIGKILL, its own included. A long request, a model that "
        "loads, too little CPU, or memory that is swapped keep a worker from answering for 30 s.",
        remedy=(
            "gunicorn --timeout 120 (0 switches it off), or --worker-class gthread --threads 4.",
            "In a container: --worker-tmp-dir /dev/shm; a higher CPU limit if it is throttled.",
            "Without a line WORKER TIMEOUT before it, it is memory: fewer --workers, or a higher limit.",
        ),
        reference="https://docs.gunicorn.org/en/stable/settings.html#timeout",
        rank=59,
    ),
    Entry(
        code="nvidia-hook-allows-no-device",
        title="NVIDIA's hook is told to leave the devices cgroup alone",
        patterns=(
            r"(?:docker|podman|nerdctl|ctr) run[^\n]*nvidia-smi[\s\S]{0,600}?Failed to initialize NVML: Unknown Error",
        ),
        verdict="the new container has the GPU's files, and nobody allows them in its cgroup: no-cgroups = true",
        cause="With this setting of /etc/nvidia-container-runtime/config.toml, which is for rootless engines and LXC, "
        "the hook allows no device. In a container that worked before, a daemon-reload took the GPU away.",
        remedy=(
            "nvidia-ctk config --set nvidia-container-cli.no-cgroups=false --in-place; systemctl restart docker",
            "Rootless docker beside it: keep true only in ~/.config/nvidia-container-runtime/config.toml, or use CDI.",
            "Or --device /dev/nvidia0 --device /dev/nvidiactl --device /dev/nvidia-uvm.",
        ),
        reference="https://github.com/NVIDIA/nvidia-container-toolkit/issues/381",
        tell="grep no-cgroups /etc/nvidia-container-runtime/config.toml",
        rank=45,
    ),
    Entry(
        code="task-limit-of-user",
        title="a limit of processes counts its user on the whole host",
        patterns=(rf"(?:^|Error: |err=\"?)exec (?P<path>/\S+): {EAGAIN}",),
        verdict="{path} is not started: the user's limit of processes (nproc), or the container's pids limit, is "
        "used up",
        cause="RLIMIT_NPROC (--ulimit nproc) counts all processes and threads of the user's id, in every container and "
        "on the host. A container that runs as 1000 shares the count with the host's user 1000.",
        remedy=(
            "Leave out --ulimit nproc (compose: ulimits: nproc), and limit the container: --pids-limit 500.",
            "Or a user id of its own (--user 12345), or a higher number: --ulimit nproc=65535.",
            "The image sets it: remove nproc from its /etc/security/limits.conf and limits.d.",
        ),
        reference="getrlimit(2), RLIMIT_NPROC",
        tell="on the host: ps -L -u UID h | wc -l, against docker inspect NAME | grep -A6 Ulimits",
        rank=45,
    ),
    Entry(
        code="node-out-of-tasks",
        title="the node is a container, and its limit of tasks is used up",
        patterns=(
            (
                r"(?:plugin type|netplugin|KillPodSandbox|CreatePodSandbox|probe)[^\n]*failed to create new OS thread "
                r"\(have \d+ already; errno=11\)"
            ),
        ),
        verdict="the node has no room for another thread: the limit of tasks of its container is used up (EAGAIN)",
        cause="podman gives every container a pids limit of 2048. For a node of kind or minikube all pods and their "
        "threads count together, and plugins and probes fail first. On a real node it is podPidsLimit or TasksMax.",
        remedy=(
            (
                "pids_limit = 0 below [containers] in /etc/containers/containers.conf (rootless: "
                "~/.config/containers); make the cluster again."
            ),
            "A running one: podman update --pids-limit -1 NODE (podman 4.3 or later).",
            "CRI-O in it: pids_limit = -1 in /etc/crio/crio.conf; the kubelet: podPidsLimit.",
        ),
        reference="https://github.com/kubernetes-sigs/kind/issues/2830",
        tell="cat /sys/fs/cgroup/pids.max /sys/fs/cgroup/pids.current in the node",
        rank=20,
    ),
    Entry(
        code="ebpf-not-allowed",
        title="a program may not use eBPF; the limit of locked memory is rarely the reason",
        patterns=(
            r"MEMLOCK may be too low, consider rlimit\.RemoveMemlock",
            rf"failed to set memlock rlimit: {EPERM}",
        ),
        verdict="the container may not use eBPF: the words about MEMLOCK come with every refusal",
        cause="It lacks CAP_BPF (before Linux 5.8 CAP_SYS_ADMIN), and before 5.11 also CAP_SYS_RESOURCE to raise the "
        "limit. A seccomp filter or a user namespace (rootless, unprivileged LXC) refuses it as well.",
        remedy=(
            (
                "docker: --privileged, or --cap-add BPF --cap-add PERFMON --cap-add SYS_RESOURCE (Linux before 5.8: "
                "SYS_ADMIN) --ulimit memlock=-1"
            ),
            "Kubernetes: privileged: true, or capabilities.add: BPF, PERFMON, SYS_RESOURCE, SYS_ADMIN.",
            "A rootless engine or an unprivileged LXC: run it as root, or on the host.",
        ),
        reference="https://ebpf-go.dev/concepts/rlimit/",
        tell="grep CapEff /proc/1/status in the container; uname -r",
        rank=45,
    ),
    Entry(
        code="io-uring-without-locked-memory",
        title="io_uring gets no memory: the limit of locked memory is too low",
        patterns=(rf"io_uring[^\n]*(?:{ENOMEM}|: -12\b)",),
        verdict="io_uring may lock no more memory: the container's RLIMIT_MEMLOCK is too low (ENOMEM)",
        cause="Its rings (before Linux 5.12) and registered buffers count as locked memory, for all processes of the "
        "user together. Engines give 64 KiB to 8 MiB. It is no lack of memory.",
        remedy=(
            "docker, podman: --ulimit memlock=-1:-1 (compose: ulimits: memlock: -1), or --cap-add IPC_LOCK.",
            "Kubernetes: capabilities.add: IPC_LOCK, or LimitMEMLOCK=infinity in a drop-in of containerd.service.",
            "Without io_uring: PostgreSQL io_method = worker; MariaDB innodb_use_native_aio=0; Netty epoll.",
        ),
        reference="io_uring_setup(2), ENOMEM",
        tell="docker exec NAME sh -c 'ulimit -l'",
        rank=45,
    ),
    Entry(
        code="cpu-limit-of-other-form",
        title="the container's CPU limit was set in another form, which docker update does not mix",
        patterns=(
            r"CPU (?:Period|Quota) cannot be updated as NanoCPUs has already been set",
            r"Nano CPUs cannot be updated as CPU (?:Period|Quota) has already been set",
        ),
        verdict="docker update takes the CPU limit only in the form in which the container was made",
        cause="--cpus (compose cpus, API NanoCpus) and --cpu-period with --cpu-quota set the same limit.",
        remedy=(
            "Made with --cpus: docker update --cpus 2 NAME. Made with a quota: docker update --cpu-quota 200000 NAME.",
            "docker for Python: its update() knows no nano_cpus; make the container with cpu_period and cpu_quota.",
            "Or make it again without the first limit: docker compose up -d --force-recreate.",
        ),
        reference="https://github.com/docker/docker-py/issues/2034",
        tell="docker inspect NAME | grep -E 'NanoCpus|CpuPeriod|CpuQuota': which is not 0?",
        rank=30,
    ),
    Entry(
        code="onnxruntime-pins-outside-cpuset",
        title="onnxruntime pins its threads to CPUs that the container does not have",
        patterns=(r"onnxruntime[^\n]*pthread_setaffinity_np failed[^\n]*",),
        verdict="onnxruntime takes the host's CPU numbers, and this container has others",
        cause="An LXC of Proxmox with cores set, or a cpuset, has only some CPUs. It is mostly a notice: the threads "
        "run without being pinned.",
        remedy=(
            (
                "Set the number of threads: intra_op_num_threads and inter_op_num_threads; Immich: "
                "MACHINE_LEARNING_MODEL_INTRA_OP_THREADS; others: OMP_NUM_THREADS=1."
            ),
            "Proxmox: without cores, or lxc.cgroup2.cpuset.cpus: 0-15 (all of the host's) in /etc/pve/lxc/ID.conf.",
            "docker: --cpus in place of --cpuset-cpus.",
        ),
        reference="https://github.com/microsoft/onnxruntime/issues/8313",
        tell="cat /sys/fs/cgroup/cpuset.cpus.effective: does it have the number in mask: {{...}}?",
        rank=50,
    ),
    Entry(
        code="memory-limit-kills-whole-container",
        title="all processes of the container are killed when one passes its memory limit",
        patterns=(r"are going to be killed due to memory\.oom\.group set",),
        verdict="one process passed the memory limit, and memory.oom.group had all of the container killed",
        cause="From Kubernetes 1.28 on, the kubelet sets it on cgroup2. Before, and on v1, the largest process alone "
        "was killed, and servers with workers went on.",
        remedy=(
            "Raise resources.limits.memory, or let workers fail alone (ulimit -v, --max-requests).",
            "Kubelet 1.32 or later: singleProcessOOMKill: true in its configuration, for all pods of the node.",
            "1.28 to 1.31 have no switch: containers of their own for the workers.",
        ),
        reference="https://github.com/kubernetes/kubernetes/pull/117793",
        tell="cat /sys/fs/cgroup/memory.oom.group in the container",
        rank=60,
    ),
    Entry(
        code="talos-killed-pod",
        title="Talos itself killed a pod because of memory pressure",
        patterns=(r"OOM controller triggered[^\n]*|runtime\.OOMController[^\n]*",),
        verdict="Talos' own controller killed the pod for memory pressure, before the kernel had to",
        cause="Talos from 1.12 on watches the pressure (PSI). Heavy disk I/O, or one pod at its own limit, raised it "
        "although memory was free, and early versions killed again and again.",
        remedy=(
            "Upgrade Talos: later 1.12 and 1.13 releases are stricter.",
            'Until then a patch: kind: OOMConfig, apiVersion: v1alpha1, triggerExpression: "false".',
            "Real pressure: raise the limit of the pod at its limit; requests equal to limits for important pods.",
        ),
        reference="https://github.com/siderolabs/talos/issues/12526",
        tell="talosctl get oomactions -o yaml; talosctl cgroups --preset memory",
        rank=40,
    ),
    Entry(
        code="data-loader-worker-killed",
        title="the kernel killed a worker of PyTorch's data loader for lack of memory",
        patterns=(r"DataLoader worker \(pid(?:\(s\))? [\d, ]+\) (?:is killed by signal: Killed|exited unexpectedly)",),
        verdict="a worker of the data loader was killed: the container's memory limit, or the host's memory, was "
        "used up",
        cause="Every worker is a process with its own copy of the data's objects and prefetched batches; /dev/shm "
        "counts, too. The first process lives on, so the engine reports nothing.",
        remedy=(
            "num_workers=2 (0 to try it), prefetch_factor=1, a smaller batch_size; arrays in place of lists.",
            "Raise docker --memory, resources.limits.memory, Slurm's --mem.",
            "'killed by signal: Bus error' is /dev/shm: --shm-size 8g or --ipc=host.",
        ),
        reference="https://github.com/pytorch/pytorch/issues/8976",
        tell="journalctl -k | grep constraint=: CONSTRAINT_MEMCG is a limit, CONSTRAINT_NONE the host",
        rank=50,
    ),
    Entry(
        code="dev-null-not-accessible",
        title="a program may not open /dev/null",
        patterns=(rf"(?:open |open\W+)?/dev/null\W{{0,3}}: {EACCES}",),
        verdict="the program may not open /dev/null (EACCES): SELinux forbids it, or its mode was changed",
        cause="A policy (udica) or a wrong label; or a privileged container with systemd, udev or Incus inside changed "
        "the host's /dev. With the static CPU manager and runc before 1.0.0-rc91 it is refused for moments.",
        remedy=(
            "The mode: chmod 666 /dev/null on the host; no systemd or Incus with --privileged and the host's /dev.",
            "SELinux: update container-selinux; restorecon /dev/null; to try it: --security-opt label=disable.",
            "Now and then, with cpuManagerPolicy: static: upgrade containerd and runc.",
        ),
        reference="https://github.com/kubernetes/kubernetes/issues/95296",
        tell="ls -lZ /dev/null on the host and in the container: crw-rw-rw-? ausearch -m avc -ts recent | grep null",
        rank=55,
    ),
)
