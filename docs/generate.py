"""Writes what is made from the code, into whole pages or between markers of a page.

From the table of keys: ``docs/reference/project-file.md`` and the JSON Schema. From the commands: the list in
``docs/reference/cli.md``. From the routes: ``docs/reference/http-api.md``. From the tables of moves: the state diagrams
in ``docs/concepts/``. Run it after a change of any of these: ``python docs/generate.py``.
"""

import importlib.util
import json
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import TypeVar

import click

from everfit.domain import run, version
from everfit.domain.keys import PROJECT
from everfit.domain.project_schema import json_schema
from everfit.domain.value import Either, Key, ListOf, Named, Section, ValueKind
from everfit.interfaces.cli.main import COMMANDS, everfit

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


def commands() -> str:
    """Return a section for each command, in the order of ``everfit --help``."""
    context = click.Context(everfit, info_name="everfit")
    found = {name: everfit.get_command(context, name) for name in COMMANDS}
    return "\n".join(
        command_section(*one) for name, command in found.items() if command is not None for one in each(name, command)
    )


def each(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    """Yield the command, or those that it is a group of."""
    if isinstance(command, click.Group):
        yield from ((f"{name} {below}", one) for below, one in command.commands.items())
    else:
        yield name, command


def command_section(name: str, command: click.Command) -> str:
    """Return the section of one command: how it is called, what it does, its options."""
    with click.Context(command, info_name=f"everfit {name}") as context:
        usage = " ".join(command.collect_usage_pieces(context))
        records = [part.get_help_record(context) for part in command.params if part.param_type_name == "option"]
    rows = "".join(f"| `{cell(names)}` | {cell(words)} |\n" for names, words in filter(None, records))
    text = "\n".join(line.strip() for line in (command.help or "").strip().splitlines())
    return f"### everfit {name}\n\n```\neverfit {name} {usage}\n```\n\n{text}\n\n| option | |\n| --- | --- |\n{rows}"


def cell(text: str) -> str:
    """Return text as it may stand in a table."""
    return text.replace("|", "\\|")


State = TypeVar("State", bound=Enum)
Move = TypeVar("Move", bound=Enum)


def state_diagram(transitions: Mapping[State, Mapping[Move, State]], first: Iterator[State]) -> str:
    """Return a Mermaid diagram of a table of moves.

    Args:
        first: the states in which something can begin.
    """
    lines = ["```mermaid", "stateDiagram-v2"]
    lines += [f'    state "{state.value}" as {state.name}' for state in transitions]
    lines += [f"    [*] --> {state.name}" for state in first]
    for state, moves in transitions.items():
        lines += [f"    {state.name} --> {after.name}: {move.value}" for move, after in moves.items()]
    lines += [f"    {state.name} --> [*]" for state, moves in transitions.items() if not moves]
    return "\n".join([*lines, "```"]) + "\n"


def http_reference() -> str:
    """Return the page of the HTTP API; what makes it lies beside this file, which is no package."""
    spec = importlib.util.spec_from_file_location("http_reference", ROOT / "docs" / "http_reference.py")
    if spec is None or spec.loader is None:
        raise LookupError("docs/http_reference.py is not there.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return str(module.page())


def with_part(page: Path, part: str, text: str) -> str:
    """Return the page with *text* between the markers of *part*."""
    begin, end = f"<!-- {part}: made by docs/generate.py -->\n", f"<!-- end of {part} -->\n"
    before, _, rest = page.read_text(encoding="utf-8").partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise LookupError(f"{page} has no place for {part}: write the lines {begin!r} and {end!r} into it.")
    return f"{before}{begin}\n{text}\n{end}{after}"


def generated() -> dict[Path, str]:
    """Return every generated file with what it must hold."""
    cli, runs, gate = (ROOT / "docs" / name for name in ("reference/cli.md", "concepts/runs.md", "concepts/gate.md"))
    run_states = state_diagram(run.TRANSITIONS, iter([run.RunState.QUEUED]))
    standings = state_diagram(version.TRANSITIONS, iter(version.FIRST_STANDING.values()))
    return {
        cli: with_part(cli, "commands", commands()),
        runs: with_part(runs, "states of a run", run_states),
        gate: with_part(gate, "standings of a version", standings),
        ROOT / "docs/reference/project-file.md": reference(),
        ROOT / "docs/reference/http-api.md": http_reference(),
        ROOT / "src/everfit/everfit.schema.json": json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n",
    }


if __name__ == "__main__":
    for path, text in generated().items():
        path.write_text(text, encoding="utf-8")
