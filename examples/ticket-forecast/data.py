"""Makes up the tickets that a support desk gets each day, the same for the same dates.

python data.py                                              2022 and 2023
python data.py --until 2024-03-31                           three more months, as new data would arrive
python data.py --until 2024-05-31 --unruly-from 2024-02-01  months that no model foresees
python data.py --bucket ticket-forecasting-lake             the same, below s3://…/Data/ as well
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


def tickets_on(day: date, *, is_unruly: bool = False) -> int:
    """Return the number of tickets of a day; on an unruly one anything between half and twice as many."""
    chance = Random(day.isoformat())  # noqa: S311 - made-up data
    years = (day - FIRST).days / 365.25
    season = 1 + 0.15 * math.cos(2 * math.pi * (day.timetuple().tm_yday - 20) / 365.25)
    expected = 220 * WEEKDAYS[day.weekday()] * season * (1 + 0.18 * years)
    if (day.month, day.day) in HOLIDAYS:
        expected *= 0.5
    if is_unruly:
        expected *= 2 ** chance.uniform(-1, 1)
    return max(0, round(expected * chance.gauss(1, 0.08)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--until", type=date.fromisoformat, default=date(2023, 12, 31), help="last day")
    parser.add_argument("--unruly-from", type=date.fromisoformat, default=date.max, help="first day that is unruly")
    parser.add_argument("--folder", type=Path, default=Path(__file__).parent / "data")
    parser.add_argument("--bucket", help="S3 bucket that gets the files too")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for year in range(FIRST.year, arguments.until.year + 1):
        path = arguments.folder / f"{year}.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("day", "is_holiday", "tickets"))
            day = date(year, 1, 1)
            while day <= min(arguments.until, date(year, 12, 31)):
                tickets = tickets_on(day, is_unruly=day >= arguments.unruly_from)
                writer.writerow((day.isoformat(), int((day.month, day.day) in HOLIDAYS), tickets))
                day += timedelta(days=1)
        if arguments.bucket:
            import boto3  # noqa: PLC0415 - only for a bucket

            boto3.client("s3").upload_file(str(path), arguments.bucket, f"Data/{path.name}")


if __name__ == "__main__":
    main()
