"""The address of a Postgres database, and how it is shown without its password."""

from dataclasses import dataclass, field
from typing import Final

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from everfit.domain.errors import RequestError

FORM: Final = "postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
# A server whose machine is gone would otherwise be waited for two hours.
DEFAULTS: Final = make_conninfo(
    application_name="everfit",
    client_encoding="UTF8",
    connect_timeout=10,
    keepalives_idle=30,
    keepalives_interval=10,
    keepalives_count=3,
    tcp_user_timeout=60_000,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresAddress:
    """Where the database is and how to get in.

    Args:
        name: for people: host, port and database, and nothing else.
        parameters: as libpq takes them, the password too.
    """

    name: str
    parameters: str = field(repr=False)


def postgres_address(url: str) -> PostgresAddress:
    """Read the address, or raise ``RequestError``; what stands in it is never shown, for it may be a password."""
    try:
        given = {name: str(value) for name, value in conninfo_to_dict(url).items() if value is not None}
    except psycopg.Error:
        message = (
            f"EVERFIT_DATABASE is no address of a Postgres database: it must read {FORM}, "
            "with special characters in the password percent-encoded."
        )
        raise RequestError(message) from None
    if not given.get("dbname"):
        raise RequestError(f"EVERFIT_DATABASE names no database: it must read {FORM}.")
    hosts, ports = (given.get(part, "").split(",") for part in ("host", "port"))
    if not all(port == "" or (port.isdecimal() and 1 <= int(port) <= 65535) for port in ports):
        raise RequestError("EVERFIT_DATABASE has a port that is no number from 1 to 65535.")
    place = ",".join(
        f"{host}:{port}" if port else host for host, port in zip(hosts, [*ports, *ports * len(hosts)], strict=False)
    )
    return PostgresAddress(name=f"postgresql://{place}/{given['dbname']}", parameters=make_conninfo(DEFAULTS, **given))
