"""Writes what is made from the table of keys: ``docs/reference/project-file.md`` and the JSON Schema.

Run it after a change of ``everfit.domain.keys``: ``python docs/generate.py``.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from everfit.domain.keys import PROJECT
from everfit.domain.project_schema import json_schema
from everfit.domain.value import Either, Key, ListOf, Named, Section, ValueKind

ROOT = Path(__file__).resolve().parents[1]

INTRODUCTION = """# The project file

<!-- Made by docs/generate.py from the table in src/everfit/domain/keys.py; edit that instead. -->

`everfit.yaml` says everything about a project. The shortest one:

```yaml
model: house-prices
data: {source: data/, target: price}
train: {script: train.py}
gate:
  - r2 >= 0.8
```

`everfit check` reads it and tells every problem at once, each with its line, what was found, what was expected and
the nearest right word.

## How values are written

| value | written | note |
| --- | --- | --- |
| time | `200ms`, `30s`, `5m`, `1h`, `7d`, `2w`, `1h 30m` | a number alone is refused |
| size | `500MB` (millions of bytes), `10GiB` (powers of two) | a number alone is refused |
| share | `20%` or `0.2` | `20` is refused, because it could mean either |
| truth | `true`, `false` | `yes`, `no`, `on` and `off` are texts, as YAML 1.2 has it |
| variable | `${NAME}`, also within a text | replaced from the environment; never printed; `$${` stands for `${` |

A variable that is not set is a problem. A value without quotes is read after its variables are replaced, so
`epochs: ${EPOCHS}` gives a number and `"${EPOCHS}"` a text. Values of four and more characters that came from a
variable are secrets: they are cut out of everything that Everfit prints.

One document, without tags or merge keys (`<<`); anchors and aliases are fine. A key that stands twice is refused.

What a rule may say is in [gate rules](gate-rules.md), and what each metric means in [metrics](metrics.md).

## Keys

*Later* marks keys that are checked, but not acted on by this release; `everfit check` names those that a project uses.
"""

HEADER = "| key | value | default | |\n| --- | --- | --- | --- |\n"


def sections(at: str, kind: ValueKind) -> Iterator[tuple[str, tuple[Key, ...]]]:
    """Give every section with its full name, outermost first."""
    match kind:
        case Section():
            yield at, kind.keys
            for key in kind.keys:
                yield from sections(f"{at}.{key.name}" if at else key.name, key.kind)
        case Either():
            yield from sections(at, kind.section)
        case ListOf():
            yield from sections(f"{at}[]", kind.each)
        case Named():
            yield from sections(f"{at}.<name>", kind.each)
        case _:
            pass


def reference() -> str:
    """Return the reference page."""
    parts = [INTRODUCTION]
    for name, keys in sections("", PROJECT):
        title = f"### `{name}`" if name else "### The whole file"
        parts.append(f"\n{title}\n\n{HEADER}" + "".join(map(row, keys)))
    return "".join(parts)


def row(key: Key) -> str:
    """Return the line of the page for a key."""
    default = "**required**" if key.is_required else key.default or ""
    doc = key.doc + (" *Later.*" if key.is_later else "")
    words = "keys with values, below" if isinstance(key.kind, Section) else key.kind.words
    cells = (f"`{key.name}`", words, default, doc)
    return "| " + " | ".join(cell.replace("|", "\\|").replace("<", "&lt;") for cell in cells) + " |\n"


def generated() -> dict[Path, str]:
    """Return every generated file with what it must hold."""
    return {
        ROOT / "docs/reference/project-file.md": reference(),
        ROOT / "src/everfit/everfit.schema.json": json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n",
    }


if __name__ == "__main__":
    for path, text in generated().items():
        path.write_text(text, encoding="utf-8")
