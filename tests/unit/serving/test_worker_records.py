"""Where workers are spoken to, and what is written down of them."""

import stat
from dataclasses import replace
from pathlib import Path

import pytest

from everfit.domain.endpoint import ServedVersion
from everfit.serving.worker_records import (
    forget,
    new_listener,
    new_record,
    recorded_sockets,
    records,
    sockets,
    write_record,
)

VERSION = ServedVersion(
    model_name="houses", version=1, artifact="sha256:a", model="/models/a", python="/usr/bin/python"
)


def test_a_socket_lies_in_a_private_folder_with_a_short_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / ("long" * 40)))
    listener, path = new_listener(tmp_path)
    with listener:
        assert len(str(path)) < 100
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert sockets(tmp_path) == [path]
        forget(tmp_path / "absent" / "record.json", path)
    assert not path.parent.exists()


def test_a_folder_that_others_can_open_is_not_used_again(tmp_path: Path) -> None:
    first, path = new_listener(tmp_path)
    path.parent.chmod(0o755)
    second, other = new_listener(tmp_path)
    with first, second:
        assert other.parent != path.parent
    for each in (path, other):
        forget(tmp_path / "absent" / "record.json", each)


def test_what_this_front_has_written_is_not_left_by_another(tmp_path: Path) -> None:
    record = new_record(VERSION, tmp_path / "a.s", 0)
    written = write_record(tmp_path, record)
    assert list(records(tmp_path)) == []
    assert list(recorded_sockets(tmp_path)) == [tmp_path / "a.s"]
    written.write_text(written.read_text().replace(record.front, "another"))
    ((path, found),) = records(tmp_path)
    assert (path, found) == (written, replace(record, front="another"))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"socket": 1, "later": true}'])
def test_a_record_that_cannot_be_read_is_no_worker(tmp_path: Path, text: str) -> None:
    (tmp_path / ".workers").mkdir()
    path = tmp_path / ".workers" / "a.json"
    path.write_text(text)
    assert list(records(tmp_path)) == []
    assert not path.exists()


@pytest.mark.parametrize("changed", [{"artifact": "sha256:b"}, {"model": "/b"}, {"python": "/b"}, {"script": "b.py"}])
def test_a_worker_of_anything_else_does_not_fit(changed: dict[str, str]) -> None:
    record = new_record(VERSION, Path("a.s"), 0)
    assert record.fits(VERSION)
    assert record.fits(replace(VERSION, workers=3))
    assert not record.fits(replace(VERSION, **changed))  # type: ignore[arg-type]  # names of fields
