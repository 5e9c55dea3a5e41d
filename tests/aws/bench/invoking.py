"""InvokeEndpoint: the container of the variant that serves answers; shadows hear it too, captures are written."""

import base64
import json
import random
import uuid
from http.client import HTTPException

from tests.aws.bench.call import Call, Document
from tests.aws.bench.endpoints import fleet_of
from tests.aws.bench.errors import ACCOUNT, AwsError
from tests.aws.bench.fleets import HEADERS, Fleet, Variant
from tests.aws.bench.objects import split
from tests.aws.bench.operations import operation
from tests.aws.bench.world import World, now

chance = random.Random(0)


@operation("sagemaker-runtime", "InvokeEndpoint", is_locked=False)
def invoke(world: World, call: Call) -> Document:
    """Errors have the codes and statuses of FACTS §5."""
    name = call.params["EndpointName"]
    endpoint = world.table("sagemaker.endpoints", call.region).get(name)
    if endpoint is None or endpoint["EndpointStatus"] not in {"InService", "Updating", "UpdateRollbackFailed"}:
        raise AwsError("ValidationError", f"Endpoint {name} of account {ACCOUNT} not found.")
    fleet = chosen_fleet(endpoint)
    variant = chosen_variant(fleet, call.params.get("TargetVariant"))
    sent = {shown: call.headers[name] for name, shown in HEADERS.items() if name in call.headers}
    for shadow in fleet.variants:
        if shadow.is_shadow and shadow.port:
            world.background(ask_shadow, shadow, call.body, sent)
    status, kind, answer = ask(variant, call.body, sent)
    if status >= 400:
        text = answer.decode(errors="replace")
        message = f'Received client error ({status}) from primary with message "{text}".'
        raise AwsError("ModelError", message, 424)
    if endpoint["_config"].get("DataCaptureConfig", {}).get("EnableCapture"):
        world.background(capture, world, call, endpoint, variant, (sent, kind, answer))
    return {"Body": answer, "ContentType": kind, "InvokedProductionVariant": variant.name}


def chosen_fleet(endpoint: Document) -> Fleet:
    new = endpoint.get("_new")
    if new is not None and chance.random() < new[1]:
        fleet: Fleet = new[0]
        return fleet
    return fleet_of(endpoint)


def chosen_variant(fleet: Fleet, target: str | None) -> Variant:
    production = fleet.production
    if target is not None:
        named = [variant for variant in production if variant.name == target]
        if not named:
            raise AwsError("ValidationError", f"Variant {target} not found for Request.")
        return named[0]
    return chance.choices(production, [variant.weight for variant in production])[0]


def ask(variant: Variant, body: bytes, headers: dict[str, str]) -> tuple[int, str, bytes]:
    if not variant.port:
        raise AwsError("ModelNotReadyException", f"Variant {variant.name} has no container here.", 429)
    try:
        return variant.ask(body, headers)
    except (OSError, HTTPException) as error:
        raise AwsError("InternalFailure", f"The container of {variant.name} did not answer: {error}", 500) from error


def ask_shadow(variant: Variant, body: bytes, headers: dict[str, str]) -> None:
    try:
        variant.ask(body, headers)
    except (OSError, HTTPException):
        return


def capture(
    world: World, call: Call, endpoint: Document, variant: Variant, told: tuple[dict[str, str], str, bytes]
) -> None:
    """Write request and answer as data capture does (SageMaker guide, "Capture data from real-time endpoint")."""
    headers, kind, answer = told
    settings = endpoint["_config"]["DataCaptureConfig"]
    modes = {option["CaptureMode"] for option in settings["CaptureOptions"]}
    moment = now()
    record: Document = {"captureData": {}}
    given = (("Input", "INPUT", headers.get("Content-Type"), call.body), ("Output", "OUTPUT", kind, answer))
    for mode, written, content, data in given:
        if modes & {mode, "InputAndOutput"}:
            record["captureData"][f"endpoint{mode}"] = {
                "observedContentType": content,
                "mode": written,
                "data": base64.b64encode(data).decode(),
                "encoding": "BASE64",
            }
    record["eventMetadata"] = {"eventId": str(uuid.uuid4()), "inferenceTime": moment.strftime("%Y-%m-%dT%H:%M:%SZ")}
    record["eventVersion"] = "0"
    bucket, prefix = split(settings["DestinationS3Uri"])
    place = f"{prefix.rstrip('/')}/{endpoint['EndpointName']}/{variant.name}/{moment:%Y/%m/%d/%H}"
    key = f"{place}/{moment:%M-%S-%f}-{uuid.uuid4()}.jsonl".lstrip("/")
    model = world.table("sagemaker.models", call.region)[variant.settings["ModelName"]]
    s3 = world.client("s3", call.region, model["ExecutionRoleArn"])
    s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(record).encode() + b"\n")
