"""The hooks that cgshim puts into a configuration; `injected` for one list, `Rewrite.text` for the whole file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from shim.errors import ShimError
from shim.host.captured import CapturedView
from shim.oci import document
from shim.planning import injection, rewrite, settings

if TYPE_CHECKING:
    from shim.host.view import View

ROOT = Path(__file__).resolve().parents[2]
OURS = injection.hook("/usr/sbin/runc", "cgroupfs")
FOREIGN = {"path": "/bin/x", "args": ["x", injection.NAME], "timeout": 3}
HYBRID = Path(__file__).resolve().parents[1] / "hosts" / "debian13-hybrid-6.12"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """None of our variables is set; the key is not the machine's."""
    for name in injection.PASSED_ON:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("shim.state.seal.PLACE", str(tmp_path / "cgshim"))


def test_the_hook_needs_no_environment() -> None:
    """A program with an absolute path, the stage, its options; no text of Python, no `env`."""
    assert {
        "path": str(ROOT / "hooks" / "cgshim-hook"),
        "args": ["cgshim-hook", "createRuntime", "--runtime", "/usr/sbin/runc", "--driver", "cgroupfs"],
    } == OURS


@pytest.mark.parametrize(
    ("package", "program"),
    [
        ("src", "src/hooks/cgshim-hook"),
        ("usr/lib/cgshim", "usr/bin/cgshim-hook"),
        ("usr/share/cgshim", "usr/bin/cgshim-hook"),
        ("venv/lib/python3.11/site-packages", "venv/bin/cgshim-hook"),
    ],
)
def test_the_program_of_each_installation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str, program: str
) -> None:
    """Beside the package's own launcher, wherever that is installed."""
    place = tmp_path / program
    place.parent.mkdir(parents=True)
    place.write_text("#!/bin/sh\n")
    monkeypatch.setattr(injection, "__file__", str(tmp_path / package / "shim/planning/injection.py"))
    assert injection.hook("/usr/sbin/runc", "cgroupfs")["path"] == str(place)


def test_installation_without_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No container starts with limits that nobody would read back: the message says what is missing."""
    monkeypatch.setattr(injection, "__file__", str(tmp_path / "lib/cgshim/shim/planning/injection.py"))
    with pytest.raises(ShimError, match=r"that belongs to .*/lib/cgshim is missing") as caught:
        injection.cleanup("/sys/fs/cgroup")
    assert (caught.value.code, caught.value.evidence[1]) == (
        "no-hook-program",
        f"{tmp_path}/bin/cgshim-hook: does not exist",
    )


def test_our_variables_are_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hook's environment is what its entry says, so ours are written down where they are set, and no others."""
    monkeypatch.setenv("CGSHIM_STATE", "/somewhere")
    monkeypatch.setenv("CGSHIM_RUNTIME", "/usr/bin/crun")
    monkeypatch.setenv("CGSHIM_CONFIG", "/c.json")
    assert injection.hook("/usr/sbin/runc", "cgroupfs")["env"] == ["CGSHIM_CONFIG=/c.json", "CGSHIM_STATE=/somewhere"]


@pytest.mark.parametrize("hooks", [None, {}, {"createRuntime": None}, {"createRuntime": []}, {"poststop": [FOREIGN]}])
def test_the_first_hook(hooks: Any) -> None:
    """Where there was none, ours is the only one."""
    assert injection.injected(hooks, "createRuntime", OURS) == [OURS]


def test_once_is_enough() -> None:
    """Ours is there once, however often it is put in."""
    once = injection.injected({"createRuntime": [FOREIGN]}, "createRuntime", OURS)
    assert once == [FOREIGN, OURS]
    assert injection.injected({"createRuntime": once}, "createRuntime", OURS) == once


def test_another_hook_of_ours_stays() -> None:
    """The poststop hook of a hooks directory notes at createRuntime: it is not the one that reads limits back."""
    noting = {"path": "/usr/bin/cgshim-hook", "args": ["cgshim-hook", "poststop"]}
    assert injection.injected({"createRuntime": [noting]}, "createRuntime", OURS) == [noting, OURS]


def test_an_older_one_of_ours_is_replaced() -> None:
    """By name and stage, or by the name that version 0.1 gave it: the package moved, the runtime changed."""
    former = {"path": "/old/python", "args": ["cgshim-verify", "-c", "old"], "env": ["A=1"]}
    older = {"path": "/old/bin/cgshim-hook", "args": ["cgshim-hook", "createRuntime", "--runtime", "/old/runc"]}
    assert injection.injected({"createRuntime": [former, FOREIGN]}, "createRuntime", OURS) == [FOREIGN, OURS]
    assert injection.injected({"createRuntime": [older, FOREIGN]}, "createRuntime", OURS) == [FOREIGN, OURS]


