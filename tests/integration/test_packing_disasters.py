"""Packing, unpacking and freezing code in processes of their own that are killed, or meet a full disk."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from everfit.adapters.local.artifacts import LocalArtifacts
from everfit.adapters.local.code import LocalCode

# Audit events mark the places where the program touches the disk; what shall happen there, happens there exactly.
PACK = """
import os, signal, sys
from pathlib import Path
from everfit.adapters.local.artifacts import LocalArtifacts
from everfit.adapters.local.code import LocalCode
from everfit.domain.errors import EverfitError

home, source, kind, which = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
seen = 0

def watch(event, arguments):
    global seen
    if kind == "kill" and event in ("open", "os.rename", "os.chmod", "os.mkdir") and str(home) in str(arguments[0]):
        seen += 1
        if seen == which:
            os.kill(os.getpid(), signal.SIGKILL)
    if kind == "grow" and event == "open" and arguments[0] == source + "/weights":
        os.truncate(arguments[0], os.path.getsize(arguments[0]) + 1)

artifacts, code = LocalArtifacts(home), LocalCode(home)
sys.addaudithook(watch)
try:
    artifact = artifacts.pack(source, code.freeze(source).folder, "numpy")
    print("packed", artifact.digest, artifacts.unpacked(artifact.digest))
except EverfitError as error:
    print(type(error).__name__, getattr(error, "retryable", None), error)
"""


def pack(home: Path, model: Path, kind: str = "", which: int = 0, *, before: tuple[str, ...] = ()) -> str:
    """Freeze, pack and unpack in another process; return what it said, or the empty text when it was killed."""
    command = [*before, sys.executable, "-c", PACK, str(home), str(model), kind, str(which)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.stdout


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    (folder / "below").mkdir(parents=True)
    (folder / "weights").write_bytes(bytes(range(256)) * 4_000)
    (folder / "below" / "inference.py").write_text("def model_fn(folder): ...\n")
    return folder


def contents(folder: str | Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


def test_a_process_killed_anywhere_leaves_no_code_and_no_artifact_that_is_half_made(
    model: Path, tmp_path: Path
) -> None:
    whole = LocalArtifacts(tmp_path / "untouched")
    expected = whole.pack(str(model), str(model), "numpy")
    files = contents(whole.unpacked(expected.digest))
    for moment in range(1, 200, 5):
        home = tmp_path / f"home-{moment}"
        if pack(home, model, "kill", moment):
            break
        for kept in home.glob("artifacts/*.tar.gz"):
            LocalArtifacts(home).verify(f"sha256:{kept.name.removesuffix('.tar.gz')}")
        artifacts, code = LocalArtifacts(home), LocalCode(home).freeze(str(model))
        assert contents(code.folder) == contents(model)
        assert artifacts.pack(str(model), code.folder, "numpy") == expected
        assert contents(artifacts.unpacked(expected.digest)) == files
        artifacts.verify(expected.digest)
        assert not list(home.glob("*/.incoming-*"))
    assert moment > 30


def test_several_processes_can_pack_and_unpack_at_once(model: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", PACK, str(tmp_path / "home"), str(model), "", "0"]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    said = {process.communicate(timeout=60)[0] for process in running}
    assert len(said) == 1
    assert said.pop().startswith("packed")


def test_a_model_that_changes_while_it_is_packed_is_named(model: Path, tmp_path: Path) -> None:
    assert "weights changed while it was packed" in pack(tmp_path / "home", model, "grow")


@pytest.mark.parametrize("size", ["500k", "1500k", "2500k"])
def test_a_disk_that_fills_up_is_told_with_what_is_needed(model: Path, tmp_path: Path, size: str) -> None:
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "-rm", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine does not let its users mount")
    home = tmp_path / "home"
    home.mkdir()
    mount = f'mount -t tmpfs -o size={size} tmpfs {home} && exec "$@"'
    said = pack(home, model, before=(unshare, "-rm", "sh", "-c", mount, "sh"))
    assert said.startswith("StateError False There is no room for")
    assert "bytes are needed" in said
