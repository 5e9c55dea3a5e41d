"""LitServe with batching; CSV comes as a text in JSON, which is all that it reads without a form."""

import os

import litserve
import model
import numpy as np


class Api(litserve.LitAPI):
    def setup(self, device):
        self.held = model.load()

    def decode_request(self, request):
        return model.table(request["csv"]) if "csv" in request else np.asarray(request["instances"])

    def batch(self, inputs):
        self.lengths = [len(rows) for rows in inputs]
        return np.vstack(inputs)

    def predict(self, x):
        return self.held.predict(x)

    def unbatch(self, output):
        return np.split(output, np.cumsum(self.lengths)[:-1])

    def encode_response(self, output):
        return {"predictions": output.tolist()}


if __name__ == "__main__":
    workers = int(os.environ["PEER_WORKERS"])
    api = Api(max_batch_size=64, batch_timeout=0.001, api_path="/invocations")
    server = litserve.LitServer(api, accelerator="cpu", devices=1, workers_per_device=workers)
    server.run(
        port=int(os.environ["PEER_PORT"]),
        host="127.0.0.1",
        num_api_servers=1,
        generate_client_file=False,
        log_level="error",
        access_log=False,
    )
