"""One call of an operation as the bench has read it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.aws.bench.errors import ACCOUNT

Document = dict[str, Any]


@dataclass(slots=True, kw_only=True)
class Call:
    """A request to a service.

    Args:
        service: boto3's name of the service, such as ``sagemaker-runtime``.
        params: what the client gave, under the names of the API.
        key: the access key id that signed the request, which names a role.
        body: the payload as it came.
    """

    service: str
    operation: str
    region: str
    key: str
    params: Document
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""
    number: int = 0

    def arn(self, resource: str) -> str:
        """Return the ARN of *resource* of this service in this account and region."""
        service = {"sagemaker-runtime": "sagemaker", "stepfunctions": "states"}.get(self.service, self.service)
        return f"arn:aws:{service}:{self.region}:{ACCOUNT}:{resource}"
