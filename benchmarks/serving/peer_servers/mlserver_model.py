"""MLServer with adaptive batching: requests of its protocol (V2) that come together are joined along the first axis.

CSV comes as one text for each request, so that as many texts come together as requests do.
"""

import json

import model
import numpy as np
from mlserver import MLModel
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.types import InferenceResponse


class Model(MLModel):
    async def load(self):
        self.held = model.load()
        return True

    async def predict(self, payload):
        (given,) = payload.inputs
        if given.datatype == "BYTES":
            tables = [model.table(text) for text in StringCodec.decode_input(given)]
            values = np.split(self.held.predict(np.vstack(tables)), np.cumsum([len(t) for t in tables])[:-1])
            output = StringCodec.encode_output("predictions", [json.dumps(part.tolist()) for part in values])
        else:
            output = NumpyCodec.encode_output("predictions", self.held.predict(NumpyCodec.decode_input(given)))
        return InferenceResponse(model_name=self.name, outputs=[output])
