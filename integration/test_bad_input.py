"""Bundles and configurations that are wrong in every way: one clear error, the runtime's status, the file untouched.

What the bare runtime would have run must still run; what it refuses gets our reason.
"""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from integration.bundle import base_config
from integration.capabilities import require
from integration.containers import LAUNCHER, call, find_runtime

if TYPE_CHECKING:
    from pathlib import Path

    from integration.bundle import Bundle
    from integration.containers import Result, Shim

# Engines reinterpret these words and cut the message down to the line that has them.
REINTERPRETED = ("permission denied", "operation not permitted", "no such file or directory", "executable file not")


def _assert_clear(done: Result, *words: str) -> None:
    """One error on stderr, of an update in lines, else in one, with what is wrong and what to do, and nothing else."""
    assert (done.status, done.out) == (1, ""), str(done)
    end, parts = ("\n", ("  evidence: ", "  remedy: ")) if "update" in done.argv else (r"\n", ())
    assert done.err.count("\n") == 1 + sum(map(done.err.count, parts)), str(done)
    assert done.err.count("cgshim: ") == 1, str(done)
    assert "Traceback" not in done.err, str(done)
    assert "own-fault" not in done.err, str(done)
    assert f"{end}  remedy: " in done.err, str(done)
    for word in words:
        assert word in done.err, str(done)
    for phrase in REINTERPRETED:
        assert phrase not in done.err.lower(), str(done)


def _refused(shim: Shim, bundle: Bundle, container: str, *words: str) -> None:
    path = bundle.config_path
    regular = path.is_file() and not path.is_symlink()
    before = (path.stat(), path.read_bytes()) if regular else None
    names = sorted(os.listdir(bundle.path))
    _assert_clear(shim("create", "--bundle", str(bundle.path), container), *words)
    if before:
        assert path.stat().st_ino == before[0].st_ino
        assert path.stat().st_mtime_ns == before[0].st_mtime_ns
        assert path.read_bytes() == before[1]
    assert sorted(os.listdir(bundle.path)) == names
    assert shim.containers() == []


def test_missing_bundle(shim: Shim, container: str, tmp_path: Path) -> None:
    """A bundle that is not there."""
    place = tmp_path / "no-such-bundle"
    done = shim("create", "--bundle", str(place), container)
    _assert_clear(done, f"the bundle {place} does not exist or is not a directory", "[bad-bundle]", "--bundle")


def test_bundle_that_is_a_file(shim: Shim, container: str, tmp_path: Path) -> None:
    """A file in the bundle's place."""
    place = tmp_path / "bundle-file"
    place.write_text("")
    done = shim("run", "--bundle", str(place), container)
    _assert_clear(done, f"the bundle {place} does not exist or is not a directory", "[bad-bundle]")


def test_no_configuration(shim: Shim, bundle: Bundle, container: str) -> None:
    """A bundle without config.json."""
    bundle.config_path.unlink()
    _refused(shim, bundle, container, f"the bundle {bundle.path} has no config.json", "`runc spec`")
    bundle.configure()


def test_directory_in_its_place(shim: Shim, bundle: Bundle, container: str) -> None:
    """A directory named config.json."""
    bundle.config_path.unlink()
    bundle.config_path.mkdir()
    _refused(shim, bundle, container, f"{bundle.config_path} is a directory, not a file", "EISDIR")
    bundle.config_path.rmdir()
    bundle.configure()


GOOD = '{"ociVersion":"1.0.2","linux":{"resources":{"pids":{"limit":5}}}}'
CONTENTS: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "it is empty"),
    "blank": (b" \n\n", "it is empty"),
    "truncated": (GOOD[:40].encode(), "is not a usable OCI configuration: "),
    "truncated-between": (b'{"ociVersion":"1.0.2",', "the text ends too early"),
    "not-json": (b"ociVersion: 1.0.2\n", "a value was expected, found 'o'"),
    "array": (b"[" + GOOD.encode() + b"]", "a JSON object was expected, found an array"),
    "string": (b'"config"', "a JSON object was expected, found a string"),
    "null": (b"null", "a JSON object was expected, found null"),
    "nan": (b'{"a":NaN}', "NaN is not a JSON number"),
    "noise": (bytes(range(255, -1, -1)) * 40, "a value was expected"),
    "zeros": (b"\0" * 5000, "it is empty"),
    "elf": (b"\x7fELF\x02\x01\x01" + b"\0" * 100, "a value was expected"),
    "utf-16": (GOOD.encode("utf-16"), "a value was expected"),
    "deep": (b'{"a":' * 100000, "the text ends too early"),
    "deep-limits": (b'{"linux":{"resources":' + b'{"a":' * 100000, "the text ends too early"),
    "linux-array": (b'{"linux":[]}', "linux: an object was expected, found an array"),
    "linux-string": (b'{"linux":"x"}', "linux: an object was expected, found a string"),
    "resources-array": (b'{"linux":{"resources":[]}}', "linux.resources: an object was expected, found an array"),
    "resources-false": (b'{"linux":{"resources":false}}', "linux.resources: an object was expected, found a boolean"),
    "annotations-array": (b'{"annotations":[],"linux":{}}', "annotations: an object was expected, found an array"),
}


