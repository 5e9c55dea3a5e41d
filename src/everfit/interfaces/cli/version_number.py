"""Reads a version as people write it."""

import click


class VersionNumber(click.ParamType[int]):
    """A version: ``3`` or ``v3``."""

    name = "version"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number, or fail with what may stand there."""
        if isinstance(value, int):
            return value
        digits = str(value).removeprefix("v")
        if not digits.isdecimal() or int(digits) < 1:
            self.fail(f"{value!r} is no version; write a number such as 3 or v3.", param, ctx)
        return int(digits)


VERSION = VersionNumber()
