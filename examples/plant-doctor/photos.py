"""Reads photos: 8-bit RGB in PNG, without a package for images."""

import struct
import zlib

import numpy as np

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def pixels_of(photo):
    """Return the pixels of a PNG as numbers from 0 to 1, in the shape (height, width, 3)."""
    if photo[:8] != SIGNATURE:
        raise ValueError("it is not a PNG")
    place, header, packed = 8, None, b""
    while place < len(photo):
        (length,) = struct.unpack(">I", photo[place : place + 4])
        kind, content = photo[place + 4 : place + 8], photo[place + 8 : place + 8 + length]
        header = struct.unpack(">IIBBBBB", content) if kind == b"IHDR" else header
        packed += content if kind == b"IDAT" else b""
        place += 12 + length
    if header is None or header[2:5] != (8, 2, 0) or header[6] != 0:
        raise ValueError("only 8-bit RGB without interlacing is read")
    width, height = header[:2]
    raw = np.frombuffer(zlib.decompress(packed), dtype=np.uint8).reshape(height, 1 + 3 * width)
    return _unfiltered(raw).reshape(height, width, 3) / 255.0


def _unfiltered(raw):
    """Undo the filter of each row (PNG specification, section 9)."""
    rows = np.zeros((raw.shape[0] + 1, raw.shape[1] + 2), dtype=np.uint8)
    for index, row in enumerate(raw):
        above, here, values = rows[index], rows[index + 1], row[1:]
        if row[0] == 0:
            here[3:] = values
        elif row[0] == 2:
            here[3:] = values + above[3:]
        else:
            for at, value in enumerate(values.astype(int)):
                left, up, corner = int(here[at]), int(above[at + 3]), int(above[at])
                guess = {1: left, 3: (left + up) // 2}.get(int(row[0]), _paeth(left, up, corner))
                here[at + 3] = (value + guess) % 256
    return rows[1:, 3:]


def _paeth(left, up, corner):
    return min((left, up, corner), key=lambda each: abs(left + up - corner - each))


def features_of(photo):
    """Return what the model sees of a photo: how bright and how varied each colour is, in all and in each quarter."""
    pixels = pixels_of(photo)
    height, width = (each // 2 for each in pixels.shape[:2])
    parts = [pixels, *(pixels[y : y + height, x : x + width] for y in (0, height) for x in (0, width))]
    spots = np.histogram(pixels.mean(axis=2), bins=8, range=(0, 1))[0] / pixels[..., 0].size
    return np.concatenate([np.concatenate([part.mean(axis=(0, 1)), part.std(axis=(0, 1))]) for part in parts] + [spots])
