"""Serves a model in a Lambda function: the model is fetched once, verified, and answers direct calls and HTTP alike.

The variables say which model: ``MODEL_URL``, ``MODEL_DIGEST``, ``MODEL_VERSION``, ``MODEL_NAME``, ``MODEL_SCRIPT``.
"""

import base64
import hashlib
import importlib
import json
import os
import shutil
import tarfile
import tempfile
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, Final

from everfit.serving.errors import UnreadableRequestError, UnusableModelError
from everfit.serving.handlers import LoadedModel, load
from everfit.serving.shapes import is_object

JSON: Final = "application/json"
VERSION_HEADER: Final = "X-Everfit-Version"
_CHUNK: Final = 1 << 20
_TEXTS: Final = ("text/", JSON, "application/jsonlines", "application/x-ndjson")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPlace:
    """Which model the function serves.

    Args:
        digest: that the archive must have.
        script: the handlers; None means the default handlers.
    """

    url: str
    digest: str
    version: str
    script: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """A request as a Function URL or an API Gateway hands it over."""

    method: str
    path: str
    body: bytes
    content_type: str
    accept: str


class _Held:
    """The model of this process; it is loaded by the first request."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._digest: str | None = None
        self._model: LoadedModel | None = None

    def model(self, place: ModelPlace) -> LoadedModel:
        with self._lock:
            if self._model is None or self._digest != place.digest:
                self._model = load(str(fetched(place)), place.script)
                self._digest = place.digest
            return self._model


_HELD: Final = _Held()


def handler(event: Any, context: object) -> Any:
    """Answer an event of Lambda's: HTTP in the form of HTTP, anything else is itself the request, in JSON."""
    del context
    place = place_of(os.environ)
    request = http_request(event)
    if request is None:
        return _direct(event, place)
    if request.method == "GET":
        _HELD.model(place)
        return http_answer(200, b"", JSON, place)
    try:
        content, kind = _HELD.model(place).invoke(request.body, request.content_type, request.accept)
    except UnreadableRequestError as error:
        return http_answer(error.status, _words("ValidationError", str(error)), JSON, place)
    except UnusableModelError:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever the user's code does, the next request is answered
        traceback.print_exc()
        return http_answer(424, _words("ModelError", f"{type(error).__name__}: {error}"), JSON, place)
    return http_answer(200, content, kind, place)


def _direct(event: Any, place: ModelPlace) -> Any:
    content, kind = _HELD.model(place).invoke(json.dumps(event).encode(), JSON, JSON)
    return json.loads(content) if kind.partition(";")[0].strip() == JSON else content.decode(errors="replace")


def _words(code: str, message: str) -> bytes:
    return json.dumps({"ErrorCode": code, "Message": message}, ensure_ascii=False).encode()


def place_of(variables: Mapping[str, str]) -> ModelPlace:
    """Return which model the variables name, or raise ``UnusableModelError``."""
    try:
        return ModelPlace(
            url=variables["MODEL_URL"],
            digest=variables["MODEL_DIGEST"],
            version=variables["MODEL_VERSION"],
            script=variables.get("MODEL_SCRIPT") or None,
        )
    except KeyError as error:
        raise UnusableModelError(f"The function has no variable {error.args[0]}: deploy a version.") from error


def http_request(event: Any) -> HttpRequest | None:
    """Return the HTTP request that the event is; None for a direct call.

    The forms are those of the Lambda Developer Guide: Function URLs and HTTP APIs (payload 2.0), REST APIs (1.0).
    """
    if not is_object(event) or not is_object(event.get("requestContext")):
        return None
    given: Mapping[str, Any] = event
    about = _below(given["requestContext"], "http")
    method = str(about.get("method") or given.get("httpMethod") or "POST").upper()
    headers = {name.lower(): str(value) for name, value in _below(given, "headers").items()}
    text = str(given.get("body") or "")
    return HttpRequest(
        method=method,
        path=str(about.get("path") or given.get("path") or "/"),
        body=base64.b64decode(text) if given.get("isBase64Encoded") else text.encode(),
        content_type=headers.get("content-type", JSON),
        accept=headers.get("accept", "*/*"),
    )


def _below(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] | None = document.get(key)
    return {} if found is None else found


def http_answer(status: int, content: bytes, kind: str, place: ModelPlace) -> dict[str, Any]:
    """Return the answer in the form that Function URLs and both kinds of API take."""
    is_text = kind.startswith(_TEXTS)
    try:
        body = content.decode() if is_text else ""
    except UnicodeDecodeError:
        is_text, body = False, ""
    return {
        "statusCode": status,
        "headers": {"Content-Type": kind, VERSION_HEADER: place.version},
        "body": body if is_text else base64.b64encode(content).decode(),
        "isBase64Encoded": not is_text,
    }


def fetched(place: ModelPlace) -> Path:
    """Return the folder with the unpacked model, after fetching it unless an earlier start of this place did."""
    root = Path(tempfile.gettempdir(), "everfit")
    folder = root / place.digest.removeprefix("sha256:")
    if folder.is_dir():
        return folder
    # Only one version fits beside a new one.
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    archive, fresh = root / "model.tar.gz", root / "fresh"
    try:
        digest = _download(place.url, archive)
        if digest != place.digest:
            raise UnusableModelError(f"{place.url} holds other bytes ({digest}) than version {place.version}.")
        with tarfile.open(archive, "r:gz") as packed:
            # The filter refuses members that lead out of the folder, links out of it and devices (PEP 706).
            packed.extractall(fresh, filter="data")
    except (OSError, tarfile.TarError) as error:
        raise UnusableModelError(f"{place.url} cannot be unpacked: {error}") from error
    finally:
        archive.unlink(missing_ok=True)
    fresh.rename(folder)
    return folder


def _download(url: str, target: Path) -> str:
    """Write the object into *target* and return its digest."""
    # Part of Lambda's runtime, and of no other that serves.
    boto3: Any = importlib.import_module("boto3")
    bucket, _, key = url.removeprefix("s3://").partition("/")
    hasher = hashlib.sha256()
    with target.open("wb") as file:
        for chunk in boto3.client("s3").get_object(Bucket=bucket, Key=key)["Body"].iter_chunks(_CHUNK):
            hasher.update(chunk)
            file.write(chunk)
    return f"sha256:{hasher.hexdigest()}"
