"""Settings: where each value is from, and one clear error for a file that is not valid."""

from __future__ import annotations

import posix
from typing import TYPE_CHECKING

import pytest

from shim.errors import ShimError
from shim.planning.settings import Settings, acceptance, load, policy_of
from shim.planning.settings import family as family_of

if TYPE_CHECKING:
    from pathlib import Path

SH = "/bin/sh"
KEYS = ("runtime", "policy", "crun_on_hybrid", "pressure", "annotations")


def _load(tmp_path: Path, text: str | bytes, **environment: str) -> Settings:
    path = tmp_path / "config.json"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return load({"CGSHIM_CONFIG": str(path), **environment})


def _refusal(tmp_path: Path, text: str | bytes, **environment: str) -> ShimError:
    with pytest.raises(ShimError) as caught:
        _load(tmp_path, text, **environment)
    return caught.value


def test_defaults(tmp_path: Path) -> None:
    """Without a file the policy is the strict one and the runtime is searched for."""
    settings = load({"CGSHIM_CONFIG": f"{tmp_path}/none"})
    assert settings == Settings(runtime="", policy="refuse", origins=dict.fromkeys(KEYS, "default"))


@pytest.mark.parametrize("text", ["", " \n", "{}"], ids=["empty", "blank", "empty-object"])
def test_empty_file_is_no_file(tmp_path: Path, text: str) -> None:
    """A file that says nothing leaves the defaults."""
    assert _load(tmp_path, text).origins == dict.fromkeys(KEYS, "default")


def test_values_know_their_origin(tmp_path: Path) -> None:
    """The file's path stands for each value that it gives."""
    settings = _load(tmp_path, f'{{"runtime": "{SH}", "policy": "warn"}}')
    path = str(tmp_path / "config.json")
    origins = {**dict.fromkeys(KEYS, "default"), "runtime": path, "policy": path}
    assert settings == Settings(runtime=SH, policy="warn", origins=origins)


@pytest.mark.parametrize("value", ["off", "hide-cgroup2"])
def test_crun_on_hybrid(tmp_path: Path, value: str) -> None:
    """Off unless the file says otherwise; only two words are known."""
    assert _load(tmp_path, "{}").crun_on_hybrid == "off"
    assert _load(tmp_path, f'{{"crun_on_hybrid": "{value}"}}').crun_on_hybrid == value
    refused = _refusal(tmp_path, '{"crun_on_hybrid": "hide"}')
    assert "crun_on_hybrid: 'hide' is neither 'off' nor 'hide-cgroup2'" in refused.what


@pytest.mark.parametrize("value", ["psi", "taskstats"])
def test_pressure(tmp_path: Path, value: str) -> None:
    """Nothing listens unless the file says so; only two words are known."""
    assert _load(tmp_path, "{}").pressure == "psi"
    assert _load(tmp_path, f'{{"pressure": "{value}"}}').pressure == value
    refused = _refusal(tmp_path, '{"pressure": "on"}')
    assert "pressure: 'on' is neither 'psi' nor 'taskstats'" in refused.what


@pytest.mark.parametrize("value", ["tighten", "trust"])
def test_annotations(tmp_path: Path, value: str) -> None:
    """Annotations are not trusted unless the file says so; only two words are known."""
    assert _load(tmp_path, "{}").annotations == "tighten"
    assert not _load(tmp_path, "{}").trusting
    assert _load(tmp_path, f'{{"annotations": "{value}"}}').trusting is (value == "trust")
    refused = _refusal(tmp_path, '{"annotations": "true"}')
    assert "annotations: 'true' is neither 'tighten' nor 'trust'" in refused.what


def test_environment_wins_for_the_runtime(tmp_path: Path) -> None:
    """CGSHIM_RUNTIME overrides the file; the file's own value is then not even looked at."""
    settings = _load(tmp_path, '{"runtime": "/none"}', CGSHIM_RUNTIME=SH)
    assert (settings.runtime, settings.origins["runtime"]) == (SH, "CGSHIM_RUNTIME")


