"""One service for each state folder, by a lock that dies with its process."""

from pathlib import Path

import pytest

from everfit.adapters.local.service_lock import Holder, ServiceLock
from everfit.domain.errors import BusyError

ME = Holder(process="process 7 on here", since="2026-11-21T09:00:00+00:00")


def test_the_second_service_is_told_who_keeps_the_folder(tmp_path: Path) -> None:
    with ServiceLock(tmp_path).held(ME):
        ServiceLock(tmp_path).note(Holder(process=ME.process, since=ME.since, url="http://127.0.0.1:8700"))
        with (
            pytest.raises(BusyError, match=r"process 7 on here .*2026-11-21.* http://127\.0\.0\.1:8700"),
            ServiceLock(tmp_path).held(ME),
        ):
            pytest.fail("both hold it")


def test_a_lock_that_was_let_go_can_be_taken_and_names_nobody(tmp_path: Path) -> None:
    lock = ServiceLock(tmp_path)
    with lock.held(ME):
        assert lock.holder() == ME
    assert lock.holder() is None
    with ServiceLock(tmp_path).held(ME):
        pass


def test_services_on_one_database_server_share_a_folder(tmp_path: Path) -> None:
    with ServiceLock(tmp_path, shared=True).held(ME), ServiceLock(tmp_path, shared=True).held(ME):
        assert ServiceLock(tmp_path).holder() == ME


def test_a_folder_that_no_service_ever_kept_has_no_holder(tmp_path: Path) -> None:
    assert ServiceLock(tmp_path / "nothing").holder() is None


def test_a_note_that_cannot_be_read_still_means_that_somebody_is_there(tmp_path: Path) -> None:
    with ServiceLock(tmp_path).held(ME):
        (tmp_path / "service.lock").write_text("{")
        holder = ServiceLock(tmp_path).holder()
        assert holder is not None