@pytest.mark.parametrize(
    "foreign",
    [FOREIGN, {"path": "/bin/y"}, {"path": "/bin/y", "args": None}, {"path": "/bin/y", "args": []}, "no hook at all"],
)
def test_foreign_hooks_stay(foreign: Any) -> None:
    """What is not ours keeps its place, even where it makes no sense."""
    assert injection.injected({"createRuntime": [foreign]}, "createRuntime", OURS) == [foreign, OURS]


# ---- the whole file

FOREIGN_TEXT = '{"path"  :"/bin/x",\t"args":["x" ,"\\u0041"],"timeout":3,"future":1.50}'
OTHER_STAGES = '"poststart" : [ {"path":"/bin/z"  } ] , "future":{"a":1e3}'


@pytest.fixture
def hybrid() -> View:
    """A hybrid host whose memory is in cgroup2 only, as debian13-hybrid-6.12 was captured."""
    return CapturedView(str(HYBRID))


def _text(hooks: str, resources: dict[str, Any], annotations: str = "{}") -> str:
    return (
        f'{{"ociVersion":"1.0.2", "hooks" : {hooks} , "annotations":{annotations},\n'
        f'"linux":{{"cgroupsPath":"/c","resources":{json.dumps(resources)} }} }}'
    )


def _rewritten(text: str, view: View, *, foreground: bool, policy: str = "refuse") -> str:
    asked = rewrite.Asked(runtime="/usr/sbin/runc", family="runc", command="run", foreground=foreground)
    configured = settings.Settings(policy=policy, origins={"policy": "test"})
    return rewrite.of(document.load(text, "/bundle/config.json"), rewrite.RESOURCES, asked, configured, view).text()


MEMORY = {"memory": {"limit": 67108864}}
PIDS = {"pids": {"limit": 32}}


def test_foreign_hooks_stay_byte_for_byte(hybrid: View) -> None:
    """Of the section only our stage changes; other stages keep their bytes, and the second time nothing changes."""
    before = _text(f'{{ {OTHER_STAGES}, "createContainer":[ {FOREIGN_TEXT} ] }}', PIDS)
    after = _rewritten(before, hybrid, foreground=True)
    assert f'{OTHER_STAGES}, "createContainer":[ {FOREIGN_TEXT} ]' in after
    assert json.loads(after)["hooks"]["createRuntime"] == [OURS]
    assert _rewritten(after, hybrid, foreground=True) == after
    shorn = json.loads(after)
    del shorn["hooks"]["createRuntime"]
    assert shorn == json.loads(before)


def test_foreign_hooks_of_our_stage_keep_their_meaning(hybrid: View) -> None:
    """A foreign hook of the same stage stays the first, with every value that it had."""
    after = _rewritten(_text(f'{{"createRuntime":[ {FOREIGN_TEXT} ]}}', PIDS), hybrid, foreground=True)
    assert json.loads(after)["hooks"]["createRuntime"] == [json.loads(FOREIGN_TEXT), OURS]


@pytest.mark.parametrize("resources", [{}, {"cpu": {"shares": 512}}], ids=["nothing", "hint"])
def test_without_a_guard_there_is_no_hook(hybrid: View, resources: dict[str, Any]) -> None:
    """Nothing that must be read back: the file stays as it was."""
    before = _text("{}", resources)
    assert _rewritten(before, hybrid, foreground=True) == before


def test_create_needs_no_hook(hybrid: View) -> None:
    """Where cgshim itself can look before the process starts, no hook is put in, not even for the bridge."""
    after = json.loads(_rewritten(_text("{}", MEMORY), hybrid, foreground=False))
    assert after["hooks"] == {}
    assert json.loads(after["annotations"]["io.cgshim.bridge"])["limits"] == {"memory.max": "67108864"}


def test_the_cleanup_hook(hybrid: View) -> None:
    """Only where the bridge may use a cgroup of its own (policy warn) a poststop hook removes it; once is enough."""
    after = _rewritten(_text("{}", MEMORY), hybrid, foreground=False, policy="warn")
    cleanup = json.loads(after)["hooks"]
    assert list(cleanup) == ["poststop"]
    assert cleanup["poststop"] == [injection.cleanup("/sys/fs/cgroup/unified")]
    assert cleanup["poststop"][0]["args"][:2] == ["cgshim-hook", "cleanup"]
    assert cleanup["poststop"][0]["args"][-2:] == ["--mount", "/sys/fs/cgroup/unified"]
    assert _rewritten(after, hybrid, foreground=False, policy="warn") == after
    assert json.loads(_rewritten(_text("{}", PIDS), hybrid, foreground=False, policy="warn"))["hooks"] == {}


def test_both_hooks(hybrid: View) -> None:
    """`run` under warn gets both, each in its stage, beside what was there."""
    hooks = json.dumps({"poststop": [FOREIGN]})
    after = json.loads(_rewritten(_text(hooks, MEMORY), hybrid, foreground=True, policy="warn"))["hooks"]
    bridged = {**OURS, "args": [*OURS["args"], "--bridged", "true"]}
    assert after == {"createRuntime": [bridged], "poststop": [FOREIGN, injection.cleanup("/sys/fs/cgroup/unified")]}
