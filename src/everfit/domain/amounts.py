"""Says amounts and moments as people read them."""

from datetime import UTC, datetime, timedelta

UNITS = ("bytes", "kB", "MB", "GB", "TB")


def counted(count: object, one: str) -> str:
    """Return a count with its noun: ``1 file``, ``2 files``."""
    return f"{count} {one}" if count == 1 else f"{count} {one}s"


def sized(count: object) -> str:
    """Return a number of bytes in the unit that fits: ``512 bytes``, ``2.3 MB``."""
    if not isinstance(count, (int, float)):
        return "an unknown size"
    amount = float(count)
    for unit in UNITS:
        if amount < 1000 or unit == UNITS[-1]:
            return counted(int(count), "byte") if unit == "bytes" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{count} bytes"


def moment(text: object) -> str:
    """Return an ISO time as date and time of day, in UTC."""
    return datetime.fromisoformat(str(text)).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def lasting(time: timedelta) -> str:
    """Return a length of time for people, in its largest whole unit."""
    seconds = int(time.total_seconds())
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size and seconds % size == 0:
            return counted(seconds // size, unit)
    return counted(seconds, "second")


def brief(time: timedelta) -> str:
    """Return a length of time in its two largest units: ``1h 30m``, ``3m``; what is not nothing is at least ``1s``."""
    seconds = -(-time // timedelta(seconds=1))
    parts: list[str] = []
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")):
        amount, seconds = divmod(seconds, size)
        if amount and len(parts) < 2:
            parts.append(f"{amount}{unit}")
    return " ".join(parts) or "0s"
