"""Ray Serve with batching: its proxy hands requests to replicas, and those that come together go into one call."""

import os
import time

import model
import numpy as np
import ray
from ray import serve


@serve.deployment(
    num_replicas=int(os.environ["PEER_WORKERS"]),
    max_ongoing_requests=200,
    ray_actor_options={"num_cpus": 0.5, "runtime_env": {}},
)
class Bench:
    def __init__(self):
        self.held = model.load()

    @serve.batch(max_batch_size=64, batch_wait_timeout_s=0.001)
    async def together(self, tables):
        values = self.held.predict(np.vstack(tables))
        return [part.tolist() for part in np.split(values, np.cumsum([len(t) for t in tables])[:-1])]

    async def __call__(self, request):
        data = model.rows(request.headers["content-type"], await request.body())
        return {"predictions": await self.together(data)}


if __name__ == "__main__":
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
    serve.start(http_options={"host": "127.0.0.1", "port": int(os.environ["PEER_PORT"])})
    serve.run(Bench.bind(), route_prefix="/invocations")
    while True:
        time.sleep(60)
