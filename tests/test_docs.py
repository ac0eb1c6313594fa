"""What README and CHANGELOG say is what is there."""

from __future__ import annotations

import json
import re
import shutil
from importlib import import_module
from importlib.util import find_spec
from xml.etree import ElementTree as ET

from integration.benchmarks import picture
from integration.capabilities import require
from shim import __version__
from tests.syntax import ROOT, modules

README = (ROOT / "README.md").read_text()
PAGES = {path.name: path.read_text() for path in sorted((ROOT / "docs").glob("*.md"))}
SETTINGS = PAGES["settings.md"]
CHANGELOG = (ROOT / "CHANGELOG.md").read_text()
LAUNCHER = ROOT / "shim" / "launcher.sh"


def _blocks(language: str, *pages: str) -> list[str]:
    text = "\n".join(pages or (README, *PAGES.values()))
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def _program_text() -> str:
    return "\n".join([LAUNCHER.read_text(), *(module.text for module in modules("shim", "hooks"))])


def test_readme_names_scripts_that_exist() -> None:
    """Every script of this repository that README tells to run is there."""
    scripts = re.findall(r"^(?:sh|bash) (\S+)", "\n".join(_blocks("sh", README)), flags=re.MULTILINE)
    assert set(scripts) >= {"examples/quickstart.sh", "tests/run.sh"}
    assert [name for name in scripts if not (ROOT / name).is_file()] == []


def _links(text: str) -> list[str]:
    return [target for target in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in target]


def test_links_lead_somewhere() -> None:
    """Every relative link in README and docs/ is a file here, and its part behind # a heading of that page."""
    texts = {"README.md": README, **{f"docs/{name}": text for name, text in PAGES.items()}}
    for name, text in texts.items():
        for target in _links(text):
            file, _, anchor = target.partition("#")
            path = (ROOT / name).parent / file if file else ROOT / name
            assert path.exists(), (name, target)
            if anchor:
                headings = re.findall(r"^#+ (.*)$", path.read_text(), flags=re.MULTILINE)
                slugs = [re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings]
                assert anchor in slugs, (name, target)


def test_index_has_every_page() -> None:
    """docs/README.md leads to each page beside it, and README to the index."""
    listed = set(_links(PAGES["README.md"]))
    assert {name for name in PAGES if name != "README.md"} - listed == set()
    assert "docs/README.md" in _links(README)


def _drawn(picture: str) -> str:
    """The text of an SVG, without spaces and times."""
    tree = ET.fromstring((ROOT / "docs" / picture).read_text())
    lines = "".join("".join(text.itertext()) for text in tree.iter("{http://www.w3.org/2000/svg}text"))
    return re.sub(r"\s|\u00a0", "", re.sub(r"time=\"\S+", "", lines))


def test_recording_is_the_text_beside_it() -> None:
    """The picture of the quickstart shows the command, and then what README shows as text."""
    block = README.partition("<!-- quickstart:begin -->")[2].partition("```text\n")[2].partition("```")[0]
    plain = re.sub(r"\s", "", re.sub(r"time=\"\S+", "", block))
    assert plain.startswith("Thishosthascgroupv1hierarchies")
    assert _drawn("quickstart.svg") == "$bashexamples/quickstart.sh" + plain


def test_performance_picture_is_drawn_from_the_table() -> None:
    """`python3 -m integration.benchmarks.picture > docs/performance.svg` was run after the last change of the page."""
    table = picture.table(PAGES["performance.md"])
    assert set(table) >= {"--version", "create, nothing to edit", "whole life: six calls"}
    assert all(set(fronts) >= {"sh", "python", "cgshim"} for fronts in table.values())
    assert (ROOT / "docs" / "performance.svg").read_text() == picture.drawn(table, picture.TITLE)
    assert "![" in PAGES["performance.md"]
    assert "(performance.svg)" in PAGES["performance.md"]


def test_performance_picture_leaves_out_other_versions() -> None:
    """A row with an asterisk, and the cases that no caller sees, are in the table alone."""
    page = (
        "| case | bare | sh | cgshim | peak |\n| --- | --- | --- | --- | --- |\n"
        "| `state` (12) | 6.0 | +1.3 | **+1.1** | 8 |\n"
        "| `run` \\* (3) | 6.0 | +1.3 | **+9.1** | 8 |\n"
        "| alone, with edits (3) | 6.0 | -0.3 | **+9.1** | 8 |\n\nText | more |\n"
    )
    assert picture.table(page) == {"state": {"sh": 1.3, "cgshim": 1.1}}


def test_readme_json_is_json() -> None:
    """Every JSON snippet of README and of the pages about engines and settings can be pasted."""
    blocks = _blocks("json", README, *(PAGES[name] for name in ("engines.md", "settings.md", "hooks.md")))
    assert blocks
    for block in blocks:
        json.loads(block)


