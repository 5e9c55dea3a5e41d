"""``tokens``: who may call the service over HTTP, and as what."""

from datetime import timedelta
from pathlib import Path

import click

from everfit.application.inventory import token_row
from everfit.bootstrap import open_tokens
from everfit.domain.access import Role, Token
from everfit.domain.amounts import moment
from everfit.domain.errors import RuleError
from everfit.domain.units import duration
from everfit.interfaces.cli.options import json_option, print_json, print_list, project_option
from everfit.interfaces.cli.render import console, escaped, table
from everfit.settings import read_settings


@click.group("tokens")
def tokens_command() -> None:
    """Make, list and revoke the tokens that callers of the service show."""


@tokens_command.command("add")
@click.argument("name")
@click.option(
    "--role",
    required=True,
    type=click.Choice([role.value for role in Role]),
    help="read looks; trigger asks for runs as well; approve decides and rolls back as well.",
)
@click.option("--expires", default=None, metavar="TIME", help="How long it holds, such as 90d; default: until revoked.")
@project_option
@json_option
def add(name: str, role: str, expires: str | None, folder: Path, *, as_json: bool) -> None:
    """Make a token for the person or program NAME and print it; it is shown this once."""
    token, text = open_tokens(folder, read_settings()).add(name, Role(role), _lifetime(expires))
    if as_json:
        print_json({**token_row(token), "token": text})
        return
    print(text)
    until = "until it is revoked" if token.expires is None else f"until {moment(token.expires.isoformat())} UTC"
    click.echo(f"It is kept nowhere and shown this once. {name} has the role {role} with it, {until}.", err=True)


@tokens_command.command("list")
@project_option
@json_option
def show(folder: Path, *, as_json: bool) -> None:
    """List every token, without its secret."""
    found = open_tokens(folder, read_settings()).tokens()
    if as_json:
        print_list([token_row(token) for token in found])
        return
    shown = table("name", "role", "id", "made (UTC)", "holds until", "last used")
    for token in found:
        shown.add_row(
            escaped(token.name),
            token.role.value,
            token.id,
            moment(token.created.isoformat()),
            _end(token),
            _used(token),
        )
    console().print(shown if found else "No token yet. Make one: everfit tokens add NAME --role read")


@tokens_command.command("revoke")
@click.argument("name", metavar="NAME|ID")
@project_option
@json_option
def revoke(name: str, folder: Path, *, as_json: bool) -> None:
    """Take the token NAME back, at once and for ever."""
    token = open_tokens(folder, read_settings()).revoke(name)
    if as_json:
        print_json(token_row(token))
    else:
        print(f"The token {token.name} ({token.id}) is revoked.")


def _lifetime(text: str | None) -> timedelta | None:
    if text is None:
        return None
    try:
        return duration(text)
    except RuleError as error:
        raise click.UsageError(f"--expires {text!r}: {error}; write a time such as 90d.") from error


def _end(token: Token) -> str:
    if token.revoked is not None:
        return f"revoked {moment(token.revoked.isoformat())}"
    return "no end" if token.expires is None else moment(token.expires.isoformat())


def _used(token: Token) -> str:
    return "never" if token.used is None else moment(token.used.isoformat())
