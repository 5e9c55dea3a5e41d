"""The command ``everfit``: each command is loaded only when it is called, so that help is instant."""

import importlib
import io
import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

import click

from everfit import __version__
from everfit.domain.errors import EverfitError
from everfit.interfaces.cli import exit_codes
from everfit.interfaces.cli.json_version import JSON_VERSION

COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "init": ("project", "Write a small working project."),
    "check": ("check", "Verify config, data, scripts and requirements; spend nothing else."),
    "up": ("up", "Serve projects: triggers start runs, an HTTP API answers."),
    "run": ("run", "Run the loop once: from the data to an answering endpoint."),
    "trigger": ("triggers", "Ask the service for a run, and come back at once."),
    "triggers": ("triggers", "Show what waits for a run and for what, and how each event ended."),
    "pause": ("holding", "Start no runs of the model; what triggers them is kept."),
    "resume": ("holding", "Start runs again, for all that was kept."),
    "cancel": ("holding", "Stop a run at its next safe point."),
    "status": ("look", "Show what serves, what waits and what was interrupted."),
    "runs": ("look", "List runs, newest first."),
    "logs": ("logs", "Show what a run's jobs have printed."),
    "history": ("look", "List every version that ever took traffic: when, why, who."),
    "why": ("look", "Explain a version or a run: rules, numbers, evidence."),
    "approve": ("release", "Approve a version that waits for it, and deploy it."),
    "reject": ("release", "Turn away a version that waits for approval."),
    "promote": ("release", "Take a version's very bytes from one environment to another."),
    "rollback": ("release", "Go back to the last version that served well."),
    "rollout": ("rollout", "Show how a version takes its traffic step by step; pause, promote or abort it."),
    "predict": ("predict", "Send a request to the endpoint."),
    "down": ("project", "Stop the endpoint host."),
    "doctor": ("doctor", "Examine the installation and say what to mend."),
    "alerts": ("alerts", "Show what was told to whom, and test the channels."),
    "tokens": ("tokens", "Say who may call the service over HTTP, and as what."),
    "plan": ("stack", "Say what apply would change on AWS, what it costs and who may do what."),
    "apply": ("stack", "Make or change the stack that runs an environment on AWS by itself."),
    "destroy": ("stack", "Remove an environment's stack and what serves; keep its data."),
    "ci": ("ci", "Write workflows for GitHub Actions or GitLab CI."),
    "backup": ("backup", "Write the whole installation into one file, while it works."),
    "restore": ("backup", "Make an installation again out of a backup."),
    "demo": ("demo", "Tell the whole story on real data, in a minute."),
    "completion": ("project", "Print the completion script of a shell."),
}

CHANGING: Final = ("run", "approve", "promote", "rollback", "rollout", "demo")


class LazyGroup(click.Group):
    """Knows its commands by name and loads the module of the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load the command's module; None when there is no such command."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"everfit.interfaces.cli.{COMMANDS[cmd_name][0]}")
        command = getattr(module, f"{cmd_name}_command")
        return command if isinstance(command, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table of commands without loading any."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, words) for name, (_, words) in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Name the nearest command when there is none of that name."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from everfit.domain.words import nearest  # noqa: PLC0415 - only a wrong command needs it

            near = nearest(args[0], COMMANDS)
            hint = f" Did you mean {near}?" if near else ""
            raise click.UsageError(f"There is no command {args[0]!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="everfit")
def everfit() -> None:
    """Keep a deployed model fresh: retrain it, judge it, deploy it, go back.

    Exit codes: 0 deployed, approved or skipped; 1 failed; 2 usage or configuration; 3 rejected; 4 needs approval.
    """


def main() -> None:
    """Run the command line and exit with the code that tells how it went."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that cannot show a letter gets another one; that is no reason to stop.
            stream.reconfigure(errors="replace")
    sys.exit(_code())


def _code() -> int:
    try:
        code = everfit.main(prog_name="everfit", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Abort:
        return _interrupted()
    except click.ClickException as error:
        _answer(error.format_message())
        error.show()
        return exit_codes.USAGE
    except EverfitError as error:
        _answer(str(error))
        print(error, file=sys.stderr)
        return exit_codes.of_error(error)
    except BrokenPipeError:
        # Whoever read has read enough; what is still in the buffer goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exit_codes.FAILED
    except OSError as error:
        what = error.strerror or str(error)
        where = "" if error.filename is None else f" ({error.filename})"
        words = f"The operating system says: {what}{where}. Mend that, then try again; `everfit doctor` may tell more."
        with suppress(OSError):
            _answer(words)
        print(words, file=sys.stderr)
        return exit_codes.FAILED
    return code if isinstance(code, int) else exit_codes.OK


def _interrupted() -> int:
    words = "Stopped."
    if sys.argv[1:2] and sys.argv[1] in CHANGING:
        words = "Stopped. `everfit status` shows what serves, and whether a run is left to be resumed."
    _answer(words)
    print(words, file=sys.stderr)
    return exit_codes.INTERRUPTED


def _answer(error: str) -> None:
    """Print the one JSON document of a command that failed, for whoever asked for JSON."""
    if "--json" in sys.argv:
        print(json.dumps({"schema": JSON_VERSION, "error": error}), flush=True)
