"""Read a request into a call and write an answer, by the service models that botocore carries."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from moto.core.parse import PROTOCOL_PARSERS
from moto.core.request import Request, determine_request_protocol
from moto.core.routing import get_service_router
from moto.core.serialize import get_serializer_class
from moto.core.utils import get_service_model
from werkzeug.exceptions import NotFound

from tests.aws.bench.call import Call, Document
from tests.aws.bench.errors import AwsError

SIGNING_NAMES = {"states": "stepfunctions", "monitoring": "cloudwatch", "servicequotas": "service-quotas"}
# Payloads that are whatever they are: nothing parses them.
RAW = {"PutObject": "Body", "UploadPart": "Body", "InvokeEndpoint": "Body", "Invoke": "Payload"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


def credential(request: Request) -> list[str] | None:
    """Return key, day, region and service of who signed, from the header or from a presigned address."""
    header = request.headers.get("Authorization", "")
    if "Credential=" in header:
        scope = header.partition("Credential=")[2].partition(",")[0]
    else:
        scope = (parse_qs(request.query_string.decode()).get("X-Amz-Credential") or [""])[0]
    parts = scope.strip().split("/")
    return parts if len(parts) >= 5 else None


def service_of(signed_for: str, path: str) -> str:
    """Return boto3's name of the service that *path* of a request signed for *signed_for* goes to."""
    if signed_for == "sagemaker" and path.startswith("/endpoints/"):
        return "sagemaker-runtime"
    return SIGNING_NAMES.get(signed_for, signed_for)


def read_call(environ: dict[str, Any], body: bytes) -> Call | None:
    """Return the call, or None when no model of a service knows such a request."""
    request = Request(environ)
    scope = credential(request)
    if scope is None:
        return None
    key, _, region, signed_for = scope[:4]
    service = service_of(signed_for, request.path)
    try:
        operation, uri_params = get_service_router(service).match(request)
    except (NotFound, NotImplementedError):
        return None
    call = Call(service=service, operation=operation.name, region=region, key=key, params={}, body=body)
    call.headers = {name.lower(): value for name, value in request.headers.items()}
    protocol = determine_request_protocol(operation.service_model, request.content_type)
    parser = PROTOCOL_PARSERS[protocol](operation)
    call.params = plain(parser.parse(request_parts(request, body, call, uri_params)))
    if call.operation in RAW:
        call.params[RAW[call.operation]] = body
    return call


def request_parts(request: Request, body: bytes, call: Call, uri_params: Document) -> Any:
    """Return what moto's parsers want; the payload of an object is not parsed."""
    is_raw = call.operation in RAW
    return {
        "method": request.method,
        "values": request.values if not is_raw else request.args,
        "headers": request.headers,
        "body": b"" if is_raw else body,
        "url_path": request.path,
        "url_params": uri_params,
    }


def plain(params: Any) -> Document:
    """Return *params* without the members that were not given."""
    return {name: value for name, value in dict(params).items() if value is not None}


def write_answer(call: Call, result: Document | None) -> Answer:
    """Return *result* as the service's own protocol writes it."""
    operation = get_service_model(call.service).operation_model(call.operation)
    protocol = determine_request_protocol(operation.service_model, call.headers.get("content-type"))
    written = get_serializer_class(call.service, protocol)(operation).serialize(result or {})
    body = written["body"]
    data = body if isinstance(body, bytes) else str(body or "").encode()
    return Answer(status=written["status_code"], headers=dict(written["headers"]), body=data)


def write_error(call: Call, error: AwsError) -> Answer:
    """Return *error* in the form that a client of the call's protocol understands."""
    model = get_service_model(call.service)
    protocol = determine_request_protocol(model, call.headers.get("content-type"))
    if protocol in {"query", "ec2", "rest-xml"}:
        inner = f"<Code>{error.code}</Code><Message>{escape(error.message)}</Message>"
        text = f"<Error>{inner}</Error>"
        if call.service != "s3":
            text = f"<ErrorResponse><Error><Type>Sender</Type>{inner}</Error><RequestId>r</RequestId></ErrorResponse>"
        return Answer(status=error.status, headers={"Content-Type": "application/xml"}, body=text.encode())
    shown = {"__type": error.code, "message": error.message, "Message": error.message}
    headers = {"Content-Type": "application/json", "x-amzn-ErrorType": error.code}
    return Answer(status=error.status, headers=headers, body=json.dumps(shown).encode())
