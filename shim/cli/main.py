"""`cgshimctl`: what this host can enforce, what a configuration becomes, what was changed for a container."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

import click

from shim import __version__
from shim.call.faults import as_shim_error
from shim.cli import output
from shim.cli.group import Family, HelpContext
from shim.cli.output import BROKEN
from shim.errors import ShimError

# Command -> (module, attribute). A module that is not installed is left out; each is imported only when it is used.
COMMANDS = {
    "audit": ("shim.cli.audit", "audit_command"),
    "watch": ("shim.cli.watch", "watch_command"),
    "doctor": ("shim.cli.doctor", "doctor_command"),
    "plan": ("shim.cli.plan", "plan_command"),
    "report": ("shim.cli.report", "report_command"),
    "version": ("shim.cli.version", "version_command"),
    "explain": ("shim.cli.explain", "explain_command"),
    "failures": ("shim.cli.failures", "failures_command"),
    "leaks": ("shim.cli.leaks", "leaks_command"),
    "engine": ("shim.cli.engine", "engine_command"),
    "hooks": ("shim.cli.hooks", "hooks_command"),
    "self-test": ("shim.cli.self_test", "self_test_command"),
    "negotiate": ("shim.cli.negotiate", "negotiate_command"),
    "uninstall": ("shim.cli.uninstall", "uninstall_command"),
    "capture": ("shim.cli.capture", "capture_command"),
    "compile": ("shim.cli.compile", "compile_command"),
    "completion": ("shim.cli.completion", "completion_command"),
}

# Descriptions for the list of commands, so that `--help` imports none of them; tests compare the texts.
SENTENCES = {
    "audit": "Show which containers on this host run without the limits that were asked for.",
    "watch": "Watch what memory limits do to the containers of all engines, as it happens.",
    "doctor": "Show what this host can enforce, and what a container would be refused or lose here.",
    "plan": "Show what cgshim would change in CONFIG (or BUNDLE/config.json), and why.",
    "report": "Show what cgshim changed for a container, and what memory did to it.",
    "version": "Print the version of cgshim and of the Python that runs it.",
    "explain": "Explain the failure of a runtime or a container.",
    "failures": "List the newest failures, at most 100, newest first.",
    "leaks": "Show whose memory grows without end, in a recording that `cgshimctl watch --record FILE` wrote.",
    "engine": "Register cgshim as an engine's OCI runtime, and take it back.",
    "hooks": "Hooks for engines that keep their own runtime: the hooks.d files of podman and CRI-O.",
    "self-test": "Start one container with limits through cgshim, read the limits back from its cgroup, and delete it.",
    "negotiate": "Print the cgroup version that a container engine should use here: 1, 2 or hybrid.",
    "uninstall": "Take cgshim off this host.",
    "capture": "Write what cgshim can see of this host's cgroups to DIRECTORY.",
    "compile": "Compile cgshim for the Python that runs this command.",
    "completion": "Print the script with which a shell completes cgshimctl's commands, options, codes and containers.",
}

HELP = """Look into cgshim, the OCI runtime wrapper that fits cgroup limits to the host.

Only `self-test` starts a container, one of its own. Only `engine`, `hooks`, `uninstall`, `compile`, and `plan`,
`capture`, `leaks` and `watch` with the files that you name, write files; each prints what it changes.

\b
Examples:
  cgshimctl audit                        which limits are missing
  cgshimctl watch                        what the limits do to containers now
  cgshimctl doctor                       what this host can enforce
  cgshimctl plan BUNDLE                  what cgshim would change, and why
  cgshimctl plan BUNDLE --host CAPTURE   the same for another host
  cgshimctl report web                   what was changed for container "web"
  cgshimctl engine install podman        make podman call cgshim
  cgshimctl self-test --engine podman    start a container with limits

\b
Exit status:
  0  fine: nothing is refused, nothing is lost
  1  something is or would be refused, or is lost
  2  wrong usage
  3  bad input, broken settings, or a fault of cgshimctl itself
"""


class Tool(Family):
    """A group whose commands are imported on use, and which never shows a traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands whose modules are installed."""
        return [name for name, (module, _) in COMMANDS.items() if importlib.util.find_spec(module)]

    def sentence(self, ctx: click.Context, name: str) -> str:
        """Return the description in the list of commands."""
        return SENTENCES.get(name) or super().sentence(ctx, name)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of this name, None if there is none."""
        if cmd_name not in self.list_commands(ctx):
            return None
        module, attribute = COMMANDS[cmd_name]
        command = getattr(importlib.import_module(module), attribute)
        if not isinstance(command, click.Command):
            return None
        command.context_class = HelpContext
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an error becomes one message on stderr and exit status 3."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except ShimError as error:
            failure = error
        except Exception as error:  # noqa: BLE001 # the edge: no traceback may reach the user
            failure = as_shim_error(error)
        output.complain(failure.text())
        raise click.exceptions.Exit(BROKEN)


@click.command(cls=Tool, help=HELP, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, "-V", "--version", message="cgshimctl %(version)s")
def main() -> None:
    """The console script's entry point; the commands are in modules of their own."""


if __name__ == "__main__":
    main(prog_name="cgshimctl")
