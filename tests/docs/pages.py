"""The Markdown pages of the repository, and what stands in them."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PLACES = (ROOT, ROOT / "docs", ROOT / "examples")
PAGES = sorted(
    {page for place in PLACES for page in place.glob("*.md" if place == ROOT else "**/*.md") if "/." not in str(page)}
)
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path, language: str) -> list[str]:
    return [text for kind, text in BLOCK.findall(page.read_text(encoding="utf-8")) if kind == language]


def links(page: Path) -> Iterator[str]:
    """Yield the links of a page that do not lead out of the repository."""
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    yield from (link for link in LINK.findall(text) if "://" not in link and not link.startswith("mailto:"))


def anchors(page: Path) -> set[str]:
    """Return the anchors that a renderer gives to the headings of a page."""
    headings = HEADING.findall(BLOCK.sub("", page.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def spans(page: Path) -> list[str]:
    """Return what stands between backticks in the running text of a page."""
    return re.findall(r"`([^`\n]+)`", BLOCK.sub("", page.read_text(encoding="utf-8")))


def called_commands(page: Path) -> Iterator[list[str]]:
    """Yield the words after ``everfit`` in each call that a page shows, in code spans and blocks."""
    text = page.read_text(encoding="utf-8")
    lines = [line.split(" #")[0] for _, block in BLOCK.findall(text) for line in block.splitlines()]
    for piece in (part for each in (*spans(page), *lines) for part in re.split(r"&&|\||\$\(|<\(", each)):
        words = piece.strip().removeprefix("$ ").rstrip(")").split()
        if len(words) > 1 and words[0] == "everfit" and "│" not in piece:
            yield words[1:]
