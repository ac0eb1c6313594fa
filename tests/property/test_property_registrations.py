"""Sequences of `cgshimctl engine install`: whatever they were, one `remove` brings back every byte and directory."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine_machine import Machine

pytestmark = pytest.mark.property

# What is there before: engine -> path and text; an empty text is an empty directory.
BEFORE: dict[str, list[dict[str, str]]] = {
    "podman": [
        {},
        {"/etc/containers/containers.conf.d/": ""},
        {"/etc/containers/containers.conf": '[engine]\nruntime = "crun"\n'},
    ],
    "docker": [
        {},
        {"/etc/docker/": ""},
        {"/etc/docker/daemon.json": ""},
        {"/etc/docker/daemon.json": "{}\n"},
        {"/etc/docker/daemon.json": '{"debug": true}\n'},
        {"/etc/docker/daemon.json": '{\n\t"runtimes": {},\n\t"default-runtime": "runc"\n}'},
    ],
    "containerd": [
        {},
        {"/etc/containerd/": ""},
        {"/etc/containerd/config.toml": ""},
        {"/etc/containerd/config.toml": "version = 2\n"},
        {
            "/etc/containerd/config.toml": 'version = 2\n[plugins."io.containerd.grpc.v1.cri".containerd]\n'
            '  default_runtime_name = "runc"\n\n'
            '[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]\n'
            '  runtime_type = "io.containerd.runc.v2"\n'
        },
    ],
    "crio": [
        {},
        {"/etc/crio/crio.conf.d/": ""},
        {"/etc/crio/crio.conf": "# mine\n"},
        {"/etc/crio/crio.conf.d/10-crio.conf": '[crio.runtime]\ndefault_runtime = "crun"\n'},
    ],
    "buildkit": [{}, {"/etc/systemd/system/docker.service.d/": ""}],
}
OPTIONS = st.tuples(
    st.sampled_from([(), ("--as-default",)]),
    st.sampled_from([(), (), ("--name", "fitted"), ("--name", "runc-fitted")]),
    st.sampled_from([(), (), ("--runtime", "/usr/bin/crun"), ("--runtime", "/opt/runc/runc")]),
)


def _snapshot(root: Path) -> dict[str, str]:
    """Every file, link and directory of the tree."""
    found: dict[str, str] = {}
    for place, inner, names in os.walk(root):
        found.update({os.path.join(place, name) + "/": "" for name in inner})
        for name in names:
            path = Path(place) / name
            found[str(path)] = os.readlink(path) if path.is_symlink() else path.read_text()
    return found


@pytest.mark.parametrize(
    ("engine", "before"), [(engine, number) for engine, texts in BEFORE.items() for number in range(len(texts))]
)
@settings(deadline=None, max_examples=25)
@given(sequence=st.lists(OPTIONS, min_size=1, max_size=4))
def test_one_remove_takes_back_any_sequence(
    engine: str, before: int, sequence: list[tuple[tuple[str, ...], ...]]
) -> None:
    """Installing under other names, as the default, with other runtimes; a refused step changes nothing."""
    with tempfile.TemporaryDirectory() as place:
        machine = Machine(Path(place), ("/usr/sbin/runc", "/usr/bin/crun", "/opt/runc/runc"))
        for path, text in BEFORE[engine][before].items():
            if path.endswith("/"):
                (machine.root / path.strip("/")).mkdir(parents=True)
            else:
                machine.write(path, text)
        first = _snapshot(machine.root)
        for options in sequence:
            now = _snapshot(machine.root)
            result = machine.engine("install", engine, *(word for words in options for word in words))
            assert result.exit_code in (0, 3), result.output
            assert result.exit_code == 0 or _snapshot(machine.root) == now
        machine.remove(engine)
        assert _snapshot(machine.root) == first
