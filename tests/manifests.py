"""Renders examples/kubernetes as kustomize and Helm would: the parts of them that are used there, and nothing else.

Whatever it does not know is an error, so that an example cannot use more than is tested.
"""

from __future__ import annotations

import copy
import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

from tests.syntax import ROOT

if TYPE_CHECKING:
    from pathlib import Path

KUBERNETES = ROOT / "examples" / "kubernetes"
OVERLAYS = tuple(sorted(path.name for path in (KUBERNETES / "overlays").iterdir()))
Document = dict[str, Any]


def documents(text: str) -> list[Document]:
    """The documents of a YAML text."""
    import yaml  # type: ignore[import-untyped,unused-ignore]

    return [document for document in yaml.safe_load_all(text) if document]


def kustomized(folder: Path, extra: tuple[str, ...] = ()) -> list[Document]:
    """What `kustomize build FOLDER` gives, with further components, except the hash in the ConfigMap's name."""
    found: list[Document] = []
    settings: Document = {}
    _collect(folder, found, settings)
    for name in extra:
        _collect(KUBERNETES / "components" / name, found, settings)
    metadata = {"name": "cgshim-node", "namespace": "cgshim"}
    return [*found, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": settings}]


def _collect(folder: Path, found: list[Document], settings: Document) -> None:
    (file,) = documents((folder / "kustomization.yaml").read_text())
    assert set(file) <= {"apiVersion", "kind", "resources", "configMapGenerator"}, file
    for name in file.get("resources", ()):
        path = folder / name
        if path.is_dir():
            _collect(path, found, settings)
        else:
            found.extend(documents(path.read_text()))
    for generator in file.get("configMapGenerator", ()):
        assert set(generator) <= {"name", "namespace", "behavior", "literals"}, generator
        assert (generator.get("behavior") == "merge") == bool(settings), "the base creates it, all others merge"
        settings.update(literal.split("=", 1) for literal in generator["literals"])


def charted(values: Document) -> list[Document]:
    """What `helm template --namespace cgshim` gives with `values` over the chart's own."""
    chart = KUBERNETES / "chart"
    (given,) = documents((chart / "values.yaml").read_text())
    (about,) = documents((chart / "Chart.yaml").read_text())
    context = {
        "Values": _merged(given, values),
        "Chart": {"AppVersion": about["appVersion"]},
        "Release": {"Namespace": "cgshim"},
    }
    found = []
    for path in sorted((chart / "templates").iterdir()):
        found += documents(_rendered(path.read_text(), context))
    return found


def _merged(one: Document, other: Document) -> Document:
    """Maps key by key, everything else replaced, as Helm does."""
    found = copy.deepcopy(one)
    for key, value in other.items():
        both = isinstance(value, dict) and isinstance(found.get(key), dict)
        found[key] = _merged(found[key], value) if both else value
    return found


LOOP = re.compile(r"\s*{{- range \$key, \$value := (\S+) }}(.*?)\s*{{- end }}", re.DOTALL)
ACTION = re.compile(r"(\s*){{(-?) (.*?) }}")


def _rendered(text: str, context: Document) -> str:
    def loop(match: re.Match[str]) -> str:
        table = _value(match[1], context)
        return "".join(_actions(match[2], {**context, "$key": key, "$value": table[key]}) for key in sorted(table))

    return _actions(LOOP.sub(loop, text), context)


def _actions(text: str, context: Document) -> str:
    return ACTION.sub(lambda m: ("" if m[2] else m[1]) + str(_value(m[3], context)), text)


def _value(words: str, context: Document) -> Any:
    """A pipeline: a path or `toYaml PATH`, then functions."""
    first, *functions = [part.strip() for part in words.split("|")]
    yaml, _, path = first.rpartition(" ")
    assert yaml in ("", "toYaml"), words
    value = _looked_up(path, context)
    value = _yaml(value) if yaml else value
    for function in functions:
        name, _, argument = function.partition(" ")
        if name == "quote":
            value = json.dumps(str(value))
        elif name == "nindent":
            value = "\n" + "\n".join(" " * int(argument) + line for line in value.splitlines())
        elif name == "sha256sum":
            value = hashlib.sha256(value.encode()).hexdigest()
        elif name == "default":
            value = value or _looked_up(argument, context)
        else:
            raise AssertionError(f"unknown function: {words}")
    return value


def _looked_up(path: str, context: Document) -> Any:
    if path.startswith("$"):
        return context[path]
    found: Any = context
    for key in path.lstrip(".").split("."):
        found = found[key]
    return found


def _yaml(value: Any) -> str:
    import yaml

    return str(yaml.safe_dump(value)).rstrip()
