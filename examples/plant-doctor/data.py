"""Makes up photos of leaves, one folder for each disease, the same for the same numbers.

python data.py                                  7 classes, 30 photos each
python data.py --first 30 --count 20            20 further photos of each class
python data.py --class mosaic_virus             photos of a class that no model has learnt
python data.py --bucket my-photos --prefix leaves/    the same, in a bucket as well
"""

import argparse
import struct
import zlib
from pathlib import Path

import numpy as np

SIZE = 24
LOOKS = {
    "healthy": ((60, 150, 60), (60, 150, 60), 0.0),
    "early_blight": ((80, 140, 60), (90, 60, 30), 0.25),
    "late_blight": ((70, 110, 70), (50, 45, 50), 0.45),
    "leaf_mold": ((110, 150, 70), (200, 190, 90), 0.3),
    "septoria_leaf_spot": ((80, 150, 80), (210, 205, 190), 0.15),
    "spider_mites": ((140, 160, 80), (190, 140, 90), 0.5),
    "yellow_leaf_curl": ((200, 190, 60), (160, 170, 60), 0.2),
    "mosaic_virus": ((90, 160, 110), (170, 210, 120), 0.5),
}
"""Colour of the leaf, colour of its spots, and how much of it they cover."""
CLASSES = tuple(LOOKS)[:7]


def photo(label: str, number: int) -> bytes:
    """Return one made-up photo as a PNG."""
    chance = np.random.default_rng([list(LOOKS).index(label), number])
    leaf, spot, share = LOOKS[label]
    covered = chance.random((SIZE, SIZE)) < share * chance.uniform(0.8, 1.2)
    pixels = np.where(covered[..., None], spot, leaf) * chance.uniform(0.85, 1.1)
    noisy = np.clip(pixels + chance.normal(0, 12, (SIZE, SIZE, 3)), 0, 255).astype(np.uint8)
    rows = b"".join(b"\x00" + row.tobytes() for row in noisy)
    header = struct.pack(">IIBBBBB", SIZE, SIZE, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in parts
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=30)
    parser.add_argument("--class", dest="label", choices=tuple(LOOKS), help="only this one")
    parser.add_argument("--folder", type=Path, default=Path(__file__).parent / "data")
    parser.add_argument("--bucket", help="S3 bucket that gets the photos too")
    parser.add_argument("--prefix", default="leaves/")
    arguments = parser.parse_args()
    for label in (arguments.label,) if arguments.label else CLASSES:
        (arguments.folder / label).mkdir(parents=True, exist_ok=True)
        for number in range(arguments.first, arguments.first + arguments.count):
            path = arguments.folder / label / f"{label}-{number:04}.png"
            path.write_bytes(photo(label, number))
            if arguments.bucket:
                import boto3  # noqa: PLC0415 - only for a bucket

                boto3.client("s3").upload_file(str(path), arguments.bucket, f"{arguments.prefix}{label}/{path.name}")


if __name__ == "__main__":
    main()
