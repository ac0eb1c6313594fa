"""JSON as text: what is accepted, where errors are, and what is written (RFC 8259)."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from shim.oci.text import Malformed, dump, guarded, items, members, parse, scanner, skip
from tests.syntax import ROOT

GOOD = {
    "object": '{"a":1}',
    "white-space": ' \t\r\n{ "a" : [ 1 , 2 ] } \n',
    "escapes": r'{"\u0061\n\"\\\/":"\ud83d\ude00"}',
    "unicode": '{"schlüssel":"日本語"}',
    "uint64": '{"seccomp":18446744073709551615}',
    "numbers": "[0,-0,1.5,-2e10,1E-3]",
    "words": "[true,false,null]",
    "duplicate": '{"a":1,"a":2}',
    "empty-members": '{"":{},"b":[]}',
}


@pytest.mark.parametrize("text", GOOD.values(), ids=GOOD)
def test_parse_agrees_with_the_json_module(text: str) -> None:
    """Every valid text gives what Python's own parser gives."""
    assert parse(text) == json.loads(text)


BAD = {
    "empty": ("", "the text ends too early", "line 1, column 1"),
    "blank": (" \n ", "the text ends too early", "line 2, column 2"),
    "word": ("nope", "a value was expected, found 'n'", "line 1, column 1"),
    "nan": ('{"a": NaN}', "NaN is not a JSON number", "line 1, column 1"),
    "infinity": ("-Infinity", "-Infinity is not a JSON number", "line 1, column 1"),
    "truncated": ('{"a": [1, 2', "expecting ',' delimiter", "line 1, column 12"),
    "open-string": ('"abc', "unterminated string starting at", "line 1, column 1"),
    "control-character": ('"a\nb"', "invalid control character at", "line 1, column 3"),
    "bad-escape": (r'"\x"', "invalid \\escape", "line 1, column 2"),
    "twice": ("{} {}", "something follows the value: '{'", "line 1, column 4"),
    "single-quotes": ("{'a': 1}", "expecting property name enclosed in double quotes", "line 1, column 2"),
    "byte-order-mark": ("\ufeff{}", "a value was expected, found '\\ufeff'", "line 1, column 1"),
}


@pytest.mark.parametrize(("text", "what", "place"), BAD.values(), ids=BAD)
def test_parse_says_what_is_wrong_and_where(text: str, what: str, place: str) -> None:
    """Every malformed text is refused with its fault, line and column."""
    with pytest.raises(Malformed) as caught:
        parse(text)
    assert (caught.value.what, caught.value.place(text)) == (what, place)


def test_deep_nesting_is_an_error_not_a_crash() -> None:
    """A hundred thousand brackets are refused by name."""
    with pytest.raises(Malformed, match="nested too deeply"):
        parse("[" * 100000)


def test_number_with_more_digits_than_python_takes() -> None:
    """An integer of 5000 digits, which Python's int() refuses, does not stop a document that runtimes would read."""
    assert parse('{"other": ' + "9" * 5000 + ', "a": 1}')["a"] == 1


def test_members_have_exact_spans() -> None:
    """Key, value start and end of each member, white space and escapes included."""
    text = ' { "a" : 1 ,\n"\\u0062":[2,3] } tail'
    found, end = members(text, skip(text, 0), scanner())
    assert [(m.key, text[m.start : m.end], text[m.value_start : m.end], m.value) for m in found] == [
        ("a", '"a" : 1', "1", 1),
        ("b", '"\\u0062":[2,3]', "[2,3]", [2, 3]),
    ]
    assert text[end:] == " tail"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("{,}", "a key in double quotes was expected, found ','"),
        ('{"a" 1}', "':' was expected, found '1'"),
        ('{"a":1 "b":2}', "',' or '}' was expected, found '\"'"),
        ('{"a":1,}', "a key in double quotes was expected, found '}'"),
        ('{"a":1', "the text ends too early"),
        ('{"a', "unterminated string starting at"),
    ],
    ids=["comma", "no-colon", "no-comma", "trailing-comma", "cut", "cut-key"],
)
def test_members_refuse_what_is_no_object(text: str, what: str) -> None:
    """The walk over members finds the same faults as the scanner would."""
    with pytest.raises(Malformed) as caught:
        members(text, 0, scanner())
    assert caught.value.what == what


def test_items_of_an_array() -> None:
    """Each item of an array with its own text."""
    text = '[ 1 ,{"a": [2]}, "x"\n] '
    found, end = items(text, 0, scanner())
    assert [(value, text[first:last]) for value, first, last in found] == [
        (1, "1"),
        ({"a": [2]}, '{"a": [2]}'),
        ("x", '"x"'),
    ]
    assert end == len(text) - 1
    assert items(" [ ]", 1, scanner()) == ([], 4)
    with pytest.raises(Malformed, match="',' or ']' was expected, found '2'"):
        items("[1 2]", 0, scanner())


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (18446744073709551615, "18446744073709551615"),
        (True, "true"),
        (None, "null"),
        ({"a": [1, "é\n"]}, '{"a":[1,"\\u00e9\\n"]}'),
        ((1, 2), "[1,2]"),
        ({}, "{}"),
    ],
    ids=["uint64", "true", "null", "nested", "tuple", "empty"],
)
def test_dump_is_one_line_of_ascii(value: object, text: str) -> None:
    """What is written is compact ASCII with every digit."""
    assert dump(value) == text


@pytest.mark.parametrize("text", ['{"a\tb": 1}', '{"a": "b\tc"}'], ids=["key", "value"])
def test_control_characters_are_no_part_of_a_string(text: str) -> None:
    """RFC 8259, section 7: a tab in a key or a value has to be escaped, as both runtimes want it."""
    with pytest.raises(Malformed, match="invalid control character"):
        members(text, 0, scanner())


def test_the_scanners_exception_class_is_loaded_when_it_is_missed() -> None:
    """`_json` takes it from json.decoder, which an intercepted call does not load, and says SystemError without it."""
    program = """
import sys
sys.path.insert(0, sys.argv[1])
from shim.oci.text import Malformed, parse
assert "json.decoder" not in sys.modules
try:
    parse('{"a": 1,}')
except Malformed as error:
    print(error.what)
"""
    line = [sys.executable, "-IS", "-c", program, str(ROOT)]
    said = subprocess.run(line, capture_output=True, text=True, check=True).stdout
    assert said.startswith(("expecting property name", "illegal trailing comma"))  # the latter since Python 3.13


def test_a_scanner_that_misses_it_is_asked_again() -> None:
    """The same question, once the class is there."""
    answers: list[object] = [SystemError("no class"), ("value", 3)]

    def scan(text: str, offset: int) -> object:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert guarded(scan)("x", 0) == ("value", 3)
