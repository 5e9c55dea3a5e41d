"""The front: read a call, record it, let it meet its fault, check it, have it answered."""

import io
import threading
import traceback
from collections.abc import Callable, Iterable
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from tests.aws.bench import strict
from tests.aws.bench.call import Call, Document
from tests.aws.bench.control import control
from tests.aws.bench.errors import AwsError, DroppedConnectionError
from tests.aws.bench.faults import Fault
from tests.aws.bench.operations import AFTER, BEFORE, OPERATIONS, UNLOCKED
from tests.aws.bench.wire import Answer, read_call, write_answer, write_error
from tests.aws.bench.world import World

Start = Callable[..., Any]
# moto checks and writes in two steps; a conditional write must be one. These wait for others inside a call instead.
FREE = {"sqs"}
OWN = {"sagemaker", "sagemaker-runtime", "lambda", "events", "scheduler", "cloudformation"}
HISTORY = ("Describe", "List", "Get")


class Front:
    """A WSGI application in front of moto's."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._apps: dict[str, Any] = {}
        self._locks: dict[str, threading.RLock] = {}
        self._guard = threading.Lock()
        self._answers: dict[str, Answer] = {}
        world.on_reset.append(self._answers.clear)

    def __call__(self, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        body = whole_body(environ)
        path = str(environ.get("PATH_INFO", ""))
        if path.startswith("/bench/"):
            return respond(control(self._world, path.removeprefix("/bench/"), body), start)
        call = None if path.startswith("/moto-api") else read_call(environ, body)
        rewind(environ, body)
        if call is None:
            return respond(self._by_moto(environ, None), start)
        return respond(self._answer(call, environ), start)

    def _answer(self, call: Call, environ: dict[str, Any]) -> Answer:
        entry = self._world.recording.start(call, self._world.identities.role_of(call.key))
        fault = self._world.faults.meeting(call)
        try:
            if fault is not None and fault.kind == "stale":
                return self._answers.get(same_call(call)) or self._accepted(call, environ, entry)
            if fault is not None and fault.moment == "before":
                self._suffer(fault)
            answer = self._accepted(call, environ, entry)
            if fault is not None and fault.moment == "after":
                self._suffer(fault)
        except AwsError as error:
            entry.update(status=error.status, error=error.code)
            return write_error(call, error)
        except DroppedConnectionError:
            entry["error"] = "dropped"
            raise
        except Exception as error:  # noqa: BLE001 - a fault of the bench itself is told to whoever meets it
            entry.update(status=400, error="BenchBroken")
            told = traceback.format_exc()
            self._world.note("broken", work=f"{call.service} {call.operation}", error=told)
            return write_error(call, AwsError("BenchBroken", f"{error!r}\n{told[-1500:]}"))
        return answer

    def _suffer(self, fault: Fault) -> None:
        if fault.kind == "hang":
            fault.hang()
            if not fault.is_dropped:
                return
        if fault.kind == "error":
            raise AwsError(fault.code, fault.message, fault.status)
        raise DroppedConnectionError("The bench was told to lose this answer.")

    def _accepted(self, call: Call, environ: dict[str, Any], entry: Document) -> Answer:
        found = strict.errors(call.service, call.operation, call.params)
        if found:
            raise AwsError("ValidationException", f"{len(found)} validation error(s) detected: " + "; ".join(found))
        for check in BEFORE.get((call.service, call.operation), ()):
            check(self._world, call)
        answer = self._done(call, environ)
        entry["status"] = answer.status
        if answer.status < 400:
            if call.operation.startswith(HISTORY) and len(answer.body) < 100_000:
                self._answers[same_call(call)] = answer
            for work in AFTER.get((call.service, call.operation), ()):
                work(self._world, call)
        return answer

    def _done(self, call: Call, environ: dict[str, Any]) -> Answer:
        handler = OPERATIONS.get((call.service, call.operation))
        if handler is None and call.service in OWN:
            raise AwsError("NotImplemented", f"The bench has no {call.service} {call.operation}.", 501)
        if handler is None:
            return self._by_moto(environ, call)
        if (call.service, call.operation) in UNLOCKED:
            return write_answer(call, handler(self._world, call))
        with self._world.lock:
            return write_answer(call, handler(self._world, call))

    def _by_moto(self, environ: dict[str, Any], call: Call | None) -> Answer:
        if call is None:
            return collected(self._moto, environ)
        with self._guard:
            # moto finds the application of a service anew for each request, which costs as much as a small request.
            app = self._apps.get(call.service) or self._apps.setdefault(
                call.service, self._moto.get_application(environ)
            )
            lock = self._locks.setdefault(call.service, threading.RLock())
        if call.service in FREE:
            return collected(app, environ)
        with lock:
            return collected(app, environ)


def same_call(call: Call) -> str:
    """Return what two calls have in common that ask the same."""
    return f"{call.service} {call.operation} {call.region} {sorted(call.params.items(), key=str)}"


def whole_body(environ: dict[str, Any]) -> bytes:
    """Return the payload and leave it readable again."""
    stream = environ["wsgi.input"]
    if environ.pop("HTTP_TRANSFER_ENCODING", "") == "chunked":
        body = stream.read()
    else:
        body = stream.read(int(environ.get("CONTENT_LENGTH") or 0))
    rewind(environ, body)
    return bytes(body)


def rewind(environ: dict[str, Any], body: bytes) -> None:
    environ["wsgi.input"] = io.BytesIO(body)
    environ["CONTENT_LENGTH"] = str(len(body))
    environ.pop("werkzeug.request", None)


def collected(application: Any, environ: dict[str, Any]) -> Answer:
    """Return what *application* answers, whole."""
    told: list[Any] = []

    def start(status: str, headers: list[tuple[str, str]], error: object = None) -> Callable[[bytes], object]:
        del error
        told[:] = [int(status.split(maxsplit=1)[0]), dict(headers)]
        return lambda data: None

    chunks = application(environ, start)
    try:
        body = b"".join(chunks)
    finally:
        if hasattr(chunks, "close"):
            chunks.close()
    return Answer(status=told[0], headers=told[1], body=body)


def respond(answer: Answer, start: Start) -> Iterable[bytes]:
    """Send *answer*; a HEAD keeps the length that moto names."""
    headers = {name: str(value) for name, value in answer.headers.items() if name.lower() != "status"}
    if not any(name.lower() == "content-length" for name in headers):
        headers["Content-Length"] = str(len(answer.body))
    headers.setdefault("x-amzn-RequestId", "00000000-0000-4000-8000-000000000000")
    start(f"{answer.status} Bench", list(headers.items()))
    return [answer.body]
