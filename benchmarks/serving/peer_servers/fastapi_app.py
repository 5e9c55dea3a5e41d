"""FastAPI on uvicorn with uvloop and httptools: one call of the model for each request, in the event loop.

A thread for each call was tried as well; it is slower, as the model holds the interpreter's lock for most of its time.
"""

import model
from fastapi import FastAPI, Request

app = FastAPI()
held = model.load()


@app.post("/invocations")
async def invocations(request: Request):
    data = model.rows(request.headers["content-type"], await request.body())
    return {"predictions": held.predict(data).tolist()}
