"""YAML as a tree with lines: one plain document of values, lists and keys, and nothing cleverer."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml
from yaml import events

from everfit.domain.document import Fields, Items, Node, Reading, Scalar
from everfit.domain.errors import ProjectError

MAX_BYTES = 1_000_000
MAX_VALUES = 20_000
MAX_DEPTH = 40

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_document(content: bytes, reading: Reading) -> Node:
    """Return what the YAML in *content* says; problems that leave a tree to read are noted in *reading*.

    Raises:
        ProjectError: there is nothing that could be read further.
    """
    text = _text(content, reading)
    builder = _Builder(reading=reading)
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            builder.take(event)
    except yaml.YAMLError as error:
        _note_syntax(error, text, reading)
    root = builder.root
    is_empty = root is None or (isinstance(root, Scalar) and root.value is None)
    if is_empty and not reading.problems:
        reading.add(1, "the file is empty", expected="at least model, data and gate")
    if root is None or is_empty:
        raise ProjectError(reading.problems)
    return root


def _text(content: bytes, reading: Reading) -> str:
    problem = "the file is larger than a project file can be" if len(content) > MAX_BYTES else None
    expected, line = f"at most {MAX_BYTES:,} bytes", None
    if problem is None:
        try:
            return content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = content[: error.start].count(b"\n") + 1
            problem, expected = "the file is not UTF-8 text", "a text file saved as UTF-8"
    reading.add(line, problem, expected=expected)
    raise ProjectError(reading.problems)


@dataclass(slots=True)
class _Open:
    """A list or mapping whose end has not come yet."""

    line: int
    anchor: str | None
    is_fields: bool
    nodes: list[Node] = field(default_factory=list[Node])


@dataclass(slots=True, kw_only=True)
class _Builder:
    """Builds the tree event by event, without recursion, so that no nesting can exhaust the stack."""

    reading: Reading
    root: Node | None = None
    _open: list[_Open] = field(default_factory=list[_Open])
    _anchors: dict[str, tuple[Node, int]] = field(default_factory=dict[str, tuple[Node, int]])
    _count: int = 0
    _documents: int = 0

    def take(self, event: events.Event) -> None:
        """Take the next event."""
        line = 1 if event.start_mark is None else event.start_mark.line + 1
        match event:
            case events.DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    self._stop(line, "there is a second document", "one document, without --- between parts")
            case events.ScalarEvent():
                self._check_tag(event.tag, line)
                is_quoted = event.style in ("'", '"', "|", ">")
                value = event.value
                self._add(Scalar(line=line, text=value, written=value, is_quoted=is_quoted), event.anchor)
            case events.AliasEvent():
                self._add_alias(str(event.anchor), line)
            case events.SequenceStartEvent() | events.MappingStartEvent():
                self._check_tag(event.tag, line)
                if len(self._open) >= MAX_DEPTH:
                    self._stop(line, f"values are nested more than {MAX_DEPTH} deep", "a flatter file")
                self._open.append(_Open(line, event.anchor, isinstance(event, events.MappingStartEvent)))
            case events.SequenceEndEvent() | events.MappingEndEvent():
                done = self._open.pop()
                self._add(self._closed(done), done.anchor)
            case _:
                pass

    def _add(self, node: Node, anchor: str | None) -> None:
        self._count += 1
        if anchor is not None:
            self._anchors[anchor] = (node, _size(node))
        if self._count > MAX_VALUES:
            self._stop(node.line, f"there are more than {MAX_VALUES:,} values", "a smaller file")
        if self._open:
            self._open[-1].nodes.append(node)
        else:
            self.root = node

    def _add_alias(self, anchor: str, line: int) -> None:
        if anchor not in self._anchors:
            self._stop(line, f"*{anchor} repeats no value that ended before it", f"&{anchor} at an earlier value")
        node, size = self._anchors[anchor]
        # Counted before it is used, so that aliases of aliases cannot grow without end.
        self._count += size
        self._add(node, None)

    def _closed(self, done: _Open) -> Node:
        if not done.is_fields:
            return Items(line=done.line, nodes=tuple(done.nodes))
        return Fields(line=done.line, pairs=tuple(self._pairs(done.nodes)))

    def _pairs(self, nodes: list[Node]) -> Iterator[tuple[Scalar, Node]]:
        first: dict[str, int] = {}
        for key, value in zip(nodes[::2], nodes[1::2], strict=True):
            if not isinstance(key, Scalar):
                self.reading.add(key.line, "a key must be a word", found=key, expected="key: value")
            elif key.text == "<<" and not key.is_quoted:
                self.reading.add(key.line, "<< does not merge keys here", expected="the keys written out")
            elif key.text in first:
                what = f"the key {key} stands twice, first in line {first[key.text]}"
                self.reading.add(key.line, what, expected="each key once")
            else:
                first[key.text] = key.line
                yield key, value

    def _check_tag(self, tag: str | None, line: int) -> None:
        if tag is not None:
            self.reading.add(line, "tags mean nothing here", found=tag, expected="the value without its tag")

    def _stop(self, line: int, message: str, expected: str) -> None:
        self.reading.add(line, message, expected=expected)
        raise ProjectError(self.reading.problems)


def _size(node: Node) -> int:
    """Return how many values *node* stands for, itself included."""
    match node:
        case Items():
            return 1 + sum(map(_size, node.nodes))
        case Fields():
            return 1 + sum(_size(value) for _, value in node.pairs)
        case Scalar():
            return 1


def _note_syntax(error: yaml.YAMLError, text: str, reading: Reading) -> None:
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        position = getattr(error, "position", None)
        line = text[:position].count("\n") + 1 if isinstance(position, int) else None
        reading.add(line, "the file holds a control character", expected="plain text")
        return
    line = error.problem_mark.line + 1
    lines = text.splitlines()
    words = lines[line - 1] if line <= len(lines) else ""
    message, expected = f"this is not YAML: {error.problem}", "key: value, - item, two spaces for each level"
    if re.match(r" *\t", words):
        message, expected = "a tab stands where the line is indented", "spaces"
    elif "mapping values are not allowed" in str(error.problem):
        message = "this is not YAML: a second colon, or a line that is indented too far"
        expected = 'a value with ": " in quotes, or {key: value}, or the same indentation as above'
    reading.add(line, message, found=words.strip()[:60] or None, expected=expected)
