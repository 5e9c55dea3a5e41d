"""Makes up reviews of a shop, half of them happy, the same for the same numbers.

python data.py                        800 reviews
python data.py --more 1               400 others, as new data would arrive
python data.py --bucket my-bucket     the same, below s3://my-bucket/reviews/ as well
"""

import argparse
import csv
from pathlib import Path
from random import Random

THINGS = ("The tablet", "This speaker", "The reader", "My new charger", "The case", "This cable", "The screen")
HAPPY = (
    "works like a charm",
    "is excellent for the price",
    "was a great gift",
    "sounds wonderful",
    "is easy to use and I love it",
    "arrived early and is perfect",
)
UNHAPPY = (
    "stopped working after a week",
    "is a waste of money",
    "was broken out of the box",
    "sounds awful",
    "is slow and I regret buying it",
    "arrived late and is terrible",
)
ENDS = (
    "",
    " My kids use it every day.",
    " I bought it in May.",
    " It was for my mother.",
    " Shipping took three days.",
)
DOUBTFUL = 0.03
"""Share of the reviews whose stars do not go with their words."""


def reviews(part: int, count: int) -> list[tuple[str, str, str]]:
    """Return number, words and label of each review."""
    chance = Random(f"reviews {part}")  # noqa: S311 - made-up data
    rows = []
    for number in range(count):
        is_happy = chance.random() < 0.5
        words = f"{chance.choice(THINGS)} {chance.choice(HAPPY if is_happy else UNHAPPY)}.{chance.choice(ENDS)}"
        told = is_happy != (chance.random() < DOUBTFUL)
        rows.append((f"{part}-{number:05}", words, "positive" if told else "negative"))
    return rows


def write(folder: Path, part: int, count: int) -> Path:
    """Write one file of reviews and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"reviews-{part}.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("review_id", "text", "sentiment"))
        writer.writerows(reviews(part, count))
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--more", type=int, default=0, help="number of a further file")
    parser.add_argument("--folder", type=Path, default=Path(__file__).parent / "data")
    parser.add_argument("--bucket", help="S3 bucket that gets the file too")
    arguments = parser.parse_args()
    path = write(arguments.folder, arguments.more, 400 if arguments.more else 800)
    if arguments.bucket:
        import boto3  # noqa: PLC0415 - only for a bucket

        boto3.client("s3").upload_file(str(path), arguments.bucket, f"reviews/{path.name}")


if __name__ == "__main__":
    main()
