"""The service manager is told."""

import socket
from pathlib import Path

import pytest

from everfit.interfaces.service.notify import notify


@pytest.mark.parametrize("is_abstract", [False, True])
def test_the_manager_hears_what_is_said(tmp_path: Path, *, is_abstract: bool) -> None:
    address = f"@{tmp_path.name}-everfit" if is_abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + address[1:] if is_abstract else address)
        notify(address, "READY=1")
        assert manager.recv(100) == b"READY=1"


@pytest.mark.parametrize("address", [None, "", "/nowhere/at/all"])
def test_nobody_who_listens_is_nothing_wrong(address: str | None) -> None:
    notify(address, "READY=1")
