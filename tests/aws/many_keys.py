"""A server that answers as S3 does for a bucket of any number of objects, which it makes up while it is asked.

So listing a million keys measures the one who lists. What is written is kept as its size and digest alone.
"""

import base64
import hashlib
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import parse_qs, quote, unquote, urlsplit

import pytest

from everfit.adapters.aws.clients import Clients

PAGE = 1000
HEAD = '<?xml version="1.0" encoding="UTF-8"?>'
NAMESPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


class ManyKeys:
    """The bucket.

    Args:
        count: how many objects it holds below ``data/``.
        breaks_at: the number of the page from which on it fails.
    """

    def __init__(self, count: int, *, is_versioned: bool = False, breaks_at: int | None = None) -> None:
        self.count = count
        self.breaks_at = breaks_at
        self.is_versioned = is_versioned
        self.pages = 0
        self.sizes: dict[str, tuple[int, str]] = {}

    def listed(self, query: dict[str, list[str]]) -> str:
        """Return a page of a listing."""
        self.pages += 1
        marker = query.get("continuation-token") or query.get("key-marker") or ["0"]
        start = int(marker[0].rpartition("/")[2].removesuffix(".csv"))
        end = min(start + int((query.get("max-keys") or [str(PAGE)])[0]), self.count)
        rows = "".join(self._row(number) for number in range(start, end))
        is_cut = end < self.count
        kind = "ListVersionsResult" if "versions" in query else "ListBucketResult"
        following = ""
        if is_cut and "versions" in query:
            following = f"<NextKeyMarker>{self._key(end)}</NextKeyMarker><NextVersionIdMarker>v</NextVersionIdMarker>"
        elif is_cut:
            following = f"<NextContinuationToken>{end}</NextContinuationToken>"
        return (
            f"{HEAD}<{kind} {NAMESPACE}><Name>many</Name><EncodingType>url</EncodingType>"
            f"<KeyCount>{end - start}</KeyCount><IsTruncated>{str(is_cut).lower()}</IsTruncated>"
            f"{following}{rows}</{kind}>"
        )

    def _key(self, number: int) -> str:
        return quote(f"data/{number // 1000:04}/{number:07}.csv")

    def _row(self, number: int) -> str:
        kind = "Version" if self.is_versioned else "Contents"
        version = "<VersionId>v1</VersionId><IsLatest>true</IsLatest>" if self.is_versioned else ""
        etag = f"{number:032x}"
        return (
            f"<{kind}><Key>{self._key(number)}</Key>{version}<LastModified>2026-11-21T09:00:00.000Z</LastModified>"
            f"<ETag>&quot;{etag}&quot;</ETag>"
            f"<Size>{100 + number % 10}</Size><StorageClass>STANDARD</StorageClass></{kind}>"
        )


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    bucket: ClassVar[ManyKeys]

    def do_HEAD(self) -> None:
        key = unquote(urlsplit(self.path).path)
        if key.count("/") == 1:
            self._answer(200, {"x-amz-bucket-region": "us-east-1"})
        elif key in self.bucket.sizes:
            size, checksum = self.bucket.sizes[key]
            headers = {"ETag": '"e"', "Last-Modified": formatdate(usegmt=True), "x-amz-checksum-sha256": checksum}
            self._answer(200, {**headers, "Content-Length": str(size)})
        else:
            self._answer(404, {})

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query, keep_blank_values=True)
        if "versioning" in query:
            status = "<Status>Enabled</Status>" if self.bucket.is_versioned else ""
            self._answer(200, {}, f"{HEAD}<VersioningConfiguration {NAMESPACE}>{status}</VersioningConfiguration>")
        elif self.bucket.pages == self.bucket.breaks_at:
            self._answer(409, {}, f"{HEAD}<Error><Code>OperationAborted</Code><Message>Try again.</Message></Error>")
        else:
            self._answer(200, {}, self.bucket.listed(query))

    def do_PUT(self) -> None:
        left, hasher = int(self.headers["Content-Length"]), hashlib.sha256()
        size = left
        while left:
            part = self.rfile.read(min(left, 1 << 20))
            hasher.update(part)
            left -= len(part)
        checksum = base64.b64encode(hasher.digest()).decode()
        self.bucket.sizes[unquote(urlsplit(self.path).path)] = (size, checksum)
        self._answer(200, {"ETag": '"e"'})

    def log_message(self, format: str, *args: object) -> None:
        del format, args

    def _answer(self, status: int, headers: dict[str, str], body: str = "") -> None:
        self.send_response(status)
        data = body.encode()
        for name, value in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)


@contextmanager
def clients_of(bucket: ManyKeys) -> Iterator[Clients]:
    """Give clients for which each bucket is this one."""
    with serving(bucket) as address, pytest.MonkeyPatch.context() as variables:
        variables.setenv("AWS_ENDPOINT_URL", address)
        variables.setenv("AWS_ACCESS_KEY_ID", "any")
        variables.setenv("AWS_SECRET_ACCESS_KEY", "any")
        clients = Clients("us-east-1")
        with closing(clients("s3")):
            yield clients


@contextmanager
def serving(bucket: ManyKeys) -> Iterator[str]:
    """Serve the bucket, whatever it is called, and give the address."""
    handler = type("Handler", (_Handler,), {"bucket": bucket})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
