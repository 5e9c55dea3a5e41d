"""BentoML with two workers; requests that come together are put into one call of the model when ``BATCHING`` is 1.

CSV comes as one text for each request, in a list, so that as many texts come together as requests do.
"""

import os

import bentoml
import model
import numpy as np

BATCHING = os.environ["PEER_BATCHING"] == "1"
MANY = {"batchable": True, "max_batch_size": 64, "max_latency_ms": 1000} if BATCHING else {}


@bentoml.service(
    workers=int(os.environ["PEER_WORKERS"]), traffic={"timeout": 60}, logging={"access": {"enabled": False}}
)
class Bench:
    def __init__(self):
        self.held = model.load()

    @bentoml.api(route="/invocations", **MANY)
    def rows(self, instances: list[list[float]]) -> list[float]:
        return self.held.predict(np.asarray(instances)).tolist()

    @bentoml.api(route="/csv", **MANY)
    def csv(self, texts: list[str]) -> list[list[float]]:
        tables = [model.table(text) for text in texts]
        values = self.held.predict(np.vstack(tables))
        return [part.tolist() for part in np.split(values, np.cumsum([len(t) for t in tables])[:-1])]
