"""Freezing in processes of their own that are killed, or meet a full or read-only disk."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from blake3 import blake3

from everfit.adapters.local.data_source import LocalDataSource
from everfit.domain.snapshot import object_path

# Audit events mark the places where the program touches the disk; what shall happen there, happens there exactly.
FREEZE = """
import os, signal, sys
from datetime import timedelta
from pathlib import Path
from everfit.adapters.local.data_source import LocalDataSource
from everfit.domain.errors import EverfitError

home, source, kind, which = Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
seen = 0

def watch(event, arguments):
    global seen
    if kind == "kill" and event in ("open", "os.rename", "os.utime", "os.mkdir") and str(home) in str(arguments[0]):
        seen += 1
        if seen == int(which):
            os.kill(os.getpid(), signal.SIGKILL)
    if event == "open" and kind in ("grow", "vanish") and str(arguments[0]).endswith("big.bin"):
        seen += 1
        if seen <= int(which):
            os.truncate(source + "/big.bin", 3_000_000 + seen) if kind == "grow" else os.unlink(source + "/big.bin")

    if event == "open" and kind == "count" and str(arguments[0]).startswith(source):
        seen += 1

data = LocalDataSource(home, quiet=timedelta(days=int(which))) if kind == "count" else LocalDataSource(home)
sys.addaudithook(watch)
try:
    snapshot = data.freeze(source)
except EverfitError as error:
    print(type(error).__name__, getattr(error, "retryable", None), error)
else:
    print("frozen", snapshot.id, len(snapshot.files), *([seen] if kind == "count" else []))
"""


def freeze(home: Path, source: Path, kind: str = "", which: int = 0, *, before: tuple[str, ...] = ()) -> str:
    """Freeze in another process; return what it said, or the empty text when it was killed."""
    command = [*before, sys.executable, "-c", FREEZE, str(home), str(source), kind, str(which)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.stdout


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "a.csv").write_bytes(b"1,2\n")
    (folder / "b.csv").write_bytes(b"3,4\n")
    (folder / "big.bin").write_bytes(bytes(range(256)) * 10_000)
    return folder


def test_a_process_killed_anywhere_leaves_nothing_half_made_that_is_trusted(source: Path, tmp_path: Path) -> None:
    expected = LocalDataSource(tmp_path / "untouched").freeze(str(source))
    for moment in range(1, 200, 2):
        home = tmp_path / f"home-{moment}"
        if freeze(home, source, "kill", moment):
            break
        data = LocalDataSource(home)
        assert data.freeze(str(source)) == expected
        data.verify(expected.id)
        kept = [path for path in (home / "objects").rglob("*") if path.is_file() and path.name != ".lock"]
        assert len(kept) == len(expected.files)
        for path in kept:
            assert str(path).endswith(object_path(f"blake3:{blake3(path.read_bytes()).hexdigest()}"))
    assert moment > 15


def test_only_files_that_may_have_changed_are_read_again(source: Path, tmp_path: Path) -> None:
    assert freeze(tmp_path / "home", source, "count").endswith(" 3 3\n")
    assert freeze(tmp_path / "home", source, "count").endswith(" 3 0\n")
    (source / "a.csv").write_bytes(b"5,6\n")
    assert freeze(tmp_path / "home", source, "count").endswith(" 3 1\n")


def test_a_file_that_was_written_a_moment_ago_is_read_again(source: Path, tmp_path: Path) -> None:
    for path in source.iterdir():
        path.touch()
    assert freeze(tmp_path / "home", source, "count", 1).endswith(" 3 3\n")
    assert freeze(tmp_path / "home", source, "count", 1).endswith(" 3 3\n")


def test_several_processes_can_freeze_at_once(source: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", FREEZE, str(tmp_path / "home"), str(source), "", "0"]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert len({process.communicate(timeout=60)[0] for process in running}) == 1
    data = LocalDataSource(tmp_path / "home")
    data.verify(data.freeze(str(source)).id)


def test_a_file_that_changes_while_it_is_read_is_read_again(source: Path, tmp_path: Path) -> None:
    said = freeze(tmp_path / "home", source, "grow", 2)
    assert said.startswith("frozen")
    assert said.split()[1] == LocalDataSource(tmp_path / "other").freeze(str(source)).id


def test_a_file_that_goes_on_changing_is_named_and_can_be_tried_again(source: Path, tmp_path: Path) -> None:
    said = freeze(tmp_path / "home", source, "grow", 1_000)
    assert said.startswith("BackendError True")
    assert "big.bin went on changing" in said


def test_a_file_that_goes_away_while_the_others_are_read_is_not_in_the_snapshot(source: Path, tmp_path: Path) -> None:
    assert freeze(tmp_path / "home", source, "vanish", 1).endswith(" 2\n")


def in_own_mounts(*commands: str) -> tuple[str, ...]:
    """Return the beginning of a command that sees these mounts, or skip the test where that is not allowed."""
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "-rm", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine does not let its users mount")
    return (unshare, "-rm", "sh", "-c", " && ".join([*commands, 'exec "$@"']), "sh")


def test_a_full_disk_is_told_with_what_is_needed_and_what_is_free(source: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    said = freeze(home, source, before=in_own_mounts(f"mount -t tmpfs -o size=200k tmpfs {home}"))
    assert said.startswith("StateError False There is no room for"), said
    assert f"{2_560_008:,} bytes are needed" in said
    assert "bytes are free" in said


def test_a_read_only_state_folder_says_so(source: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    said = freeze(home, source, before=in_own_mounts(f"mount -t tmpfs -o ro tmpfs {home}"))
    assert said.startswith("StateError False")
    assert "may not be written" in said


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users can reach."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize("path", ["data", "data/a.csv"])
def test_a_source_that_may_not_be_read_says_so(open_folder: Path, path: str) -> None:
    (open_folder / "data").mkdir()
    (open_folder / "data" / "a.csv").write_text("1")
    (open_folder / path).chmod(0)
    # Root may read everything: another user has to try.
    before = ("setpriv", "--reuid=65534", "--clear-groups") if os.geteuid() == 0 else ()
    if before and shutil.which(before[0]) is None:
        pytest.skip("setpriv is not here to become another user")
    said = freeze(open_folder / "home", open_folder / "data", before=before)
    (open_folder / "data").chmod(0o700)
    assert said.startswith("RequestError")
    assert "may not be read" in said
