"""Secrets that a function reads when it needs them."""

from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.errors import explained
from everfit.domain.errors import RequestError


def secret_text(arn: str) -> str:
    """Return the text of a secret in Secrets Manager.

    Raises:
        RequestError: it is no such ARN, the secret is not there or holds bytes, or the role may not read it.
    """
    parts = arn.split(":")
    if len(parts) < 7 or parts[2] != "secretsmanager":
        raise RequestError("GITHUB_TOKEN_SECRET is not the ARN of a secret in Secrets Manager.")
    with explained(f"read the secret {parts[6]}"):
        answer = Clients(parts[3])("secretsmanager").get_secret_value(SecretId=arn)
    if "SecretString" not in answer:
        raise RequestError(f"The secret {parts[6]} holds bytes and no text; store the token as text.")
    return str(answer["SecretString"])
