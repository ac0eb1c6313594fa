"""The document: spans, splicing, and the one clear error for everything that is not an OCI configuration."""

from __future__ import annotations

import contextlib
import errno
import os
from typing import TYPE_CHECKING

import pytest

from shim.errors import ShimError
from shim.oci import document
from shim.oci.document import LARGEST, changeable, load, read, resources
from shim.oci.edits import apply_to_text
from shim.oci.spelling import DOCUMENT, spelled
from shim.rules.base import Edit

if TYPE_CHECKING:
    from pathlib import Path

    from shim.rules.runtimes import Family

WHERE = ("linux", "resources")
ODD = '{ "a":1,\n"linux" :{"x":[ ], "resources"\t: {"pids":{"limit":1}} , "seccomp": {"n":18446744073709551615}} }\n'


def test_section_is_the_text_as_it_stands() -> None:
    """Spans cover a value exactly, whatever stands around it."""
    loaded = load(ODD, "c")
    assert loaded.section(*WHERE) == '{"pids":{"limit":1}}'
    assert loaded.section("linux", "seccomp") == '{"n":18446744073709551615}'
    assert loaded.section("annotations") == ""


BROKEN_PROFILES = {
    "key-without-quotes": ('{"syscalls":[{"names":["read"],action:1}]}', "expecting property name"),
    "cut": ('{"syscalls":[{"names":["read"', "expecting ',' delimiter"),
    "bad-escape": ('{"a":"\\x"}', "invalid \\escape"),
    "not-a-number": ('{"syscalls":[{"errnoRet":NaN}]}', "NaN is not a JSON number"),
    "too-deep": ('{"a":' + "[" * 100_000, "the text ends too early"),
}


@pytest.mark.parametrize("profile", BROKEN_PROFILES, ids=str)
def test_seccomp_is_checked_although_it_is_not_kept(profile: str) -> None:
    """A profile that is not JSON is refused like any other malformed part; a good one costs no memory."""
    text, what = BROKEN_PROFILES[profile]
    with pytest.raises(ShimError) as caught:
        load(f'{{"linux":{{"seccomp":{text}', "c")
    assert what in caught.value.what
    kept = load('{"linux":{"seccomp":{"syscalls":[{"names":["read"]}]},"cgroupsPath":"/p"}}', "c")
    assert kept.value == {"linux": {"seccomp": None, "cgroupsPath": "/p"}}


def test_replaced_touches_nothing_else() -> None:
    """Two sections change place and length, every other byte stays; an absent section comes first."""
    loaded = load(ODD, "c")
    text = loaded.replaced({WHERE: "{}", ("annotations",): '{"k":"v"}'})
    assert text == (
        '{"annotations":{"k":"v"}, "a":1,\n"linux" :{"x":[ ], "resources"\t: {} , '
        '"seccomp": {"n":18446744073709551615}} }\n'
    )


def test_replaced_adds_to_an_empty_document() -> None:
    """No comma where there is no neighbour."""
    assert load("{}", "c").replaced({("annotations",): "{}"}) == '{"annotations":{}}'
    both = load("{ }", "c").replaced({("annotations",): "{}", ("hooks",): "[]"})
    assert both == '{"hooks":[],"annotations":{} }'


UNUSABLE = {
    "empty": ("", "it is empty", "c"),
    "blank": (" \n\t", "it is empty", "c"),
    "zeros": ("\0" * 4096, "it is empty", "c"),
    "array": ("[1]", "a JSON object was expected, found an array", "c, line 1, column 1"),
    "string": ('"linux"', "a JSON object was expected, found a string", "c, line 1, column 1"),
    "number": (" 5", "a JSON object was expected, found a number", "c, line 1, column 2"),
    "null": ("null", "a JSON object was expected, found null", "c, line 1, column 1"),
    "text": ("linux: {}", "a value was expected, found 'l'", "c, line 1, column 1"),
    "noise": ("\udc80\udcff\0ELF", "a value was expected, found '\\udc80'", "c, line 1, column 1"),
    "truncated": ('{"linux": {"resources": {', "expecting property name", "c, line 1, column 26"),
    "cut-behind-key": ('{"linux"', "the text ends too early", "c, line 1, column 9"),
    "cut-in-linux": ('{"linux": {"a": 1,\n', "the text ends too early", "c, line 2, column 1"),
    "two-documents": ("{}\n{}", "something follows the configuration: '{'", "c, line 2, column 1"),
    "no-quotes": ("{linux: {}}", "a key in double quotes was expected, found 'l'", "c, line 1, column 2"),
    "comment": ('{ // x\n"linux": {}}', "a key in double quotes was expected, found '/'", "c, line 1, column 3"),
}


