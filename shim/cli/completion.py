"""`cgshimctl completion`, and the completion of values: codes, containers."""

from __future__ import annotations

from typing import Any

import click
from click.shell_completion import get_completion_class

from shim.errors import ShimError

VARIABLE = "_CGSHIMCTL_COMPLETE"
HELP = """Print the script with which a shell completes cgshimctl's commands, options, codes and containers.

\b
  bash  cgshimctl completion bash > /etc/bash_completion.d/cgshimctl
  zsh   cgshimctl completion zsh > "${fpath[1]}/_cgshimctl"
  fish  cgshimctl completion fish > ~/.config/fish/completions/cgshimctl.fish

The packages for Debian and RHEL install all three.
"""


@click.command("completion", help=HELP)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion_command(shell: str) -> None:
    """See HELP."""
    from shim.cli.main import main

    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"this version of click has no completion for {shell}")
    click.echo(found(main, {}, "cgshimctl", VARIABLE).source(), nl=False)


def containers(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
    """Return the names of this host's containers with this beginning, and the short ids of those without a name."""
    del ctx, param
    from shim.containers.inventory import inventory
    from shim.containers.tree import HostTree

    try:
        found = [one.name or one.id[:12] for one in inventory(HostTree("/")).containers]
    except (OSError, ShimError):
        return []
    return sorted({name for name in found if name.startswith(incomplete)})


def codes(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
    """Return the codes of the catalogue with this beginning, then the containers."""
    from shim.diagnose.catalogue import ENTRIES

    known = [one.code for one in ENTRIES if one.code.startswith(incomplete)]
    return [*known, *containers(ctx, param, incomplete)]