def test_readme_toml_is_toml() -> None:
    """Every TOML snippet of README and docs/ can be pasted."""
    require("tomllib", "" if find_spec("tomllib") else "this Python is older than 3.11")
    tomllib = import_module("tomllib")
    blocks = _blocks("toml")
    assert blocks
    for block in blocks:
        tomllib.loads(block)


def test_environment_variables_are_documented() -> None:
    """The variables that the program reads and those in the table of docs/settings.md are the same."""
    table = set(re.findall(r"^\| `(CGSHIM_[A-Z]+)`", SETTINGS, flags=re.MULTILINE))
    assert set(re.findall(r"CGSHIM_[A-Z]+", _program_text())) == table


def test_settings_are_documented() -> None:
    """The table of docs/settings.md has the keys that the settings file may have, each with its values."""
    from shim.planning import settings

    table = dict(re.findall(r"^\| `([a-z_]+)` \| (.*?) \|", SETTINGS, flags=re.MULTILINE))
    assert set(table) == set(settings.KEYS)


def test_annotations_are_documented() -> None:
    """Every annotation that the program reads or writes is explained in README or docs/."""
    documents = README + "".join(path.read_text() for path in sorted((ROOT / "docs").rglob("*.md")))
    used = set(re.findall(r"io\.cgshim\.[a-z]+", _program_text()))
    assert {name for name in used if name not in documents} == set()


def test_readme_shows_before_and_after() -> None:
    """README shows what the quickstart prints, and the headings are those that the script prints."""
    shown = README.partition("<!-- quickstart:begin -->")[2].partition("<!-- quickstart:end -->")[0]
    headings = re.findall(r"^=== (\w+)", shown, flags=re.MULTILINE)
    script = (ROOT / "examples" / "quickstart.sh").read_text()
    assert headings == re.findall(r'^heading "(\w+)', script, flags=re.MULTILINE)
    assert headings[:2] == ["Before", "After"]


def test_changelog_has_this_version() -> None:
    """The version has an entry with a date, below "Unreleased"."""
    headings = re.findall(r"^## \[([^\]]+)\](.*)$", CHANGELOG, flags=re.MULTILINE)
    assert headings[0] == ("Unreleased", "")
    assert __version__ in [version for version, _ in headings]
    assert all(re.fullmatch(r" - \d{4}-\d\d-\d\d", date) for _, date in headings[1:])


def test_version_is_written_once() -> None:
    """pyproject takes the version from the package; it has no second one."""
    text = (ROOT / "pyproject.toml").read_text()
    assert 'dynamic = ["version"]' in text
    assert not re.search(r"^version\s*=", text, flags=re.MULTILINE)


def test_pipx_runs_the_tool_for_people() -> None:
    """`pipx run cgshim audit`, which README shows, is cgshimctl: the command `cgshim` itself is a runtime."""
    text = (ROOT / "pyproject.toml").read_text()
    run = re.search(r'^\[project\.entry-points\."pipx\.run"\]\ncgshim = "(.*)"$', text, flags=re.MULTILINE)
    assert run
    assert run.group(1) == "cgshim:main"
    assert '"packaging/cgshimctl" = "cgshim.py"' in text
    assert "pipx run --spec . cgshim audit" in README


def test_shell_scripts_can_run() -> None:
    """The first line of every script names an interpreter that Debian always has."""
    assert shutil.which("sh")
    lines = {str(p.relative_to(ROOT)): p.read_text().split("\n", 1)[0] for p in ROOT.glob("*/*.sh")}
    assert {name: line for name, line in lines.items() if line not in ("#!/bin/sh", "#!/usr/bin/env bash")} == {}


def test_architecture_names_every_room() -> None:
    """docs/architecture.md, its drawings, the linter's contract and shim/ have the same rooms in one order."""
    page = (ROOT / "docs" / "architecture.md").read_text()
    described = re.findall(r"^\| `(\w+)/` \|", page, re.MULTILINE)
    folders = {path.name for path in (ROOT / "shim").iterdir() if (path / "__init__.py").exists()}
    assert sorted(described) == sorted(folders)
    contract = re.search(r"^layers = \[(.*?)^\]", (ROOT / "pyproject.toml").read_text(), re.MULTILINE | re.DOTALL)
    assert contract
    assert [room for room in re.findall(r"shim\.(\w+)", contract[1]) if room in folders] == described
    drawn = re.findall(r">([^<]+)</text>", (ROOT / "docs" / "architecture-rooms.svg").read_text())
    assert [word for word in drawn if word in folders] == described
    (chart,) = re.findall(r"^```mermaid\nflowchart TB\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert [word for word in dict.fromkeys(re.findall(r"\w+", chart)) if word in folders] == described
