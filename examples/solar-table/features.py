"""What the model sees of a row; training and inference must see the same."""

import math
from datetime import datetime

REGIONS = ("north", "south")


def features_of(row: dict) -> list[float]:
    """Return the features of a row as numbers."""
    when = datetime.fromisoformat(str(row["timestamp"]))
    year = 2 * math.pi * when.timetuple().tm_yday / 365.25
    hour = 2 * math.pi * (when.hour + when.minute / 60) / 24
    return [
        math.sin(hour),
        math.cos(hour),
        math.sin(year),
        math.cos(year),
        float(row["cloud_cover"]),
        float(row["temperature"]),
        float(REGIONS.index(row["region"])),
    ]
