"""Whether channels name environments that are there."""

from collections.abc import Mapping
from typing import Any

from everfit.domain.document import Fields, Items, Reading
from everfit.domain.words import listed, nearest

DEFAULT_ENVIRONMENT = "production"


def check_alerts(document: Fields, values: Mapping[str, Any], reading: Reading) -> None:
    """Note each environment that a channel names and the project does not have."""
    node = document.at("environments")
    # All names that stand in the file, so that one with another mistake in it is not called missing.
    names = [key.text for key, _ in node.pairs] if isinstance(node, Fields) else [DEFAULT_ENVIRONMENT]
    channels = document.at("alerts")
    for index, channel in enumerate(values.get("alerts", ())):
        for name in channel.get("environments", ()):
            if name not in names:
                fields = channels.nodes[index] if isinstance(channels, Items) else document
                reading.add(
                    fields.line_of("environments") if isinstance(fields, Fields) else fields.line,
                    f"alerts[{index}].environments names no environment of this project",
                    found=name,
                    expected=listed(names),
                    nearest=nearest(name, names),
                )
