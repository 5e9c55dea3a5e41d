"""What the model sees of a face; training and inference must see the same."""

COLUMNS = ("face_length_mm", "face_width_mm", "nose_protrusion_mm", "bizygomatic_mm", "has_beard")


def features_of(row):
    """Return the features of a row as numbers: the measures, and the shape that they make together."""
    values = [float(row[name]) for name in COLUMNS]
    return [*values, values[0] / values[1], values[2] / values[0]]