@pytest.mark.parametrize(("content", "words"), CONTENTS.values(), ids=CONTENTS)
def test_content_that_is_no_configuration(
    shim: Shim, bundle: Bundle, container: str, content: bytes, words: str
) -> None:
    """The error names the file and what is wrong with it."""
    bundle.config_path.write_bytes(content)
    _refused(shim, bundle, container, str(bundle.config_path), words, "it was left as it is", "[bad-config]")


def test_fault_in_a_large_profile(shim: Shim, bundle: Bundle, container: str, tmp_path: Path) -> None:
    """A fault inside a large profile is named by its place, and the file is as it was."""
    names = [f"call_{number}" for number in range(20000)]
    bundle.configure(resources={"unified": {"pids.max": "32"}, "cpu": {"shares": 512}})
    config = json.loads(bundle.config_path.read_text())
    config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": names, "action": "A"}]}
    text = json.dumps(config, separators=(",", ":")).replace('"call_777"', "call_777")
    bundle.config_path.write_text(text)
    place = f"line 1, column {text.index('call_777,') + 1}"
    before = sorted(os.listdir(bundle.path))
    log = tmp_path / "log.json"
    options = ("--log", str(log), "--log-format", "json")
    result = shim(*options, "create", "--bundle", str(bundle.path), container)
    (record,) = log.read_text().splitlines()
    message = json.loads(record)["msg"]
    for words in (str(bundle.config_path), place, "a value was expected, found 'c'", "[bad-config]"):
        assert words in message
        assert words in result.err
    assert result.status == 1
    assert bundle.config_path.read_text() == text
    assert (sorted(os.listdir(bundle.path)), shim.containers()) == (before, [])


def test_three_hundred_megabytes(shim: Shim, bundle: Bundle, container: str) -> None:
    """A file that is too large is refused for its size, not read."""
    bundle.config_path.touch()
    os.truncate(bundle.config_path, 300 << 20)
    _refused(shim, bundle, container, "the file has 314572800 bytes, more than the 268435456 that are read")


def test_limits_that_stand_twice(shim: Shim, bundle: Bundle, container: str) -> None:
    """Two limits for one thing are no limit that one could rely on."""
    bundle.config_path.write_text('{"linux":{"resources":{"memory":{"limit":5,"swap":9,"limit":6}}}}')
    _refused(
        shim, bundle, container, "the key linux.resources.memory.limit is there more than once", "[ambiguous-config]"
    )


