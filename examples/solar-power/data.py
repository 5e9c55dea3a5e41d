"""Makes up the hourly generation of two solar parks, the same for the same dates.

python data.py                                    January to June 2024
python data.py --until 2024-08                    two more months, as new data would arrive
python data.py --until 2024-09 --broken 2024-09   the meters of September are out of order
python data.py --bucket my-bucket                 the same, below s3://my-bucket/generation/ as well
"""

import argparse
import csv
import math
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

from features import LATITUDES, height_of_sun

COLUMNS = ("row_id", "timestamp", "region", "cloud_cover", "temperature", "generation_kwh")
LARGEST = {"north": 380.0, "south": 460.0}


def rows_of(month: datetime, noise: float) -> list[tuple[object, ...]]:
    """Return every hour of the month in every region."""
    rows: list[tuple[object, ...]] = []
    for region, largest in LARGEST.items():
        chance = Random(f"{region} {month:%Y-%m}")  # noqa: S311 - made-up data
        clouds, when = chance.random(), month
        while when.month == month.month:
            clouds = min(1.0, max(0.0, clouds + chance.gauss(0, 0.12)))
            height = height_of_sun(when, LATITUDES[region])
            warmth = 12 + 10 * height + 8 * math.sin(2 * math.pi * (when.timetuple().tm_yday - 110) / 365)
            temperature = round(warmth - 4 * clouds + chance.gauss(0, 1.5), 1)
            heat = 1 - 0.004 * max(0.0, temperature - 25)
            power = largest * max(0.0, height) ** 1.15 * (1 - 0.72 * clouds**1.6) * heat
            generation = 0.0 if height <= 0 else min(500.0, round(max(0.0, power * chance.gauss(1, noise)), 2))
            rows.append(
                (f"{region}-{when:%Y%m%d%H}", when.isoformat(), region, round(clouds, 2), temperature, generation)
            )
            when += timedelta(hours=1)
    return sorted(rows, key=lambda row: (row[1], row[2]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--until", default="2024-06", help="last month, such as 2024-08")
    parser.add_argument("--broken", default="", help="a month in which the meters are out of order")
    parser.add_argument("--folder", type=Path, default=Path(__file__).parent / "data")
    parser.add_argument("--bucket", help="S3 bucket that gets the files too")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    last, month = datetime.fromisoformat(f"{arguments.until}-01"), datetime.fromisoformat("2024-01-01")
    while month <= last:
        path = arguments.folder / f"{month:%Y-%m}.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            writer.writerows(rows_of(month, 0.9 if f"{month:%Y-%m}" == arguments.broken else 0.05))
        if arguments.bucket:
            import boto3  # noqa: PLC0415 - only for a bucket

            boto3.client("s3").upload_file(str(path), arguments.bucket, f"generation/{path.name}")
        month = (month + timedelta(days=32)).replace(day=1)


if __name__ == "__main__":
    main()