@pytest.mark.parametrize(("text", "what", "place"), UNUSABLE.values(), ids=UNUSABLE)
def test_text_that_is_no_configuration(text: str, what: str, place: str) -> None:
    """The error names the file, the place and the fault."""
    with pytest.raises(ShimError) as caught:
        load(text, "c")
    error = caught.value
    assert error.code == "bad-config"
    assert error.what.startswith(f"c is not a usable OCI configuration: {what}")
    assert error.evidence[0].startswith(f"{place}: {what}")
    assert error.remedy == ("correct the file or have the engine write it again; it was left as it is",)


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ('{"linux":{"resources":{}},"linux":{"resources":{"pids":{"limit":1}}}}', "linux.resources"),
        ('{"linux":{"resources":{},"resources":null}}', "linux.resources"),
        ('{"linux":{"resources":{"pids":{},"pids":{"limit":1}}}}', "linux.resources.pids"),
        ('{"linux":{"resources":{"pids":{"limit":1,"limit":1.0}}}}', "linux.resources.pids.limit"),
        ('{"linux":{"resources":{"cpu":{},"memory":{"limit":1,"swap":2,"limit":3}}}}', "linux.resources.memory.limit"),
        ('{"linux":{"resources":{"devices":[{"allow":true,"allow":false}]}}}', "linux.resources.allow"),
    ],
    ids=["linux", "resources", "member", "types", "nested", "in-a-list"],
)
def test_ambiguous_limits_are_refused(text: str, field: str) -> None:
    """A key that stands twice on the way to the limits is an error: runtimes differ on which one counts."""
    with pytest.raises(ShimError) as caught:
        resources(load(text, "c"), WHERE)
    assert caught.value.code == "ambiguous-config"
    assert caught.value.what == f"c: the key {field} is there more than once"
    assert caught.value.remedy == (f"keep one {field} in c",)


SAME_TWICE = {
    "linux": '{"linux":{"resources":{"pids":{"limit":3}}},"linux":{"resources":{"pids":{"limit":3}}}}',
    "resources": '{"linux":{"resources":{"pids":{"limit":3}},"resources":{"pids":{"limit":3}}}}',
    "section": '{"linux":{"resources":{"pids":{"limit":3},"pids":{"limit":3}}}}',
    "member": '{"linux":{"resources":{"pids":{"limit":3,"limit":3}}}}',
}


@pytest.mark.parametrize("text", SAME_TWICE.values(), ids=SAME_TWICE)
def test_a_key_twice_with_one_value(text: str) -> None:
    """Both runtimes read the same, so it is read; to change it would change one of the two, which is refused."""
    loaded = load(text, "c")
    assert resources(loaded, WHERE) == {"pids": {"limit": 3}}
    with pytest.raises(ShimError) as caught:
        changeable(loaded, WHERE)
    assert caught.value.code == "ambiguous-config"


def test_what_runc_does_not_read() -> None:
    """Go's decoder stops behind the first value: text behind it is kept as it stands, for runc alone."""
    text = '{"linux":{"resources":{"pids":{"limit":3}}}}\n} trailing \0'
    loaded = load(text, "c", reader="runc")
    assert (resources(loaded, WHERE), loaded.text) == ({"pids": {"limit": 3}}, text)
    assert loaded.replaced({WHERE: "{}"}) == '{"linux":{"resources":{}}}\n} trailing \0'
    assert resources(load('{"pids":{"limit":3}} x', "c", reader="runc"), ()) == {"pids": {"limit": 3}}
    others: tuple[Family, ...] = ("crun", "other")
    for reader in others:
        with pytest.raises(ShimError, match="something follows"):
            load(text, "c", reader=reader)
    with pytest.raises(ShimError, match="something follows"):
        load(text, "c")


def test_comments_that_crun_reads() -> None:
    """yajl takes comments for white space; every other character stays at its place, also in strings."""
    text = '{// one "\n"a": "http://x/*no*/", /* two\n} */ "linux": {"resources": {"pids": /**/ {"limit": 3}}}} // end'
    loaded = load(text, "c", reader="crun")
    assert resources(loaded, WHERE) == {"pids": {"limit": 3}}
    assert loaded.value["a"] == "http://x/*no*/"
    assert len(loaded.text) == len(text)
    assert loaded.text.count("\n") == text.count("\n")
    others: tuple[Family, ...] = ("runc", "other")
    for reader in others:
        with pytest.raises(ShimError, match="not a usable"):
            load(text, "c", reader=reader)
    with pytest.raises(ShimError, match="not a usable"):
        load(text, "c")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('{"a": /* x }', "line 1, column 7: a comment has no end"),
        ('{"a": 1} // x\n}', "line 2, column 1: something follows the configuration: '}'"),
        ('{"a": / 1}', "line 1, column 7: a comment or a value was expected, found '/'"),
        ('{"a": "/', "line 1, column 7: "),
    ],
    ids=["open", "behind", "single", "string"],
)
def test_comments_that_nobody_reads(text: str, what: str) -> None:
    """A comment without an end, a lone slash and a string without an end are errors with their place."""
    with pytest.raises(ShimError) as caught:
        load(text, "c", reader="crun")
    assert caught.value.code == "bad-config"
    assert caught.value.evidence[0].startswith(f"c, {what}")


