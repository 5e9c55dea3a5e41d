"""The JSON Schema of the project file, so that editors complete and check it."""

from everfit.domain.keys import PROJECT
from everfit.domain.value import VARIABLE_SCHEMA


def json_schema() -> dict[str, object]:
    """Return the JSON Schema (draft 2020-12), made from the table of keys."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "everfit.yaml",
        "description": "What Everfit keeps fresh, and how.",
        **PROJECT.schema(),
        "$defs": {"variable": {"description": "A value from the environment.", **VARIABLE_SCHEMA}},
    }