# Written by hand: a few of each kind.
FIELDS: dict[str, tuple[dict[str, Any], str]] = {
    "string-for-number": (
        {"memory": {"limit": "64M"}},
        "linux.resources.memory.limit: a whole number was expected, found a string ('64M')",
    ),
    "fraction": (
        {"memory": {"swap": 67108864.5}},
        "linux.resources.memory.swap: a whole number was expected, found a number ('67108864.5')",
    ),
    "boolean-for-number": (
        {"pids": {"limit": True}},
        "linux.resources.pids.limit: a whole number was expected, found a boolean",
    ),
    "int64": (
        {"pids": {"limit": 1 << 63}},
        "linux.resources.pids.limit: 9223372036854775808 is outside int64",
    ),
    "uint64": ({"cpu": {"shares": -1}}, "linux.resources.cpu.shares: -1 is outside uint64"),
    "uint64-above": (
        {"cpu": {"period": 1 << 64}},
        "linux.resources.cpu.period: 18446744073709551616 is outside uint64",
    ),
    "uint16": ({"blockIO": {"weight": 65536}}, "linux.resources.blockIO.weight: 65536 is outside uint16"),
    "uint32": ({"network": {"classID": 1 << 32}}, "linux.resources.network.classID: 4294967296 is outside uint32"),
    "number-for-string": (
        {"cpu": {"cpus": 0}},
        "linux.resources.cpu.cpus: a string was expected, found a number ('0')",
    ),
    "number-for-boolean": (
        {"memory": {"disableOOMKiller": 1}},
        "linux.resources.memory.disableOOMKiller: true or false was expected, found a number ('1')",
    ),
    "array-for-object": ({"memory": []}, "linux.resources.memory: an object was expected, found an array"),
    "object-for-array": (
        {"hugepageLimits": {"2MB": 1}},
        "linux.resources.hugepageLimits: an array was expected, found an object",
    ),
    "item": (
        {"blockIO": {"throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 1}, {"rate": "1M"}]}},
        ("linux.resources.blockIO.throttleReadBpsDevice[1].rate: a whole number was expected, found a string ('1M')"),
    ),
    "null-item": ({"hugepageLimits": [None]}, "linux.resources.hugepageLimits[0]: an object was expected, found null"),
    "unified": (
        {"unified": {"pids.max": 5}},
        "linux.resources.unified.pids.max: a string was expected, found a number ('5')",
    ),
    "rdma": (
        {"rdma": {"mlx5_1": {"hcaHandles": "2"}}},
        "linux.resources.rdma.mlx5_1.hcaHandles: a whole number was expected, found a string ('2')",
    ),
    "surrogate": (
        {"unified": {"\ud800": 5}},
        r"linux.resources.unified.\\ud800: a string was expected, found a number ('5')",
    ),
    "negative-size": ({"memory": {"limit": -5}}, "linux.resources.memory.limit: -5 is not a valid size"),
    "swap-below-limit": (
        {"memory": {"limit": 67108864, "swap": 1000}},
        "linux.resources.memory.swap: 1000 is less than memory.limit 67108864, and swap is memory plus swap",
    ),
}


@pytest.mark.parametrize(("resources", "words"), FIELDS.values(), ids=FIELDS)
def test_field_of_a_wrong_type_or_out_of_range(
    shim: Shim, bundle: Bundle, container: str, resources: dict[str, Any], words: str
) -> None:
    """The error names file, field, what was found and what to write."""
    bundle.configure(resources=resources)
    _refused(shim, bundle, container, f"{bundle.config_path}: {words}", "[bad-resources]")


def test_every_problem_is_named_at_once(shim: Shim, bundle: Bundle, container: str) -> None:
    """Nobody has to run it three times to learn of three mistakes."""
    bundle.configure(resources={"memory": {"limit": "1"}, "cpu": {"shares": -1}, "pids": 5})
    names = [f"remedy: linux.resources.{name}: " for name in ("memory.limit", "cpu.shares", "pids")]
    _refused(shim, bundle, container, "(and 2 more)", *names)


@pytest.mark.parametrize(
    ("resources", "words"),
    [
        ("[]", "a JSON object was expected, found an array"),
        ("", "it is empty"),
        ('{"memory":{"limit":"5"}}', "resources.memory.limit: a whole number was expected, found a string ('5')"),
        ('{"pids":{"limit":5}', "the text ends too early"),
    ],
    ids=["array", "empty", "type", "truncated"],
)
@pytest.mark.parametrize("source", ["file", "stdin"])
def test_update_with_bad_resources(
    *, shim: Shim, bundle: Bundle, container: str, tmp_path: Path, resources: str, words: str, source: str
) -> None:
    """`update` names the file, or standard input, and changes nothing."""
    bundle.configure()
    shim.create(bundle, container)
    path = tmp_path / "resources.json"
    path.write_text(resources)
    if source == "file":
        _assert_clear(shim("update", "--resources", str(path), container), str(path), words)
    else:
        _assert_clear(shim("update", "--resources", "-", container, stdin=resources), "standard input", words)


def test_update_from_a_missing_file(shim: Shim, container: str) -> None:
    """A file that is not there is called by its name."""
    done = shim("update", "--resources", "/no/such/file", container)
    _assert_clear(done, "cgshim: /no/such/file cannot be read: ENOENT [unreadable-file]")


def test_null_resources_run_as_bare(shim: Shim, bundle: Bundle, container: str) -> None:
    """The bare runtime takes `resources: null` for none, and so does cgshim: the container runs, the file stays."""
    config = base_config(args=["/bin/echo", "alive"])
    config["linux"]["resources"] = None
    config["annotations"] = None
    bundle.write(config)
    before = bundle.config_path.read_bytes()
    done = shim("run", "--bundle", str(bundle.path), container)
    assert (done.status, done.out, done.err) == (0, "alive\n", ""), str(done)
    assert bundle.config_path.read_bytes() == before


def test_words_of_a_container_do_not_keep_a_processor_busy(shim: Shim, bundle: Bundle, container: str) -> None:
    """The runtime repeats the name of a program that is not there; looking it up took 21 seconds of CPU time."""
    name = "/".join(["memory." * 30] * 6)
    bundle.configure(args=[f"/{name}"], resources={"pids": {"limit": 32}})
    started = os.times().children_user
    done = shim("create", "--bundle", str(bundle.path), container)
    assert os.times().children_user - started < 20  # seconds; a twentieth of it is usual
    assert done.status == 1
    assert name in done.err
    assert "own-fault" not in done.err, str(done)
    assert shim.containers() == []


@pytest.mark.parametrize("linux", ["null", "absent"])
def test_configuration_without_linux_runs_as_bare(shim: Shim, bundle: Bundle, container: str, linux: str) -> None:
    """runc runs a configuration whose `linux` is null or absent, without any namespace; cgshim is not in its way."""
    require("unshare", "" if shutil.which("unshare") else "unshare is not installed")
    config = base_config(args=["/bin/echo", "alive"])
    del config["linux"], config["hostname"]
    if linux == "null":
        config["linux"] = None
    bundle.write(config)
    # It would mount into this very mount namespace, so it gets one of its own.
    argv = ["unshare", "--mount", *shim.prefix, "run", "--bundle", str(bundle.path), container]
    done = call(argv, env=shim.environment)
    assert (done.status, done.out, done.err) == (0, "alive\n", ""), str(done)


def test_bad_settings_stop_intercepted_commands_only(shim: Shim, bundle: Bundle, container: str) -> None:
    """A broken settings file is one clear error for create, and nothing to state and delete."""
    bundle.configure()
    shim.create(bundle, container)
    shim.settings_path.write_text('{"policy": "maybe"}')
    _assert_clear(
        shim("create", "--bundle", str(bundle.path), f"{container}-2"),
        f"{shim.settings_path} is not a valid settings file: policy: 'maybe' is neither 'refuse' nor 'warn'",
        "[bad-settings]",
    )
    assert shim.state(container)["status"] == "created"
    shim.must("delete", "--force", container)


def test_error_reaches_the_engines_log_whole(shim: Shim, bundle: Bundle, container: str, tmp_path: Path) -> None:
    """containerd reads the log's last error, podman its only object: it is one and the same, and stderr agrees."""
    bundle.configure(resources={"pids": {"limit": "many"}})
    log = tmp_path / "log.json"
    argv = [*shim.prefix, "--log", str(log), "--log-format", "json", "create", "-b", str(bundle.path), container]
    done = call(argv, env=shim.environment)
    assert done.status == 1
    assert log.read_text().count("\n") == 1
    assert "linux.resources.pids.limit: a whole number was expected, found a string ('many')" in log.read_text()
    assert done.err.startswith(f"cgshim: {bundle.config_path}: linux.resources.pids.limit: ")


@pytest.mark.parametrize("runtime", ["runc", "crun"])
def test_delete_of_an_id_that_leads_elsewhere(runtime: str, tmp_path: Path) -> None:
    """crun would remove the directory above its root; nothing is removed, and the call fails with the reason."""
    found = find_runtime(runtime)
    require(runtime, "" if found else f"{runtime} is not installed")
    above = tmp_path / "above"
    (above / "root").mkdir(parents=True)
    (above / "kept").write_text("x\n")
    argv = ["/bin/sh", str(LAUNCHER), "--root", str(above / "root"), "delete", "--force", ".."]
    done = call(argv, env={"PATH": os.environ["PATH"], "CGSHIM_RUNTIME": found})
    assert (done.status, done.out) == (1, ""), str(done)
    assert done.err.endswith("[bad-container-id]\n"), str(done)
    assert (above / "kept").read_text() == "x\n"


def test_mounts_without_a_mount_namespace_are_told(shim: Shim, bundle: Bundle, container: str, tmp_path: Path) -> None:
    """The container starts as under the bare runtime, which leaves its mounts behind; the caller is warned."""
    config = base_config()
    config["process"]["args"] = ["/bin/true"]
    kept = [one for one in config["linux"]["namespaces"] if one["type"] != "mount"]
    config["linux"]["namespaces"] = kept
    config["mounts"].append({"destination": "/mnt", "type": "tmpfs", "source": "tmpfs"})
    count = len(config["mounts"])
    bundle.write(config)
    log, table = tmp_path / "log.json", tmp_path / "mountinfo"
    script = 'table=$1; shift; "$@"; status=$?; cp /proc/self/mountinfo "$table"; exit $status'
    front = [*shim.prefix, "--log", str(log), "--log-format", "json"]
    argv = ["unshare", "--mount", "sh", "-c", script, "sh", str(table), *front, "run", "--bundle", str(bundle.path)]
    done = call([*argv, container], env=shim.environment)
    left = [line.split()[4] for line in table.read_text().splitlines() if str(bundle.path) in line.split()[4]]
    assert done.status == 0, str(done)
    assert any(place.endswith("/rootfs/mnt") for place in left), left
    warnings = [one["msg"] for one in map(json.loads, log.read_text().splitlines()) if one["level"] == "warning"]
    assert [text for text in warnings if f"has no mount namespace: its {count} mount(s)" in text], warnings
