"""Reads the environment once; everything else receives values."""

import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from everfit.domain.errors import RequestError, RuleError
from everfit.domain.units import duration


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What an operator may choose.

    Args:
        home: state folder; None means the nearest ``.everfit`` in use at or above the project folder, else its own.
        database: address of a Postgres database; None means a SQLite file in the state folder.
        port: of the endpoint host; None means that it chooses one at its first start and keeps it.
        serve_address: that the endpoint host listens on; None means the one it had before, at first this machine alone.
        serve_tokens: any of them lets callers of the endpoint host in; several while one takes the place of another.
        variables: what ``${NAME}`` in ``everfit.yaml`` may stand for.
        actor: who acts, for the records.
        notify: socket of the service manager that is told when the service is ready; None means there is none.
        smtp: address of the mail server for alerts, with its password; None means that there is none.
        url: address under which people reach the service, for links; None means that nobody has said.
        webhook_secrets: any of them may have signed a webhook; with none, webhooks are refused.
        sns_topics: whose messages are taken, by their ARN.
        sends_packages: whether Everfit's own packages are sent to jobs on AWS unless they were sent before.
        kept_events: how long an event that has ended stays in the database before it goes to the archive.
        needs_token: whether callers on this machine need a token as well.
        aws_look: longest time between two looks at a job or a deployment on AWS that is waited for.
    """

    home: Path | None
    database: str | None = None
    port: int | None
    serve_address: str | None = None
    serve_tokens: tuple[str, ...] = field(default=(), repr=False)
    variables: Mapping[str, str] = field(repr=False)
    actor: str
    notify: str | None = None
    sns_topics: tuple[str, ...] = ()
    smtp: str | None = field(default=None, repr=False)
    url: str | None = None
    webhook_secrets: tuple[str, ...] = field(default=(), repr=False)
    needs_token: bool = False
    kept_events: timedelta = timedelta(days=90)
    sends_packages: bool = False
    aws_look: timedelta = timedelta(seconds=10)


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings found in *environment*."""
    home = environment.get("EVERFIT_HOME")
    return Settings(
        home=Path(home).expanduser().resolve() if home else None,
        database=_database(environment.get("EVERFIT_DATABASE"), home),
        port=_port(environment.get("EVERFIT_PORT")),
        serve_address=(environment.get("EVERFIT_SERVE_ADDRESS") or "").strip() or None,
        serve_tokens=_listed(environment.get("EVERFIT_SERVE_TOKEN")),
        variables=environment,
        actor=environment.get("EVERFIT_ACTOR") or environment.get("USER") or environment.get("LOGNAME") or _account(),
        notify=environment.get("NOTIFY_SOCKET"),
        sns_topics=_listed(environment.get("EVERFIT_SNS_TOPICS")),
        smtp=environment.get("EVERFIT_SMTP") or None,
        url=(environment.get("EVERFIT_URL") or "").rstrip("/") or None,
        webhook_secrets=_listed(environment.get("EVERFIT_WEBHOOK_SECRET")),
        kept_events=_time(environment, "EVERFIT_KEEP_EVENTS", "90d"),
        aws_look=_time(environment, "EVERFIT_AWS_LOOK", "10s"),
        sends_packages=_truth("EVERFIT_SEND_PACKAGES", environment.get("EVERFIT_SEND_PACKAGES"), usual=True),
        needs_token=_truth("EVERFIT_REQUIRE_TOKEN", environment.get("EVERFIT_REQUIRE_TOKEN")),
    )


def _time(environment: Mapping[str, str], name: str, usual: str) -> timedelta:
    text = environment.get(name) or usual
    try:
        return duration(text)
    except RuleError as error:
        raise RequestError(f"{name} is {text!r}: it must be a time such as {usual}.") from error


def _truth(name: str, text: str | None, *, usual: bool = False) -> bool:
    if not text:
        return usual
    if text not in ("true", "false", "1", "0"):
        raise RequestError(f"{name} is {text!r}: it must be true or false.")
    return text in ("true", "1")


def _listed(text: str | None) -> tuple[str, ...]:
    """Return what stands between commas: several secrets are right while one takes the place of another."""
    return tuple(part for part in (part.strip() for part in (text or "").split(",")) if part)


def _account() -> str:
    """Return the account that this process runs under; containers and schedulers often name it in no variable."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"user {os.getuid()}"


def _database(address: str | None, home: str | None) -> str | None:
    if not address:
        return None
    # Never shown: the password stands in it.
    if not address.startswith(("postgresql://", "postgres://")):
        raise RequestError("EVERFIT_DATABASE must read postgresql://USER:PASSWORD@HOST:PORT/DATABASE.")
    if not home:
        raise RequestError(
            "EVERFIT_DATABASE is set and EVERFIT_HOME is not: set it to the folder for the files, "
            "the same for every process that uses the database."
        )
    return address


def _port(text: str | None) -> int | None:
    if not text:
        return None
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise RequestError(f"EVERFIT_PORT is {text!r}: it must be a port number from 1 to 65535.")
    return int(text)
