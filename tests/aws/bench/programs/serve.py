"""The `serve` of a serving image: answer /ping and /invocations by the model in /opt/ml/model (FACTS §5).

The handlers are those of the framework images: the user's functions, or the default ones.
"""

import json
import os
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from everfit.serving.handlers import LoadedModel, UnreadableRequestError, load

BASE = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
PORT = int(os.environ.get("SAGEMAKER_BIND_TO_PORT") or 8080)


class Handler(BaseHTTPRequestHandler):
    """One request of the platform."""

    model: LoadedModel
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self.answer(200 if self.path == "/ping" else 404, b"")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path != "/invocations":
            self.answer(404, b"")
            return
        accept = self.headers.get("Accept", "")
        if accept in {"", "*/*"}:
            accept = os.environ.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", "application/json")
        try:
            answer, kind = self.model.invoke(body, self.headers.get("Content-Type", "application/json"), accept)
        except UnreadableRequestError as error:
            self.answer(400, json.dumps({"error": str(error)}).encode())
        except Exception as error:  # noqa: BLE001 - what the user's code does wrong is an answer, not an end
            traceback.print_exc()
            self.answer(500, json.dumps({"error": f"{type(error).__name__}: {error}"}).encode())
        else:
            self.answer(200, answer, kind)

    def answer(self, status: int, body: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, text: str, *arguments: object) -> None:
        """Say nothing for each request."""


def main() -> None:
    """Load the model, then listen: until then nobody answers /ping."""
    script = os.environ.get("SAGEMAKER_PROGRAM")
    Handler.model = load(str(BASE / "model"), script)
    server = ThreadingHTTPServer(("127.0.0.1", PORT), Handler)
    server.daemon_threads = True
    print(f"Serving on {PORT}", flush=True)  # noqa: T201 - the log of the container
    server.serve_forever()


if __name__ == "__main__":
    main()
