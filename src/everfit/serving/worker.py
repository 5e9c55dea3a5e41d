"""One process that holds one model and answers one request at a time; it ends when the host does.

Runs in the model's own interpreter, with the standard library alone.
"""

import ctypes
import json
import os
import signal
import socket
import sys
import threading
import traceback
from typing import Any, BinaryIO, Final, cast

from everfit.serving.frames import encoded, read_frame
from everfit.serving.handlers import LoadedModel, UnreadableRequestError, UnusableModelError, load

DIE_WITH_PARENT: Final = 1


def main() -> None:
    """Serve on the socket that was handed over until it is closed."""
    connection, life = int(sys.argv[1]), int(sys.argv[2])
    model, script = json.loads(sys.argv[3])
    end_with_host(life)
    stream = cast("BinaryIO", socket.socket(fileno=connection).makefile("rwb"))
    try:
        loaded = load(model, script)
    except UnusableModelError as error:
        traceback.print_exc()
        send(stream, {"kind": "unusable", "message": str(error)})
        return
    send(stream, {"kind": "ready"})
    try:
        while True:
            header, body = read_frame(stream)
            send(stream, *answer(loaded, header, body))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return


def end_with_host(life: int) -> None:
    """End this process, whatever it is doing, when the other end of *life* is gone."""
    if sys.platform == "linux":
        # The thread below cannot run while native code holds the interpreter's lock; the kernel can.
        ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL)
    threading.Thread(target=wait_for_end, args=(life,), daemon=True).start()


def wait_for_end(life: int) -> None:
    """Block until nobody holds the other end of *life*, then end."""
    os.read(life, 1)
    os._exit(1)


def answer(loaded: LoadedModel, header: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
    """Return the answer to one request; what the user's code raises becomes its message."""
    try:
        content, content_type = loaded.invoke(body, header["content_type"], header["accept"])
    except UnreadableRequestError as error:
        return {"status": error.status, "content_type": "text/plain"}, str(error).encode()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever the user's code does, the next request is answered
        traceback.print_exc()
        sys.stderr.flush()
        text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        return {"status": 500, "content_type": "text/plain"}, text.encode()
    return {"status": 200, "content_type": content_type}, content


def send(stream: BinaryIO, header: dict[str, Any], body: bytes = b"") -> None:
    """Write a frame."""
    stream.write(encoded(header, body))
    stream.flush()


if __name__ == "__main__":
    main()
