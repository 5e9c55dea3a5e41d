"""What cfn-lint finds in a CloudFormation template, in each of the regions that it is meant for."""

import importlib
import json
from collections.abc import Mapping, Sequence
from typing import Any


def problems(
    template: Mapping[str, Any] | str, regions: Sequence[str], *, accepted: frozenset[str] = frozenset()
) -> list[str]:
    """Return the errors and warnings in a template, such as ``E3012 Resources/Queue/Properties: …``.

    Args:
        template: as a mapping, or as text in JSON or YAML.
        regions: resource types and their values differ between them.
        accepted: rules that this template may break, such as ``W3005``; each with its reason where the caller names it.
    """
    text = template if isinstance(template, str) else json.dumps(template, indent=1)
    # Both take half a second to load, and only these tests need them.
    config: Any = importlib.import_module("cfnlint.config").ManualArgs(regions=list(regions))
    found: list[Any] = importlib.import_module("cfnlint.api").lint(text, config=config)
    rows = [(each.rule.id, "/".join(map(str, each.path or [])), each.message) for each in found]
    return [f"{rule} {place}: {words}" for rule, place, words in sorted(set(rows)) if rule not in accepted]
