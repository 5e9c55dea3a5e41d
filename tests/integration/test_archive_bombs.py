"""Archives of somebody else that would take the memory, the disk or a file elsewhere, here and in a function."""

import gzip
import hashlib
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from everfit.adapters.files.archive import extract_archive
from everfit.domain.errors import RefusedError
from everfit.serving.errors import UnusableModelError
from everfit.serving.function import ModelPlace, fetched

LIMIT = 10_000_000
MEMORY = 1 << 30
ZEROS = gzip.compress(bytes(64 << 20), compresslevel=1)
UNPACK = """
import resource, sys
from pathlib import Path
from everfit.adapters.files.archive import extract_archive
from everfit.domain.errors import RefusedError

resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[3]), int(sys.argv[3])))
try:
    extract_archive(Path(sys.argv[1]), Path(sys.argv[2]), limit=int(sys.argv[4]))
except RefusedError as error:
    print("refused:", error)
"""


def header(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0, link: str = "") -> bytes:
    member = tarfile.TarInfo(name)
    member.type, member.size, member.linkname = kind, size, link
    return member.tobuf(tarfile.GNU_FORMAT)


def archive(path: Path, *parts: bytes) -> Path:
    path.write_bytes(gzip.compress(b"".join(parts) + bytes(2 * tarfile.BLOCKSIZE)))
    return path


def bomb(path: Path, first: bytes) -> Path:
    """Write a header followed by 4 GB of zeros, which take less than 20 MB."""
    path.write_bytes(gzip.compress(first) + ZEROS * 64)
    return path


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "target").mkdir()
    return tmp_path / "target"


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        (header("model", size=4 << 30), "what is in the archive is too large"),
        (header("model", tarfile.GNUTYPE_LONGNAME, 4 << 30), "a header of 4294967296 bytes"),
        (header("model", tarfile.XHDTYPE, 4 << 30), "a header of 4294967296 bytes"),
        (header("model", tarfile.XGLTYPE, 4 << 30), "a header of 4294967296 bytes"),
    ],
)
def test_an_archive_that_inflates_to_gigabytes_fills_neither_memory_nor_disk(
    tmp_path: Path, target: Path, first: bytes, reason: str
) -> None:
    """Archives are unpacked with a guard against those that are small and become large (a zip bomb)."""
    packed = bomb(tmp_path / "packed", first)
    command = [sys.executable, "-c", UNPACK, str(packed), str(target), str(MEMORY), str(LIMIT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert reason in done.stdout
    assert list(target.iterdir()) == []


def test_more_members_than_are_allowed_are_refused(tmp_path: Path, target: Path) -> None:
    packed = archive(tmp_path / "packed", *(header(f"folder/{number}") for number in range(3)))
    extract_archive(packed, target, limit=LIMIT, most=4)
    with pytest.raises(RefusedError, match="there is too much in the archive"):
        extract_archive(packed, tmp_path, limit=LIMIT, most=3)


def shared_header(number: int) -> bytes:
    """Return a header for all members, as ``git archive`` writes one, with a name of its own."""
    record = f"15 n{number:04}=value\n".encode()
    assert len(record) == 15
    return header("shared", tarfile.XGLTYPE, len(record)) + record.ljust(tarfile.BLOCKSIZE, b"\0")


def test_headers_that_hold_for_all_members_are_bounded(tmp_path: Path, target: Path) -> None:
    few = [part for number in range(20) for part in (shared_header(number), header(f"file{number}"))]
    extract_archive(archive(tmp_path / "few", *few), target, limit=LIMIT)
    many = [part for number in range(200) for part in (shared_header(number), header(f"file{number}"))]
    (tmp_path / "other").mkdir()
    with pytest.raises(RefusedError, match="there is too much in the archive"):
        extract_archive(archive(tmp_path / "many", *many), tmp_path / "other", limit=LIMIT)


def test_a_chain_of_headers_without_an_end_is_refused(tmp_path: Path, target: Path) -> None:
    chain = [shared_header(number) for number in range(3000)]
    # How deep the library reads such a chain before it gives up depends on who has called it.
    with pytest.raises(RefusedError, match=r"is not a whole archive|there is too much in the archive"):
        extract_archive(archive(tmp_path / "chain", *chain, header("file")), target, limit=LIMIT)


@pytest.mark.parametrize("cut", [1, 8, 30])
def test_an_archive_that_was_cut_off_is_refused_and_not_taken_for_a_full_disk(
    tmp_path: Path, target: Path, cut: int
) -> None:
    packed = archive(tmp_path / "packed", header("file", size=5_000), bytes(5_120))
    packed.write_bytes(packed.read_bytes()[:-cut])
    with pytest.raises(RefusedError, match="is not a whole archive"):
        extract_archive(packed, target, limit=LIMIT)


def test_an_archive_with_a_wrong_checksum_is_refused_and_not_taken_for_a_full_disk(
    tmp_path: Path, target: Path
) -> None:
    packed = archive(tmp_path / "packed", header("file", size=5_000), bytes(5_120))
    data = bytearray(packed.read_bytes())
    data[-8] ^= 1
    packed.write_bytes(bytes(data))
    with pytest.raises(RefusedError, match="is not a whole archive"):
        extract_archive(packed, target, limit=LIMIT)


@contextmanager
def bucket(content: bytes) -> Iterator[str]:
    """Serve an object in the way of S3."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *words: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            serving.join()


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make this process look like a function's: keys, a region and a temporary folder."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "made-up")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    return tmp_path / "scratch"


@pytest.mark.parametrize(
    "parts",
    [
        (header("../evil"),),
        (header("a/../../evil"),),
        (header("link", tarfile.SYMTYPE, link="/etc"), header("link/evil")),
        (header("link", tarfile.SYMTYPE, link="../../evil"),),
        (header("hard", tarfile.LNKTYPE, link="../evil"),),
        (header("device", tarfile.CHRTYPE),),
    ],
)
def test_a_function_unpacks_nothing_outside_its_folder(
    tmp_path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch, parts: tuple[bytes, ...]
) -> None:
    content = archive(tmp_path / "packed", *parts).read_bytes()
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    with bucket(content) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)
        place = ModelPlace(url="s3://bucket/model.tar.gz", digest=digest, version="1", script=None)
        with pytest.raises(UnusableModelError, match="cannot be unpacked"):
            fetched(place)
    assert "evil" not in {path.name for path in tmp_path.rglob("*")}
    assert not (scratch / "everfit" / digest.removeprefix("sha256:")).exists()


def test_a_function_takes_no_other_bytes_than_those_that_were_judged(
    tmp_path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = archive(tmp_path / "packed", header("model", size=3), bytes(512)).read_bytes()
    with bucket(content) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)
        place = ModelPlace(url="s3://bucket/model.tar.gz", digest="sha256:" + "0" * 64, version="1", script=None)
        with pytest.raises(UnusableModelError, match="holds other bytes"):
            fetched(place)
    assert [path for path in scratch.rglob("*") if path.is_file()] == []
