"""The models and the requests that every server is measured with; scikit-learn and joblib are all that it needs.

Run with: .venv/bin/python benchmarks/serving/models.py FOLDER
It writes ``hgb.joblib`` (a scaler and 100 boosted trees) and ``lin.joblib`` (a linear regression), both on 30 features,
and ``expected.json``: what each must answer to each request. Each server's own environment makes its own, from the
same numbers.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FEATURES = 30
ROWS = 5000
MODELS = ("hgb", "lin")


@dataclass(frozen=True)
class Payload:
    """One request: rows of numbers, in one of two forms."""

    name: str
    rows: list[list[float]]
    content_type: str

    @property
    def csv(self) -> str:
        """The rows as CSV, without a header, as SageMaker's own containers want it."""
        return "".join(",".join(map(str, row)) + "\n" for row in self.rows)

    @property
    def is_csv(self) -> bool:
        """Whether it is sent as CSV."""
        return self.content_type == "text/csv"

    @property
    def body(self) -> bytes:
        """The bytes that most servers are sent."""
        return self.csv.encode() if self.is_csv else json.dumps({"instances": self.rows}).encode()


def rows(count: int) -> list[list[float]]:
    """Return rows that are the same everywhere, from a linear congruential generator (Numerical Recipes, 1992)."""
    state, table = 1, list[list[float]]()
    for _ in range(count):
        row = list[float]()
        for _ in range(FEATURES):
            state = (1664525 * state + 1013904223) % 2**32
            row.append(round(state / 2**31 - 1, 6))
        table.append(row)
    return table


def payloads() -> dict[str, Payload]:
    """Return the requests by name."""
    made = [
        Payload("1-row JSON", rows(1), "application/json"),
        Payload("1-row CSV", rows(1), "text/csv"),
        Payload("100-row CSV", rows(100), "text/csv"),
    ]
    return {payload.name: payload for payload in made}


def fitted(name: str) -> Any:
    """Return the trained model."""
    import numpy as np  # noqa: PLC0415 - whoever only sends requests needs none of these
    from sklearn.ensemble import HistGradientBoostingRegressor  # noqa: PLC0415
    from sklearn.linear_model import LinearRegression  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415

    table = np.asarray(rows(ROWS))
    target = table[:, 0] * 3 + np.sin(table[:, 1] * 3) + table[:, 2] * table[:, 3]
    if name == "lin":
        return LinearRegression().fit(table, target)
    return make_pipeline(StandardScaler(), HistGradientBoostingRegressor(random_state=0)).fit(table, target)


def write_models(folder: Path) -> None:
    """Write the models and what they must answer, unless they are there."""
    import joblib  # noqa: PLC0415

    if (folder / "expected.json").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    expected = dict[str, dict[str, list[float]]]()
    for name in MODELS:
        model = fitted(name)
        joblib.dump(model, folder / f"{name}.joblib")
        expected[name] = {payload.name: model.predict(payload.rows).tolist() for payload in payloads().values()}
    (folder / "expected.json").write_text(json.dumps(expected))


if __name__ == "__main__":
    write_models(Path(sys.argv[1]))
