"""Times in all the forms that the prepare job knows."""

from collections.abc import Sequence
from typing import Any

import duckdb

from everfit.jobs.preparation.values import moment_of


def microseconds(times: Sequence[object]) -> list[float]:
    """Return each time as microseconds since 1970; an empty list when one of them is no time."""
    connection: Any = duckdb.connect()
    try:
        sql = f"SELECT epoch_us({moment_of('t', epoch=True)}) FROM (SELECT unnest(?::VARCHAR[]) AS t)"  # noqa: S608
        found: list[tuple[int | None]] = connection.execute(sql, [[str(time) for time in times]]).fetchall()
    finally:
        connection.close()
    moments = [float(moment) for (moment,) in found if moment is not None]
    return moments if len(moments) == len(times) else []
