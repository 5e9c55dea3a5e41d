"""``everfit predict``: a request as a client would make it."""

import json
import sys
from pathlib import Path
from typing import BinaryIO, cast

import click

from everfit.application.retraining import environment_of
from everfit.domain.endpoint import Answer
from everfit.domain.errors import NotFoundError
from everfit.interfaces.cli import exit_codes
from everfit.interfaces.cli.options import environment_option, json_option, opened, print_json, project_option


@click.command("predict")
@click.argument("body", type=click.File("rb"), default="-")
@project_option
@environment_option
@json_option
@click.option("--content-type", default=None, help="Default: by the file's name, else application/json.")
@click.option("--accept", default="application/json", show_default=True, help="What the answer should be.")
def predict_command(
    body: BinaryIO, folder: Path, environment: str | None, content_type: str | None, accept: str, *, as_json: bool
) -> int:
    """Send BODY (a file, or - for standard input) to the endpoint and print its answer."""
    project = opened(folder, environment=environment)
    endpoint = environment_of(project.workspace, environment).endpoint
    if project.ports.endpoints.describe(endpoint) is None:
        raise NotFoundError(f"Nothing serves behind {endpoint} yet. Start a run: everfit run")
    kind = content_type or CONTENT_TYPES.get(Path(body.name).suffix.lower(), "application/json")
    answer = project.ports.endpoints.invoke(endpoint, body.read(), kind, accept)
    if as_json:
        print_json(
            {
                "status": answer.status,
                "version": answer.version,
                "content_type": answer.content_type,
                "body": _body(answer.body),
            }
        )
    else:
        sys.stdout.buffer.write(answer.body if answer.body.endswith(b"\n") else answer.body + b"\n")
        sys.stdout.buffer.flush()
        print(_told(answer), file=sys.stderr)
    return exit_codes.OK if answer.status < 400 else exit_codes.FAILED


def _told(answer: Answer) -> str:
    """Say in one sentence how it went; the model's own words are in the answer, deep down."""
    if answer.status < 400:
        return f"status {answer.status}, answered by version {answer.version}"
    body = _body(answer.body)
    facts = cast("dict[str, object]", body) if isinstance(body, dict) else {}
    words = facts.get("OriginalMessage") or facts.get("Message") or "it gave no reason"
    who = "the endpoint" if answer.version is None else f"version {answer.version}"
    return f"status {answer.status}: {who} could not answer this request: {words}"


def _body(body: bytes) -> object:
    text = body.decode(errors="replace")
    try:
        return json.loads(text)
    except ValueError:
        return text


CONTENT_TYPES = {
    ".csv": "text/csv",
    ".json": "application/json",
    ".jsonl": "application/jsonlines",
    ".npy": "application/x-npy",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
}
