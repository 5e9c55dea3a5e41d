"""What the model sees of a row; training and inference must see the same."""

import math
from datetime import datetime

LATITUDES = {"north": 54.0, "south": 44.0}


def features_of(row: dict) -> list[float]:
    """Return the features of a row as numbers.

    The height of the sun says more than hour and month do: with it, a model that was trained in spring has seen
    the evening light of August before.
    """
    region = row["region"]
    height = height_of_sun(datetime.fromisoformat(str(row["timestamp"])), LATITUDES[region])
    is_south = float(region == "south")
    return [max(0.0, height), float(row["cloud_cover"]), float(row["temperature"]), is_south]


def height_of_sun(when: datetime, latitude: float) -> float:
    """Return the sine of the sun's height over the horizon in the middle of the hour; below zero at night."""
    day = when.timetuple().tm_yday
    declination = math.radians(-23.44) * math.cos(2 * math.pi * (day + 10) / 365)
    angle = math.radians(15 * (when.hour + 0.5 - 12))
    place = math.radians(latitude)
    return math.sin(place) * math.sin(declination) + math.cos(place) * math.cos(declination) * math.cos(angle)
