"""Measure servers side by side: requests per second, latencies and memory for each model, request and callers.

Run with: .venv/bin/python benchmarks/serving/compare.py [--seconds 5] [--rounds 3] [--only everfit,fastapi]
First: .venv/bin/python benchmarks/serving/peers.py install
Only one server runs at a time. The rounds are interleaved: every server is measured once before any is measured again,
and each figure is the median of its rounds. With ``--out`` every measurement is a line in that file as soon as it is
made, and what is in the file already is not measured again: the same command goes on where it was ended. A server that
does not start, or fails, is told with its words, and the others go on. ``cpu_us`` is the processor time of the whole
server for each request, which says what it costs also where the load generator takes a part of the machine.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from everfit_server import memory, processor_seconds, version_of_code
from load import Ask, measure
from models import MODELS, Payload, payloads
from peers import PEERS, Running

CONNECTIONS = (1, 16, 64)
WARM_UP = 1.0
KEPT = ("rps", "p50_ms", "p99_ms", "max_ms", "failed")
Key = tuple[str, str, str, int]


def main() -> None:
    """Print one JSON object; latencies in milliseconds, memory in MB."""
    options = arguments()
    out = Path(options.out) if options.out else None
    lines = kept_lines(out)
    for round_number in range(options.rounds):
        for model in options.models:
            for name in options.only:
                for line in measured(name, model, round_number, options, lines):
                    lines.append(line)
                    print(json.dumps(line), file=sys.stderr, flush=True)
                    if out:
                        with out.open("a") as file:
                            # The line before may have been cut off.
                            file.write("\n" + json.dumps(line))
    found = table(lines)
    if options.markdown:
        print(markdown(found))
    else:
        told = {"commit": version_of_code(), "seconds": options.seconds, "ratios": ratios(found), "table": found}
        print(json.dumps(told, indent=1))


def kept_lines(out: Path | None) -> list[dict[str, Any]]:
    """Return what was measured before; a line that was being written when it was ended is measured again."""
    found = list[dict[str, Any]]()
    for line in out.read_text().splitlines() if out and out.exists() else []:
        with suppress(ValueError):
            found.append(json.loads(line))
    return found


def arguments() -> argparse.Namespace:
    """Return what was asked for."""
    words = argparse.ArgumentParser()
    words.add_argument("--seconds", type=float, default=5.0)
    words.add_argument("--rounds", type=int, default=3)
    words.add_argument("--only", type=names, default=list(PEERS))
    words.add_argument("--models", type=names, default=list(MODELS))
    words.add_argument("--payloads", type=names, default=list(payloads()))
    words.add_argument("--connections", type=lambda text: [int(word) for word in names(text)], default=CONNECTIONS)
    words.add_argument("--out")
    words.add_argument("--markdown", action="store_true", help="print tables; with --rounds 0 of --out alone")
    options = words.parse_args()
    for name in options.only:
        if name not in PEERS:
            words.error(f"there is no {name}; there are {', '.join(PEERS)}")
    return options


def names(text: str) -> list[str]:
    """Return the words between the commas."""
    return text.split(",")


def measured(
    name: str, model: str, round_number: int, options: argparse.Namespace, lines: list[dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    """Measure one server in all its cells that are not measured yet."""
    done = {(line["server"], line["model"], line["payload"], line["connections"], line["round"]) for line in lines}
    cells = [
        (payload, connections)
        for payload in options.payloads
        for connections in options.connections
        if (name, model, payload, connections, round_number) not in done
    ]
    if not cells:
        return
    where = {"server": name, "model": model, "round": round_number}
    try:
        with Running(name, model) as running:
            for payload, connections in cells:
                found = cell(running, payloads()[payload], connections, options.seconds)
                yield {**where, "payload": payload, "connections": connections, **found}
    except (SystemExit, OSError) as error:
        print(json.dumps({**where, "trouble": str(error)}), file=sys.stderr, flush=True)


def cell(running: Running, payload: Payload, connections: int, seconds: float) -> dict[str, Any]:
    """Measure one request on so many connections."""
    wanted = running.peer.ask(payload)
    ask = Ask(
        port=running.port,
        path=wanted.path,
        body=wanted.body,
        content_type=wanted.content_type,
        connections=connections,
        seconds=seconds,
        warm_up=WARM_UP,
    )
    processes = running.processes()
    before = processor_seconds(processes)
    found = measure(ask)
    busy = (processor_seconds(processes) - before) * seconds / (seconds + WARM_UP)
    kept = {name: found[name] for name in KEPT} | memory(processes)
    kept["cpu_us"] = round(1e6 * busy / max(1, found["requests"]), 1)
    return kept | ({"sample": found["samples"][0]} if found["failed"] else {})


def table(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the median of the rounds of each cell, by model, request, number of callers and server."""
    groups = dict[Key, list[Mapping[str, Any]]]()
    for line in lines:
        key = (line["model"], line["payload"], line["server"], line["connections"])
        groups.setdefault(key, []).append(line)
    shown = dict[str, Any]()
    for (model, payload, server, connections), found in groups.items():
        figures = {name: median(found, name) for name in ("rps", "p50_ms", "p99_ms", "cpu_us", "pss_mb", "rss_mb")}
        figures |= {"failed": sum(line["failed"] for line in found), "rounds": len(found)}
        shown.setdefault(f"{model}, {payload}", {}).setdefault(server, {})[str(connections)] = figures
    return shown


