"""A server such as an image might have, good or bad as its argument says; standard library only."""

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

BEHAVIOUR = sys.argv[1]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self.answer(503 if BEHAVIOUR == "sick" else 200, b"")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if BEHAVIOUR == "drop":
            self.close_connection = True
            return
        if BEHAVIOUR == "refuse":
            self.answer(500, b"too\n hot")
            return
        self.answer(200, json.dumps({"asked": body.decode(), "folder": os.environ["FOLDER"]}).encode())
        # Without saying so, as servers do that have a limit of their own.
        self.close_connection = BEHAVIOUR == "close"

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, text: str, *arguments: object) -> None:
        """Say nothing for each request."""


if __name__ == "__main__":
    if BEHAVIOUR == "crash":
        sys.stderr.write("no such weights\n")
        sys.exit(7)
    HTTPServer(("127.0.0.1", int(os.environ["SAGEMAKER_BIND_TO_PORT"])), Handler).serve_forever()