def test_depth_that_nobody_here_reads() -> None:
    """A member that no rule looks at may be deeper than Python's scanner goes; the limits beside it are read."""
    deep = "[" * 20_000 + '"]"' + "]" * 20_000
    text = f'{{"x":{deep},"linux":{{"y":{deep},"seccomp":{deep},"resources":{{"pids":{{"limit":3}}}}}}}}'
    loaded = load(text, "c")
    assert resources(loaded, WHERE) == {"pids": {"limit": 3}}
    assert loaded.replaced({WHERE: "{}"}) == text.replace('{"pids":{"limit":3}}', "{}")


@pytest.mark.parametrize("depth", [950, 990, 1000, 9_997, 20_000])
@pytest.mark.parametrize("unit", [("[", "]"), ('{"z":', "}")], ids=["arrays", "objects"])
def test_depth_beside_the_limits(depth: int, unit: tuple[str, str]) -> None:
    """runc takes 10,000 levels in all, so 9,997 in a member of the resources, and crun more (20,000 tried)."""
    deep = unit[0] * depth + '"]}"' + unit[1] * depth
    text = f'{{"linux":{{"resources":{{"pids":{{"limit":3}},"x":{deep},"blockIO":{{"y":[{{"major":8}},{deep}]}}}}}}}}'
    loaded = load(text, "c")
    found = resources(loaded, WHERE)
    assert (found["pids"], found["blockIO"]["y"][0]) == ({"limit": 3}, {"major": 8})
    edit = Edit(op="set", path=("pids", "limit"), value=4)
    changed = loaded.replaced({WHERE: apply_to_text(changeable(loaded, WHERE), [edit])})
    assert changed == text.replace('"limit":3', '"limit":4')
    small = text.replace('"pids"', '"Pids"')
    assert spelled(small, DOCUMENT) == text


@pytest.mark.parametrize("key", ["annotations", "hooks", "mounts", "process", "root"])
def test_depth_beside_what_else_is_read(key: str) -> None:
    """A member of an object that is read here may be deep, too."""
    deep = "[" * 20_000 + "]" * 20_000
    loaded = load(f'{{"{key}":{{"a":"b","x":[{deep}]}}}}', "c")
    assert loaded.value[key]["a"] == "b"


@pytest.mark.parametrize("depth", [*range(940, 1001, 4), 20_000])
def test_a_deep_key_that_stands_twice(depth: int) -> None:
    """Around the depth at which Python gives up, and below it: the outer key is named, and nothing crashes."""
    deep = '{"z":' * depth + "1" + "}" * depth
    loaded = load(f'{{"linux":{{"resources":{{"x":{{"a":{deep},"a":{deep}}},"pids":{{"limit":3}}}}}}}}', "c")
    assert resources(loaded, WHERE)["pids"] == {"limit": 3}
    with pytest.raises(ShimError, match=r"the key linux\.resources\.x\.a is there more than once"):
        changeable(loaded, WHERE)
    inside = '{"z":' * depth + '{"b":1,"b":1}' + "}" * depth
    with contextlib.suppress(ShimError):  # below what is read, nobody looks whether a key stands twice
        changeable(load(f'{{"linux":{{"resources":{inside}}}}}', "c"), WHERE)


@pytest.mark.parametrize("text", ["[" * 5000 + ",", "[" * 5000 + "1 2", '{"a":[' * 5000, "[1,[" * 5000 + "}"])
def test_deep_and_malformed(text: str) -> None:
    """What is too deep for Python is still looked at as JSON in the levels that are read."""
    with pytest.raises(ShimError) as caught:
        load(f'{{"linux":{{"resources":{text}', "c")
    assert caught.value.code == "bad-config"


def test_duplicates_elsewhere_do_not_matter() -> None:
    """Equal keys outside the resources are the runtime's business."""
    text = '{"a":1,"a":2,"process":{"x":1,"x":2},"linux":{"seccomp":{},"seccomp":{},"resources":{"pids":{"limit":3}}}}'
    assert resources(load(text, "c"), WHERE) == {"pids": {"limit": 3}}