BAD = {
    "not-json": ("runtime=/x", "line 1, column 1: a value was expected, found 'r'"),
    "truncated": ('{"policy":', "line 1, column 11: a value was expected, found the end of the text"),
    "array": ("[]", "a JSON object was expected, found an array"),
    "null": ("null", "a JSON object was expected, found null"),
    "twice": ('{"policy":"warn","policy":"refuse"}', "the key policy is there more than once"),
    "unknown": (
        '{"runtimes":"/x"}',
        "runtimes: no such setting; the settings are runtime, policy, crun_on_hybrid, pressure, annotations",
    ),
    "number": ('{"runtime":5}', "runtime: a string was expected, found a number"),
    "null-value": ('{"policy":null}', "policy: a string was expected, found null"),
    "policy": ('{"policy":"Warn"}', "policy: 'Warn' is neither 'refuse' nor 'warn'"),
    "empty-policy": ('{"policy":""}', "policy: '' is neither 'refuse' nor 'warn'"),
    "binary": (b"\xff\xfe\0", "line 1, column 1: a value was expected, found '\\udcff'"),
}


@pytest.mark.parametrize(("text", "what"), BAD.values(), ids=BAD)
def test_bad_file_is_one_error(tmp_path: Path, text: str | bytes, what: str) -> None:
    """The error names the file and the field, and shows a good file."""
    error, path = _refusal(tmp_path, text), tmp_path / "config.json"
    assert error.code == "bad-settings"
    assert error.what == f"{path} is not a valid settings file: {what}"
    assert error.evidence == (f"{path}: {what}",)
    example = '{"runtime": "/usr/sbin/runc", "policy": "refuse"}'
    assert error.remedy == (f"correct {path}, for example {example}", "or remove it")


def test_directory_in_its_place(tmp_path: Path) -> None:
    """What cannot be read is called by the error's name."""
    with pytest.raises(ShimError) as caught:
        load({"CGSHIM_CONFIG": str(tmp_path)})
    assert caught.value.what == f"{tmp_path} is not a valid settings file: cannot be read: EISDIR"


@pytest.mark.parametrize(
    ("runtime", "what"),
    [
        ("runc", "is not an absolute path"),
        ("./runc", "is not an absolute path"),
        ("/none/runc", "does not exist"),
        ("/etc", "is not a file"),
        ("/etc/passwd", "is not executable"),
    ],
    ids=["name", "relative", "missing", "directory", "not-executable"],
)
@pytest.mark.parametrize("source", ["file", "environment"])
def test_runtime_that_cannot_be_run(tmp_path: Path, runtime: str, what: str, source: str) -> None:
    """The error says who named the runtime."""
    path = str(tmp_path / "config.json")
    if source == "file":
        error, origin = _refusal(tmp_path, f'{{"runtime": "{runtime}"}}'), path
    else:
        error, origin = _refusal(tmp_path, "{}", CGSHIM_RUNTIME=runtime), "CGSHIM_RUNTIME"
    assert (error.code, error.what) == ("bad-runtime", f"the real runtime {runtime} {what}")
    assert error.evidence == (f"{origin}: runtime {runtime}",)
    assert error.remedy == (
        f"name an executable runc or crun by its absolute path in {origin}",
        "or leave the setting out",
    )


