"""Architectures: nothing in the code names one, and a plan follows the sizes of pages that the host itself shows."""

from __future__ import annotations

import io
import json
import tokenize
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from shim.cli.main import main
from tests.syntax import ROOT

HOSTS = Path(__file__).resolve().parents[1] / "hosts"
# Host -> the sizes that its kernel has (hugetlbpage.rst and each architecture's own), and one that it has not.
SIZES = {
    "matrix-unified-arm64-16k": (("2MB", "32MB", "1GB"), "64KB"),
    "made-riscv64": (("64KB", "2MB", "1GB"), "32MB"),
    "made-loongarch64": (("32MB",), "2MB"),
}
# As uname(2), Debian and Go call them.
NAMES = (
    *("x86_64", "amd64", "i386", "i686", "aarch64", "arm64", "armv7l", "armhf", "riscv64", "loongarch64", "loong64"),
    *("ppc64le", "ppc64el", "s390x", "mips64el"),
)


def _plan(host: str, tmp_path: Path, *sizes: str) -> tuple[int, dict[str, Any]]:
    pages = [{"pageSize": size, "limit": 1 << 31} for size in sizes]
    resources = {"memory": {"limit": 67108864 + 12388, "swappiness": 10}, "hugepageLimits": pages}
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"ociVersion": "1.0.2", "linux": {"resources": resources}}))
    words = ["plan", str(config), "--host", str(HOSTS / host), "--runtime", "/opt/example/runc", "--json"]
    result = CliRunner().invoke(main, words)
    return result.exit_code, json.loads(result.output)


@pytest.mark.parametrize("host", SIZES)
def test_plan(host: str, tmp_path: Path) -> None:
    """Every size that the host has is expected in its own file; the rest of the plan is the same on all of them."""
    code, plan = _plan(host, tmp_path, *SIZES[host][0])
    assert (code, plan["refused"]) == (0, False)
    found = {one["file"]: one["value"] for one in plan["expectations"]}
    assert found == {
        "memory.max": str(67108864 + 12388),  # rounded when it is read back, by the page of the host that runs
        **{f"hugetlb.{size}.max": str(1 << 31) for size in SIZES[host][0]},
    }
    assert [note["field"] for note in plan["notes"] if note["effect"] == "dropped"] == ["memory.swappiness"]


@pytest.mark.parametrize("host", SIZES)
def test_a_size_that_the_host_has_not(host: str, tmp_path: Path) -> None:
    """It is refused, and the refusal names the sizes that there are."""
    absent = SIZES[host][1]
    config = tmp_path / "config.json"
    pages = [{"pageSize": absent, "limit": 1 << 31}]
    config.write_text(json.dumps({"ociVersion": "1.0.2", "linux": {"resources": {"hugepageLimits": pages}}}))
    words = ["plan", str(config), "--host", str(HOSTS / host), "--runtime", "/opt/example/runc"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 3
    field = "linux.resources.hugepageLimits[0].pageSize"
    assert f"{field}: this kernel has no hugetlb.{absent}.max [bad-resources]\n" in result.output
    there = ", ".join(SIZES[host][0])
    assert result.output.endswith(f"  remedy: {field}: use a size that this host has: {there}\n")


@pytest.mark.parametrize("host", SIZES)
def test_doctor(host: str) -> None:
    """The captured tree is read whole: the layout and the controllers of a cgroup2 host."""
    result = CliRunner().invoke(main, ["doctor", "--root-tree", str(HOSTS / host), "--json"])
    assert result.exit_code in (0, 1), result.output
    said = json.loads(result.output)["host"]
    assert (said["layout"], set(said["cgroup2"]["controllers"]) >= {"memory", "cpu", "hugetlb"}) == ("unified", True)


def _code_words(path: Path) -> set[str]:
    """The words of a Python file outside comments, or of a shell script."""
    text = path.read_text()
    if path.suffix != ".py":
        return {word.strip("\"'()|;") for line in text.splitlines() for word in line.partition("#")[0].split()}
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return {part for token in tokens if token.type != tokenize.COMMENT for part in token.string.strip("\"'").split()}


def test_no_code_names_an_architecture() -> None:
    """A list of machines would leave one out; only the table of failures may quote one (seccomp's own names)."""
    files = [*(ROOT / "shim").rglob("*.py"), *(ROOT / "shim").rglob("*.sh"), *(ROOT / "hooks").glob("cgshim-hook*")]
    files = [path for path in files if "catalogue" not in path.parts]
    assert len(files) > 100
    found = {str(path.relative_to(ROOT)): _code_words(path) & set(NAMES) for path in files}
    assert {path: names for path, names in found.items() if names} == {}
