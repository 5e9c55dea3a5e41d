"""Makes up measured faces and the mask that fitted each best, the same for the same numbers.

python data.py                        900 faces
python data.py --more 1               450 others, as the week's fit tests would bring
python data.py --bucket my-bucket     the same, below s3://my-bucket/fit-tests/ as well
"""

import argparse
import csv
from pathlib import Path
from random import Random

MASKS = ("bifold-small", "bifold-regular", "cup-regular", "elastomeric-medium", "elastomeric-large")
COLUMNS = ("test_id", "face_length_mm", "face_width_mm", "nose_protrusion_mm", "bizygomatic_mm", "has_beard", "mask")


def best_of(length: float, width: float, nose: float, beard: int) -> str:
    """Return the mask that leaks least."""
    if beard:
        return "elastomeric-large" if length > 118 else "elastomeric-medium"
    if length < 110:
        return "bifold-small"
    return "cup-regular" if nose > 21 or width > 146 else "bifold-regular"


def rows_of(part: int, count: int) -> list[tuple[object, ...]]:
    """Return the rows of one file."""
    chance = Random(f"faces {part}")  # noqa: S311 - made-up data
    rows: list[tuple[object, ...]] = []
    for number in range(count):
        length, width = chance.gauss(116, 8), chance.gauss(140, 8)
        nose, beard = chance.gauss(20, 2.5), int(chance.random() < 0.25)
        mask = best_of(length, width, nose, beard) if chance.random() > 0.02 else chance.choice(MASKS)
        measures = (round(each, 1) for each in (length, width, nose, width - chance.gauss(4, 1)))
        rows.append((f"{part}-{number:05}", *measures, beard, mask))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--more", type=int, default=0, help="number of a further file")
    parser.add_argument("--folder", type=Path, default=Path(__file__).parent / "data")
    parser.add_argument("--bucket", help="S3 bucket that gets the file too")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    path = arguments.folder / f"fit-tests-{arguments.more}.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows_of(arguments.more, 450 if arguments.more else 900))
    if arguments.bucket:
        import boto3  # noqa: PLC0415 - only for a bucket

        boto3.client("s3").upload_file(str(path), arguments.bucket, f"fit-tests/{path.name}")


if __name__ == "__main__":
    main()
