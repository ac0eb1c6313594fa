"""What Compose and the docker client refuse or give up: values of limits, dependencies, versions, terminals."""

from __future__ import annotations

from shim.diagnose.entry import Entry

LIMIT = (
    r"(?:mem_limit|memswap_limit|mem_reservation|mem_swappiness|shm_size|cpus|cpu_\w+|cpuset|pids_limit|ulimits?|"
    r"nofile|nproc|oom_score_adj|resources|limits|reservations|memory|size)"
)

ENTRIES = (
    Entry(
        code="limit-value-not-understood",
        title="docker or Compose cannot read the value of a limit",
        patterns=(
            (
                r"invalid argument \"(?P<value>[^\"\n]*)\" for "
                r"\"(?P<option>[^\"\n]*--(?:memory|cpu|cpus|shm-size|ulimit|pids|"
                r"kernel-memory|blkio|device-|storage-opt|tmpfs|oom)[\w-]*)\" flag"
            ),
            (
                rf"interpolating services\.[\w.<>-]*\.(?P<option2>{LIMIT})[\w.]*: failed to cast[^\n]*parsing "
                r"\"(?P<value2>[^\"\n]*)\": invalid syntax"
            ),
            rf"(?P<option3>[\w.]*\b{LIMIT}) to appropriate type: \"(?P<value3>[^\"\n]*)\" is not a valid \w+",
            rf"(?P<option4>[\w.-]*\b{LIMIT}) contains an invalid type, it should be an? \w+",
            r"strconv\.Parse(?:Int|Uint|Float): parsing \"(?P<value5>\d+(?:\.\d+)? ?[kmgt]i?b?)\": invalid syntax",
        ),
        verdict="the value of the limit cannot be read: {value}",
        cause="docker wants a number with b, k, m or g for memory (512m, not 0.5GB of RAM or 512 MB), a decimal number "
        "for cpus, name=soft:hard for ulimits. An empty variable leaves nothing or only the unit. Compose 2.0 and 2.1 "
        "took no units from variables; docker-compose 1.27 wants memory as a string; mem_swappiness is a whole number.",
        remedy=(
            'Quote it in the file: mem_limit: "512m", cpus: "0.5"; give variables a default: ${{MEM:-1g}}.',
            "docker compose config shows what is read. Upgrade Compose (2.2 or later takes units everywhere).",
        ),
        reference="https://docs.docker.com/reference/compose-file/extension/#specifying-byte-values",
        rank=46,
    ),
)
