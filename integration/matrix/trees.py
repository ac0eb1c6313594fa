"""Host trees for the unit tests: what a guest captured becomes tests/hosts/matrix-PROFILE."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

from integration.matrix import profiles

if TYPE_CHECKING:
    import pathlib

    from integration.matrix.judge import Host
    from integration.matrix.profiles import Profile

HOSTS = profiles.HERE.parents[1] / "tests/hosts"
README = """\
# {name}

Captured with `bash integration/matrix/run.sh --capture {profile}`{date}, in a QEMU guest running the stock kernel of
Debian {suite} ({kernel}), {init}.

Layout steps: `{layout}`{command_line}. While it was captured every hierarchy had one cgroup below its root
(`matrix-trial`), with all controllers that the kernel would enable there.

Special: {different}.

`truth.json` holds what was found by trying on the running guest (a child cgroup in every hierarchy, its files written
and read back): detection must say the same of this tree.
"""


def keep(profile: Profile, host: Host, capture: pathlib.Path) -> None:
    """Replace the tree of one profile by a fresh capture; nothing if the guest made none."""
    if not (capture / "manifest.json").exists():
        return
    name = f"matrix-{profile.name}"
    destination = HOSTS / name
    shutil.rmtree(destination, ignore_errors=True)
    shutil.copytree(capture, destination)
    truth = {key: host.truth[key] for key in ("tried", "placements", "files", "psi", "swaps")}
    (destination / "truth.json").write_text(json.dumps(truth, indent=1) + "\n", encoding="utf-8")
    text = README.format(
        name=name,
        profile=profile.name,
        date=f" on {host.guest['date']}",
        suite=profile.kernel,
        kernel=host.guest["kernel"],
        init="with systemd as PID 1" if profile.systemd else "without systemd",
        layout=profile.layout,
        command_line=f", kernel started with `{profile.command_line}`" if profile.command_line else "",
        different=profile.different,
    )
    (destination / "README.md").write_text(text, encoding="utf-8")