@pytest.mark.parametrize(
    "text",
    ["{}", '{"linux":null}', '{"linux":{}}', '{"linux":{"resources":null}}', '{"linux":{"resources":{}}}'],
    ids=["absent", "linux-null", "linux-empty", "null", "empty"],
)
def test_no_resources(text: str) -> None:
    """Absent and null are no resources, as for runc."""
    assert resources(load(text, "c"), WHERE) == {}


@pytest.mark.parametrize(
    ("value", "found"),
    [("[]", "an array"), ('""', "a string"), ("false", "a boolean"), ("0", "a number"), ("1.5", "a number")],
    ids=["array", "string", "boolean", "zero", "float"],
)
def test_resources_that_are_no_object(value: str, found: str) -> None:
    """An empty array is as wrong as a full one."""
    with pytest.raises(ShimError) as caught:
        resources(load(f'{{"linux":{{"resources":{value}}}}}', "c"), WHERE)
    what = f"linux.resources: an object was expected, found {found}"
    assert caught.value.what == f"c is not a usable OCI configuration: {what}"
    assert caught.value.evidence == (f"c: {what}",)


def test_bytes_that_are_no_utf8_survive(tmp_path: Path) -> None:
    """Latin-1 in a string goes back to disk as it came."""
    path = tmp_path / "config.json"
    path.write_bytes(b'{"hostname":"k\xf6ln","linux":{}}')
    assert read(str(path)).encode("utf-8", "surrogateescape") == path.read_bytes()


def _refusal(path: str) -> ShimError:
    with pytest.raises(ShimError) as caught:
        read(path)
    assert caught.value.code == "bad-bundle"
    remedy = "name the directory that holds config.json with --bundle, or write one with `runc spec`"
    assert caught.value.remedy == (remedy,)
    return caught.value


def test_missing_bundle(tmp_path: Path) -> None:
    """A bundle that is not there is named as such, not as a missing file."""
    error = _refusal(f"{tmp_path}/no/config.json")
    assert error.what == f"the bundle {tmp_path}/no does not exist or is not a directory"
    assert error.evidence == (f"open {tmp_path}/no/config.json: ENOENT",)


def test_bundle_that_is_a_file(tmp_path: Path) -> None:
    """A file in the bundle's place is named as such."""
    (tmp_path / "b").write_text("")
    error = _refusal(f"{tmp_path}/b/config.json")
    assert error.what == f"the bundle {tmp_path}/b does not exist or is not a directory"
    assert error.evidence == (f"open {tmp_path}/b/config.json: ENOTDIR",)


def test_bundle_without_configuration(tmp_path: Path) -> None:
    """A bundle that lacks config.json."""
    assert _refusal(f"{tmp_path}/config.json").what == f"the bundle {tmp_path} has no config.json"


def test_directory_in_its_place(tmp_path: Path) -> None:
    """A directory named config.json."""
    (tmp_path / "config.json").mkdir()
    error = _refusal(f"{tmp_path}/config.json")
    assert error.what == f"{tmp_path}/config.json is a directory, not a file"
    assert error.evidence == (f"open {tmp_path}/config.json: EISDIR",)


def test_link_to_itself(tmp_path: Path) -> None:
    """Any other failure is called by its name, which engines do not reinterpret."""
    (tmp_path / "config.json").symlink_to("config.json")
    assert _refusal(f"{tmp_path}/config.json").what == f"{tmp_path}/config.json cannot be read: ELOOP"


def test_file_that_is_too_large(tmp_path: Path) -> None:
    """One byte above 256 MiB is refused without being read."""
    path = tmp_path / "config.json"
    path.touch()
    os.truncate(path, LARGEST + 1)
    with pytest.raises(ShimError) as caught:
        read(str(path))
    what = "the file has 268435457 bytes, more than the 268435456 that are read"
    assert caught.value.what == f"{path} is not a usable OCI configuration: {what}"


def test_another_file_that_is_not_there(tmp_path: Path) -> None:
    """An update's resources are not a bundle, and nobody is told to name one."""
    path = tmp_path / "resources.json"
    with pytest.raises(ShimError) as caught:
        read(str(path))
    assert (caught.value.code, caught.value.what) == ("unreadable-file", f"{path} cannot be read: ENOENT")
    assert caught.value.remedy == ("name a file that is there and that you may read",)


def test_standard_input_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Too much has words of its own; any other error is the host's."""

    def drained(handle: int, most: int) -> bytes:
        assert handle == 0
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(document, "drained", drained)
    with pytest.raises(OSError, match="Input/output error"):
        document.standard_input("standard input")
