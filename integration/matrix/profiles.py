"""The table of profiles (profiles.txt) as values."""

from __future__ import annotations

import pathlib

HERE = pathlib.Path(__file__).resolve().parent
TABLE = HERE / "profiles.txt"
# What a userland has beyond the usual, by the word after its suite.
PACKAGES: dict[str, tuple[str, ...]] = {"": (), "more": ("systemd", "systemd-sysv", "dbus", "criu")}


class Profile:
    """One boot: what is booted, how it is laid out, which cases run, and what makes it different."""

    def __init__(self, line: str) -> None:
        fields = line.split(None, 6)
        if len(fields) != 7:
            raise ValueError(f"{TABLE.name}: seven columns are needed: {line!r}")
        name, self.kernel, userland, self.layout, self.cases, command_line, self.different = fields
        self.name, self.second, self.alone = name.rstrip("*"), name.endswith("*"), name.endswith("**")
        self.userland, _, more = userland.partition("+")
        self.systemd = self.layout == "systemd"
        self.packages = PACKAGES[more]
        self.command_line = "" if command_line == "-" else command_line.replace(";", " ")

    @property
    def architecture(self) -> str:
        """Debian's name of it; kernels are named `SUITE` or `SUITE/FLAVOUR`."""
        return self.kernel.partition("/")[2].partition("-")[0] or "amd64"

    @property
    def cpus(self) -> str:
        """Two where cpuset is tested in earnest: a second one costs emulation time."""
        return "2" if {"full", "update"} & set(self.cases.split(",")) else "1"

    @property
    def tabled(self) -> bool:
        """Has it a section in docs/compatibility.md? Random objects differ from run to run; leaks are not limits."""
        return self.cases not in ("random-200", "leaks")

    @property
    def beside(self) -> tuple[str, ...]:
        """Packages that guests see beside the checkout: too rarely needed for a userland of their own."""
        return ("python3-pyroute2",) if "delays" in self.cases.split(",") else ()

    @property
    def shape(self) -> tuple[str, str]:
        """What detection must say of it: the layout, and whose tree is mounted."""
        steps = self.layout.split(",")
        layout = "unified" if self.systemd else steps[0].partition("_")[0]
        views = {"nested": "namespace", "subtree": "subtree", "subtree_legacy": "subtree"}
        return layout, views.get(steps[-1], "host")

    def kernel_arguments(self, seed: int = 0) -> str:
        """What the guest reads back from /proc/cmdline; `seed` is that of the random resources objects."""
        words = [f"matrix.name={self.name}", f"matrix.layout={self.layout}", f"matrix.cases={self.cases}"]
        words += [f"matrix.seed={seed}"] if seed else []
        if self.systemd:
            words += [
                "matrix.pid1=systemd",
                "systemd.unit=matrix.service",
                "systemd.show_status=0",
                "systemd.log_level=err",
            ]
        return " ".join([*words, self.command_line]).strip()


def chosen(known: list[Profile], names: list[str], every: bool) -> list[Profile]:
    """The profiles that these names mean; without names those without a mark, or
    `every` one but those that boot by their name alone.
    """
    if names:
        return [profile for profile in known if profile.name in names]
    return [profile for profile in known if not profile.alone and (every or not profile.second)]


def read(path: pathlib.Path = TABLE) -> list[Profile]:
    """All profiles, in the order of the table."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [Profile(line) for line in lines if line.strip() and not line.startswith("#")]
