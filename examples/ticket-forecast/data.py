"""Makes up the tickets that a support desk gets each day, the same for the same dates.

python make_data.py                       2022 and 2023
python make_data.py --until 2024-03-31    three more months, as new data would arrive
"""

import argparse
import csv
import math
from datetime import date, timedelta
from pathlib import Path
from random import Random

FIRST = date(2022, 1, 1)
WEEKDAYS = (1.35, 1.25, 1.15, 1.1, 1.0, 0.55, 0.45)
HOLIDAYS = {(1, 1), (5, 1), (12, 24), (12, 25), (12, 26), (12, 31)}


def tickets_on(day: date) -> int:
    """Return the number of tickets of a day."""
    chance = Random(day.isoformat())  # noqa: S311 - made-up data
    years = (day - FIRST).days / 365.25
    season = 1 + 0.15 * math.cos(2 * math.pi * (day.timetuple().tm_yday - 20) / 365.25)
    expected = 220 * WEEKDAYS[day.weekday()] * season * (1 + 0.18 * years)
    if (day.month, day.day) in HOLIDAYS:
        expected *= 0.5
    return max(0, round(expected * chance.gauss(1, 0.08)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--until", type=date.fromisoformat, default=date(2023, 12, 31), help="last day")
    parser.add_argument("--folder", default=str(Path(__file__).parent / "data"))
    arguments = parser.parse_args()
    folder = Path(arguments.folder)
    folder.mkdir(parents=True, exist_ok=True)
    for year in range(FIRST.year, arguments.until.year + 1):
        with (folder / f"{year}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("day", "is_holiday", "tickets"))
            day = date(year, 1, 1)
            while day <= min(arguments.until, date(year, 12, 31)):
                writer.writerow((day.isoformat(), int((day.month, day.day) in HOLIDAYS), tickets_on(day)))
                day += timedelta(days=1)


if __name__ == "__main__":
    main()
