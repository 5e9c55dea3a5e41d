"""What parliament finds in an IAM policy: unknown actions, resources and condition keys that do not fit, and more."""

import importlib
import json
import warnings
from collections.abc import Mapping
from functools import cache
from typing import Any


@cache
def _parliament() -> Any:
    with warnings.catch_warnings():
        # It never closes two files that it reads.
        warnings.simplefilter("ignore", ResourceWarning)
        return importlib.import_module("parliament")


def problems(document: Mapping[str, Any], *, accepted: frozenset[str] = frozenset()) -> list[str]:
    """Return the findings in a policy document, such as ``UNKNOWN_ACTION: sagemaker:CreateEndpointt``.

    Args:
        accepted: kinds of finding that this policy may have, such as ``RESOURCE_STAR``; each with its reason where
            the caller names it.
    """
    found = _parliament().analyze_policy_string(json.dumps(document)).findings
    return [f"{each.issue}: {each.detail or each.location}" for each in found if each.issue not in accepted]


def wide_grants(document: Mapping[str, Any]) -> list[str]:
    """Return the statements that allow every action of a service, or every service; parliament lets them pass."""
    statements = document.get("Statement", [])
    found: list[str] = []
    for statement in statements if isinstance(statements, list) else [statements]:
        actions = statement.get("Action", [])
        listed = [actions] if isinstance(actions, str) else actions
        if statement.get("Effect") == "Allow":
            found += [action for action in listed if action == "*" or action.endswith(":*")]
            found += ["NotAction"] if "NotAction" in statement else []
    return found
