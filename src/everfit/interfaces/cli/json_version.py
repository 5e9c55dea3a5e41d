"""The version of what ``--json`` prints: keys may be added within a version, never changed or taken away."""

from typing import Final

JSON_VERSION: Final = 1