def median(lines: list[Mapping[str, Any]], name: str) -> float:
    """Return the median of one figure."""
    return round(statistics.median(float(line[name]) for line in lines), 3)


def ratios(found: dict[str, Any]) -> dict[str, Any]:
    """Return, for each cell, the best of the host's set-ups against the best other server and against one process."""
    shown = dict[str, Any]()
    for title, servers in found.items():
        for count in sorted({count for cells in servers.values() for count in cells}, key=int):
            cells = {server: figures[count] for server, figures in servers.items() if count in figures}
            told = ratios_of(cells)
            if told is not None:
                shown[f"{title}, {count}"] = told
    return shown


def ratios_of(cells: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the ratios of one cell; None when the host was not measured in it."""
    own = best(cells, [server for server in cells if server.startswith("everfit")])
    peers = [server for server in cells if not server.startswith(("everfit", "single"))]
    peer, quickest = best(cells, peers), min(peers, key=lambda server: float(cells[server]["p99_ms"]), default=None)
    if own is None:
        return None
    return {
        "own": own,
        "best peer": peer,
        "rps over best peer's": over(cells, own, peer, "rps"),
        "p99 over best peer's": over(cells, own, peer, "p99_ms"),
        "p99 over the lowest of the peers'": over(cells, own, quickest, "p99_ms"),
        "rps over one process": over(cells, own, "single" if "single" in cells else None, "rps"),
    }


def best(cells: Mapping[str, Any], servers: list[str]) -> str | None:
    """Return the server with the most requests per second; None when there is none."""
    return max(servers, key=lambda server: cells[server]["rps"], default=None)


def over(cells: Mapping[str, Any], one: str, other: str | None, name: str) -> float | None:
    """Return the ratio of a figure of two servers; None when there is nothing to divide by."""
    return round(cells[one][name] / cells[other][name], 3) if other is not None and cells[other][name] else None


def markdown(found: dict[str, Any]) -> str:
    """Return the figures as tables: requests per second / p50 / p99 ms, and the memory on the most connections."""
    parts = list[str]()
    for title, servers in found.items():
        counts = sorted({int(count) for cells in servers.values() for count in cells})
        parts += ["", f"| {title} | {' | '.join(map(str, counts))} | MB |", "| --- |" + " --- |" * (len(counts) + 1)]
        for server, cells in servers.items():
            shown = [cells.get(str(count)) for count in counts]
            figures = ["–" if cell is None else cell_text(cell) for cell in shown]
            parts.append(f"| {server} | {' | '.join(figures)} | {max(cell['pss_mb'] for cell in cells.values()):.0f} |")
    return "\n".join(parts)


def cell_text(cell: Mapping[str, Any]) -> str:
    """Return one cell of a table."""
    failed = f", {cell['failed']} failed" if cell["failed"] else ""
    return f"{cell['rps']:.0f} / {cell['p50_ms']:.3g} / {cell['p99_ms']:.3g}{failed}"


if __name__ == "__main__":
    main()
