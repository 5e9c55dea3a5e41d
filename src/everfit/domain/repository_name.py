"""The name of a repository, the same for all the ways in which its address can be written."""

import re
from typing import Final

from everfit.domain.errors import RuleError
from everfit.domain.release_name import is_encodable

ADDRESS_WORDS: Final = "the address of a git repository such as https://github.com/owner/name, or a folder"
_URL: Final = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?:[^/@]*@)?(?P<host>\[[^\]]*\]|[^/:]*)(?::(?P<port>[0-9]*))?(?P<path>/.*)?"
)
_SCP: Final = re.compile(r"(?:[^/@:]+@)?(?P<host>[^/:@]+|\[[^\]]*\]):(?P<path>(?!:).*)")
_USUAL_PORTS: Final = {"https": "443", "http": "80", "ssh": "22", "git": "9418", "git+ssh": "22"}
_CREDENTIALS: Final = re.compile(r"(?<=://)[^/@\s]*@")
# GitHub answers SSH on the port of HTTPS under a host name of its own.
_SAME_HOST: Final = {"ssh.github.com:443": "github.com", "ssh.github.com": "github.com", "www.github.com": "github.com"}


def check_address(text: str) -> str:
    """Return the address, or raise ``RuleError`` when git must not be given it."""
    if text.startswith("-") or not text.isprintable() or not is_encodable(text):
        raise RuleError("it is not the address of a repository", expected=ADDRESS_WORDS)
    if re.match(r"[A-Za-z0-9+.-]*::", text):
        raise RuleError("it would start a program", expected=ADDRESS_WORDS)
    return text


def is_folder(address: str) -> bool:
    """Tell whether the address is a folder of this machine."""
    if address.lower().startswith("file://"):
        return True
    return _URL.fullmatch(address) is None and _SCP.fullmatch(address) is None


def folder_of(address: str) -> str:
    """Return the path of an address that is a folder."""
    return re.sub(r"^file://(?:localhost(?=/))?", "", address, flags=re.IGNORECASE)


def repository_name(address: str) -> str:
    """Return ``host/owner/name`` in small letters without user, usual port and ``.git``; a folder as it is."""
    if is_folder(address):
        return folder_of(address).rstrip("/") or "/"
    match = _URL.fullmatch(address) or _SCP.fullmatch(address)
    if match is None:
        return address
    parts = match.groupdict()
    port = parts.get("port") or ""
    usual = _USUAL_PORTS.get((parts.get("scheme") or "ssh").lower())
    host = parts["host"] if port in ("", usual) else f"{parts['host']}:{port}"
    path = re.sub(r"\.git/*$", "", (parts["path"] or "").strip("/"), flags=re.IGNORECASE).strip("/")
    name = f"{host}/{path}".casefold()
    start = name.partition("/")[0]
    return name if start not in _SAME_HOST else _SAME_HOST[start] + name[len(start) :]


def without_credentials(text: str) -> str:
    """Return the text with what stands before the @ of every URL taken out."""
    return _CREDENTIALS.sub("", text)
