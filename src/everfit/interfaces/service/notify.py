"""Tells the service manager how the service stands, by the protocol of ``sd_notify``."""

import socket
from contextlib import suppress


def notify(address: str | None, words: str) -> None:
    """Send *words*, such as ``READY=1``; nothing happens where no manager listens.

    Args:
        address: of a datagram socket; a leading ``@`` stands for one without a file.
    """
    if not address:
        return
    place = "\0" + address[1:] if address.startswith("@") else address
    # A manager that has gone away is no reason to stop.
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sending:
        sending.sendto(words.encode(), place)
