"""What a day says by itself; training and inference must see the same."""

from datetime import date
from math import cos, pi, sin

START = date(2022, 1, 1)


def features_of(row: dict) -> dict[str, float | str]:
    """Return the features of a day."""
    when = date.fromisoformat(str(row["day"])[:10])
    angle = 2 * pi * when.timetuple().tm_yday / 365.25
    return {
        "weekday": str(when.weekday()),
        "holiday": float(row["is_holiday"]),
        "years": (when - START).days / 365.25,
        "sin": sin(angle),
        "cos": cos(angle),
    }
