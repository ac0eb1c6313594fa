"""Jobs and tasks that a CI system or a cloud starts, and what its agents say when they fail."""

from __future__ import annotations

from shim.diagnose.entry import Entry

ENTRIES = (
    Entry(
        code="ecs-docker-too-slow",
        title="docker on an instance of ECS did not answer in time",
        patterns=(r"Could not transition to (?P<step>\w+); timed out after waiting (?P<time>\w+)",),
        verdict="docker on this ECS instance did not get the container to {step} within {time}",
        cause="The agent gave up; it says nothing about the container. Usually the disk is too slow (burst credits of "
        "EBS are used up), many large images are pulled at once, or a log driver cannot reach its server.",
        remedy=(
            "A larger or a gp3 volume for /var/lib/docker; other large data on another disk; fewer tasks at once.",
            "/etc/ecs/ecs.config: ECS_CONTAINER_CREATE_TIMEOUT=10m, ECS_CONTAINER_START_TIMEOUT=10m; restart ecs.",
            "awslogs in a private subnet: a VPC endpoint for logs, or a NAT gateway.",
        ),
        reference="https://github.com/aws/amazon-ecs-agent/issues/1440",
        tell="iostat -x 1; time docker ps; CloudWatch: BurstBalance",
        ours=False,
        rank=35,
    ),
    Entry(
        code="fargate-reaches-nothing",
        title="a Fargate task reaches no endpoint of AWS, or has no right to it",
        patterns=(r"ResourceInitializationError: (?P<reason>[^\n]{0,120})",),
        verdict="the task's start failed before any container was made: {reason}",
        cause="The task itself fetches its images, secrets and the registry's login through its own network interface. "
        "A timeout or RequestError: its subnet has no way out. AccessDenied: the execution role lacks the right.",
        remedy=(
            "A public subnet: assignPublicIp: ENABLED; a private one: a route to a NAT gateway.",
            (
                "Or VPC endpoints: ecr.api, ecr.dkr, logs, secretsmanager or ssm, and s3, whose security group lets "
                "the task in at 443."
            ),
            "AccessDenied: AmazonECSTaskExecutionRolePolicy, and the rights to the secrets, for the execution role.",
        ),
        reference="https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html",
        tell="aws ecs describe-tasks; the route table of its subnet: 0.0.0.0/0 to igw- (with a public address) or "
        "nat-?",
        ours=False,
        rank=35,
    ),
    Entry(
        code="runner-lost-communication",
        title="the machine or pod of a CI runner was starved or ended",
        patterns=(
            r"runner: (?P<name>[^\n]{1,80}?) lost communication with the server",
            r"The (?:hosted|self-hosted) runner[^\n]*lost communication with the server",
        ),
        verdict="the runner no longer answered: usually the job used up the memory of its machine",
        cause="The job shares the machine or pod with the runner's own process. When memory ends, the kernel kills a "
        "process or the machine stops answering, and no log is left. A self-hosted one may also have been stopped (a "
        "spot instance, an autoscaler, an eviction).",
        remedy=(
            "Use less: fewer parallel jobs (make -j2), smaller heaps (-Xmx, NODE_OPTIONS=--max-old-space-size=4096).",
            "Limit the heavy step: docker run --memory 4g keeps the rest of the machine alive.",
            "Or a larger runner; in Kubernetes higher requests and limits of the runner's pod.",
        ),
        reference="https://github.com/actions/runner-images/issues/9823",
        tell="free -m in a step before; dmesg | grep -i oom; a runner in Kubernetes: kubectl get pod: OOMKilled, "
        "Evicted?",
        rank=45,
    ),
    Entry(
        code="dind-listens-with-tls",
        title="the dind service listens with TLS on another port, or not at all",
        patterns=(r"Cannot connect to the Docker daemon at tcp://(?P<name>docker|localhost|127\.0\.0\.1):2375",),
        verdict="the job asks {name}:2375, where no docker listens",
        cause="docker:dind from 19.03 on makes certificates and listens with TLS on 2376. Or it did not start, because "
        "the runner is not privileged; the service's own log says so.",
        remedy=(
            'Without TLS: DOCKER_HOST: tcp://docker:2375 and DOCKER_TLS_CERTDIR: "" as variables of job and service.',
            (
                "With TLS: DOCKER_HOST: tcp://docker:2376, DOCKER_TLS_VERIFY: 1, DOCKER_TLS_CERTDIR: /certs, "
                "DOCKER_CERT_PATH: /certs/client, and the volume /certs/client in config.toml."
            ),
            "GitLab: privileged = true below [runners.docker] or [runners.kubernetes] in config.toml.",
        ),
        reference="https://docs.gitlab.com/ci/docker/using_docker_build/",
        tell='CI_DEBUG_SERVICES: "true" shows the log of the service: API listen on [::]:2376, or an error',
        rank=40,
    ),
    Entry(
        code="nomad-killed-after-timeout",
        title="Nomad stopped a task, and it did not end in time",
        patterns=(r"Sent interrupt\. Waiting (?P<time>\w+) before force killing",),
        verdict="Nomad stopped the task, which did not end within {time}: the 137 is Nomad's own kill",
        cause="Nomad sends an interrupt, waits for kill_timeout (5 s), and then kills. Some versions on cgroup2 call "
        "every 137 'OOM Killed'.",
        remedy=(
            'kill_timeout = "30s" in the task, and kill_signal = "SIGTERM" or what the program expects.',
            "Let the program see the signal: a command without a shell before it, or init = true in the docker driver.",
            "Newer Nomad and Docker tell a lack of memory apart better.",
        ),
        reference="https://github.com/hashicorp/nomad/pull/12735",
        tell="journalctl -k | grep -i oom shows nothing",
        beside=r"\b137\b",
        rank=40,
    ),
    Entry(
        code="gitlab-service-not-seen",
        title="GitLab's runner found no open port of a service in time",
        patterns=(r"WARNING: Service (?P<name>\S+) probably didn't start properly",),
        verdict="a warning: the runner saw no open port of the service; the lines below it are the service's own words",
        cause="It waits 30 s for the ports that the image declares. docker:dind declares 2375 and 2376 and listens on "
        "one of them, so the warning is normal there. If the job fails too, the cause stands below 'Service container "
        "logs:'.",
        remedy=(
            "Explain the lines below 'Service container logs:'. 'API listen on' means that dockerd runs.",
            "'permission denied', 'Operation not permitted' there: privileged = true in config.toml.",
            'dind, no TLS: DOCKER_TLS_CERTDIR: "", DOCKER_HOST: tcp://docker:2375, SERVICE_PORT_2376_TCP_PORT: 2375',
            "A slow service: wait_for_services_timeout = 120 in config.toml.",
        ),
        reference="https://docs.gitlab.com/runner/executors/docker/",
        ours=False,
        rank=75,
    ),
    Entry(
        code="jenkins-workspace-not-on-host",
        title="docker does not have Jenkins' workspace at the path of Jenkins' own container",
        patterns=(
            r"can(?:'t|not) create (?P<path>/\S*@tmp/durable-\S*): (?:nonexistent directory|Directory nonexistent)",
            r"process apparently never started in (?P<path2>/\S*@tmp/durable-\S*)",
        ),
        verdict="the container of the step does not see the workspace of Jenkins: {path}",
        cause="The agent is a container itself and uses the host's docker. The plugin mounts the workspace with -v "
        "PATH:PATH, and docker takes PATH from the host, where it is missing or empty.",
        remedy=(
            (
                "Give the agent its workspace at the host's path: -v /var/jenkins_home:/var/jenkins_home -v "
                "/var/run/docker.sock:/var/run/docker.sock"
            ),
            "Or a named volume for its home: the plugin then uses --volumes-from.",
            "Kubernetes: a container of the pod template in place of a docker agent.",
            (
                "The workspace is there: the image's user may not write to it (args '-u 0:0'), or its entrypoint ends "
                "(args '--entrypoint=')."
            ),
        ),
        reference="https://github.com/jenkinsci/docker/issues/626",
        tell="docker inspect the agent's container, Mounts: the same path on both sides?",
        ours=False,
        rank=40,
    ),
    Entry(
        code="kaniko-meets-mount",
        title="kaniko cannot replace a file that is mounted into its container",
        patterns=(
            (
                r"error (?:building image|building stage)[^\n]*: (?:remove|unlinkat|rename|symlink) "
                r"(?P<path>/[^\s:]*): (?:device or resource busy|read-only file system)"
            ),
        ),
        verdict="kaniko unpacks the image over its own root, and {path} is a mount there",
        cause="The outer engine mounted it: docker-init, resolv.conf, certificates, NVIDIA's libraries, kind's "
        "product_uuid. Such a file can be neither removed nor replaced.",
        remedy=(
            "executor --ignore-path={path}",
            (
                "Or without that mount: no docker run --init, no volumes outside /kaniko and /workspace, a node "
                "without GPU."
            ),
            (
                "A link of the base image (/lib, /sbin, /var/run): the fork osscontainertools/kaniko with "
                "FF_KANIKO_PRESERVE_MOUNTED_SYMLINKS=1; or buildah, BuildKit."
            ),
        ),
        reference="https://github.com/GoogleContainerTools/kaniko/issues/946",
        tell="grep {path} /proc/self/mountinfo in kaniko's container (tag debug)",
        rank=35,
    ),
    Entry(
        code="iptables-of-other-kind",
        title="dockerd in a container uses the iptables that the host's kernel lacks",
        patterns=(
            r"iptables v[\d.]+ \(nf_tables\): +(?:CHAIN_ADD|RULE_\w+|TABLE_\w+) failed \(No such file or directory\)",
            r"iptables v[\d.]+ \(nf_tables\): Could not fetch rule set generation id: (?!Permission)[^\n]*",
            r"can't initialize iptables table `\w+': Table[^\n]*",
        ),
        verdict="iptables here speaks to a part of the kernel whose module the host has not loaded",
        cause="It is nf_tables or the older ip_tables. A container cannot load modules, so dockerd in it cannot make "
        "its chains, and ends.",
        remedy=(
            (
                "docker:dind: DOCKER_IPTABLES_LEGACY=1; or on the host: modprobe nf_tables nft_chain_nat ip_tables "
                "iptable_nat"
            ),
            "An image of Debian or Ubuntu: update-alternatives --set iptables /usr/sbin/iptables-legacy (or -nft).",
            "For good: the names in /etc/modules-load.d/docker.conf. After a kernel's update: reboot first.",
        ),
        reference="https://github.com/docker-library/docker/issues/467",
        tell="lsmod | grep -E 'nf_tables|ip_tables|iptable_nat' on the host; iptables --version in the container",
        ours=False,
        rank=45,
    ),
)
