"""Whether a function's own policy lets another service invoke it (Lambda guide, "Resource-based policies")."""

from fnmatch import fnmatchcase

from tests.aws.bench.call import Document
from tests.aws.bench.world import World


def function_name(text: str) -> tuple[str, str | None]:
    """Return name and qualifier of a function from its name, its partial ARN or its ARN."""
    parts = text.split(":")
    if text.startswith("arn:"):
        return parts[6], parts[7] if len(parts) > 7 else None
    return parts[0], parts[1] if len(parts) > 1 else None


def is_permitted(world: World, region: str, arn: str, source: Document) -> bool:
    """Return whether *source* (its ``principal`` and ``arn``) may invoke the function at *arn*."""
    name, qualifier = function_name(arn)
    function = world.table("lambda.functions", region).get(name)
    if function is None:
        return False
    return any(
        statement["Principal"] == source["principal"]
        and statement.get("Qualifier") == qualifier
        and fnmatchcase(source["arn"], statement.get("SourceArn") or "*")
        for statement in function["policy"].values()
    )
