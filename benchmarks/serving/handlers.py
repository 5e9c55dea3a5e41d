"""What the default handlers cost, without HTTP and sockets: microseconds a request, alone and in batches.

Run with: .venv/bin/python benchmarks/serving/handlers.py [NAME …]
NAME picks models by the beginning of their name: hgb, lin; ``+names`` are fitted on a data frame and sent records.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import pandas
from models import FEATURES, ROWS, fitted, rows

from everfit.serving.batching import Batcher
from everfit.serving.frames import Request
from everfit.serving.handlers import LoadedModel, load

COLUMNS = [f"feature_{number}" for number in range(FEATURES)]
SECONDS = 0.4
SIZES = (1, 16, 64)


def requests() -> dict[str, list[Request]]:
    """Return 64 requests of each kind, all different."""
    table = rows(6400)

    def made(bodies: list[str], content_type: str) -> list[Request]:
        return [Request(body=body.encode(), content_type=content_type, accept="*/*") for body in bodies]

    def csv(some: list[list[float]]) -> str:
        return "".join(",".join(map(str, row)) + "\n" for row in some)

    records = [dict(zip(COLUMNS, row, strict=True)) for row in table[:64]]
    return {
        "1-row JSON lists": made([json.dumps({"instances": [row]}) for row in table[:64]], "application/json"),
        "1-row JSON records": made([json.dumps({"instances": [record]}) for record in records], "application/json"),
        "1-row CSV": made([csv([row]) for row in table[:64]], "text/csv"),
        "1-row CSV with header": made([f"{','.join(COLUMNS)}\n{csv([row])}" for row in table[:64]], "text/csv"),
        "100-row CSV": made([csv(table[at : at + 100]) for at in range(0, 6400, 100)], "text/csv"),
    }


def timed(call: Callable[[], Any]) -> float:
    """Return the processor seconds of one call: the median of many, whatever else the machine does."""
    call()
    spent: list[float] = []
    end = time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        start = time.process_time()
        call()
        spent.append(time.process_time() - start)
    return sorted(spent)[len(spent) // 2]


def stages(loaded: LoadedModel, request: Request) -> list[float]:
    """Return the seconds for reading, predicting and writing one request."""
    read = loaded.read(request.body, request.content_type)
    predicted = loaded.ask(read)
    return [
        timed(lambda: loaded.read(request.body, request.content_type)),
        timed(lambda: loaded.ask(read)),
        timed(lambda: loaded.write(predicted, request.accept)),
    ]


def batched(loaded: LoadedModel, some: list[Request]) -> float:
    """Return the seconds for a request of a batch."""
    batcher = Batcher(loaded)
    batcher.learn(some[0])
    named = list(enumerate(some))
    return timed(lambda: list(batcher.answers(named))) / len(some)


def models(folder: Path) -> dict[str, LoadedModel]:
    """Return the models as the handlers load them."""
    made: dict[str, Any] = {name: fitted(name) for name in ("hgb", "lin")}
    table = pandas.DataFrame(rows(ROWS), columns=COLUMNS)
    for name in ("hgb", "lin"):
        made[f"{name}+names"] = fitted(name).fit(table, table["feature_0"] * 3)
    for name, model in made.items():
        (folder / name).mkdir()
        joblib.dump(model, folder / name / "model.joblib")
    return {name: load(str(folder / name), None) for name in made}


def main(names: list[str]) -> None:
    with tempfile.TemporaryDirectory() as place:
        print(f"{'microseconds a request':44}{'read':>8}{'predict':>8}{'write':>8}", end="")
        print("".join(f"{f'of {size}':>8}" for size in SIZES))
        for model, loaded in models(Path(place)).items():
            if names and not model.startswith(tuple(names)):
                continue
            for kind, some in requests().items():
                figures = stages(loaded, some[0]) + [batched(loaded, some[:size]) for size in SIZES]
                print(f"{f'{model}, {kind}':44}" + "".join(f"{figure * 1e6:8.0f}" for figure in figures))


if __name__ == "__main__":
    main(sys.argv[1:])