def test_unreadable_file_of_the_administrator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rootless caller who may not read the file gets the strict defaults; for root it is an error."""

    def deny(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(posix, "open", deny)
    monkeypatch.setattr(posix, "geteuid", lambda: 1000)
    assert load({"CGSHIM_CONFIG": str(tmp_path)}).policy == "refuse"
    monkeypatch.setattr(posix, "geteuid", lambda: 0)
    with pytest.raises(ShimError) as caught:
        load({"CGSHIM_CONFIG": str(tmp_path)})
    assert caught.value.what.endswith("is not a valid settings file: cannot be read: EACCES")


FILE = "/etc/cgshim/config.json"
WARNING = Settings(policy="warn", origins={"policy": FILE})
STRICT = Settings(origins={"policy": FILE})
TRUSTING = Settings(annotations="trust", origins={"policy": FILE})
IGNORED = (
    "annotation io.cgshim.policy=warn is ignored: the author of an image or a pod can write it; "
    '{"annotations": "trust"} in /etc/cgshim/config.json allows it'
)
REFUSES, WARNS = {"io.cgshim.policy": "refuse"}, {"io.cgshim.policy": "warn"}
OWN = "annotation io.cgshim.policy"


@pytest.mark.parametrize(
    ("settings", "annotations", "expected"),
    [
        (WARNING, None, ("warn", FILE, "")),
        (WARNING, {}, ("warn", FILE, "")),
        (WARNING, {"io.cgshim.policy": None}, ("warn", FILE, "")),
        (WARNING, REFUSES, ("refuse", OWN, "")),
        (WARNING, WARNS, ("warn", FILE, "")),
        (STRICT, REFUSES, ("refuse", OWN, "")),
        (STRICT, WARNS, ("refuse", FILE, IGNORED)),
        (TRUSTING, WARNS, ("warn", OWN, "")),
        (TRUSTING, REFUSES, ("refuse", OWN, "")),
        (TRUSTING, {}, ("refuse", FILE, "")),
    ],
)
def test_an_annotation_tightens_and_loosens_only_where_trusted(
    settings: Settings, annotations: object, expected: tuple[str, str, str]
) -> None:
    """One container's own policy, with its origin, and what is said of an annotation that does not count."""
    assert policy_of(settings, annotations) == expected


def test_the_annotation_is_advised_where_it_counts_only() -> None:
    """Whoever follows the advice gets a container."""
    by_file = '{"policy": "warn"} in /etc/cgshim/config.json'
    assert acceptance(False) == f"or accept the loss, for every container: {by_file}"
    assert acceptance(True) == f"or accept the loss: annotation io.cgshim.policy=warn, or {by_file}"


@pytest.mark.parametrize("value", ["", "WARN", "ignore", 5, ["warn"]], ids=str)
def test_unknown_policy_in_an_annotation(value: object) -> None:
    """A misspelt policy is never taken for the lax one."""
    with pytest.raises(ShimError) as caught:
        policy_of(WARNING, {"io.cgshim.policy": value})
    assert caught.value.code == "bad-policy"
    assert caught.value.what == f"annotation io.cgshim.policy: {value!r} is neither 'refuse' nor 'warn'"


def test_a_runtime_that_is_not_in_use_need_not_be_there(tmp_path: Path) -> None:
    """A setting left over from a runtime that is gone is no obstacle to an entry that has another one."""
    path = tmp_path / "settings.json"
    path.write_text('{"runtime": "/nonexistent/crun", "policy": "warn"}')
    assert load({"CGSHIM_CONFIG": str(path)}, "/bin/true").policy == "warn"
    for in_use in ("", "/nonexistent/crun"):
        with pytest.raises(ShimError, match="the real runtime /nonexistent/crun does not exist"):
            load({"CGSHIM_CONFIG": str(path)}, in_use)


@pytest.mark.parametrize(
    ("name", "target", "family"),
    [("crun", "", "crun"), ("runtime", "runc", "runc"), ("runc", "youki", "runc"), ("youki", "", "other")],
)
def test_whose_rules_a_runtime_plays_by(tmp_path: Path, name: str, target: str, family: str) -> None:
    """The name of the file that a link leads to comes first, then the name that was given."""
    path = tmp_path / name
    (tmp_path / (target or name)).write_text("")
    if target:
        path.symlink_to(target)
    assert family_of(str(path)) == family
