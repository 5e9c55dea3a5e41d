"""What each kind of processing job brings into its container, runs there and leaves; decided without asking anybody."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, cast

from everfit import __version__
from everfit.adapters.aws.images import own_image, serving_image, training_image
from everfit.adapters.aws.job_requests import Setting
from everfit.domain.job import JobSpec

FIND_MODULES: Final = "everfit.jobs.find_modules"
FETCH: Final = "everfit.jobs.aws.fetch"
ASK: Final = "everfit.jobs.ask"
CHALLENGER: Final = "challenger"
CHAMPION: Final = "champion"
# As everfit.jobs.sides and everfit.jobs.evaluate have them for a version that is scored on this machine.
TIMED_SECONDS: Final = 2.0
SIDE_SECONDS: Final = 3600.0
# "within 4 minutes" (Developer Guide, "How Your Container Should Respond to Health Check (Ping) Requests").
START_SECONDS: Final = 240.0
MARGIN: Final = timedelta(minutes=10)
_DIGEST: Final = re.compile(r"([0-9a-f]{64})\.tar\.gz$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A processing job, but for its name.

    Args:
        inputs: folder below ``input/`` -> URL of an object, or of a folder with a slash at its end.
        order: what the launcher is told, in ``job.json``.
        environment: variables of the user's.
    """

    image: str
    instance: str
    inputs: Mapping[str, str]
    order: Mapping[str, object]
    timeout: timedelta
    environment: Mapping[str, str] = field(default_factory=dict[str, str])


def preparing(spec: JobSpec, setting: Setting) -> Work:
    """Return the work of the prepare job: fetch the frozen objects, prepare them, write what will be asked."""
    manifest, index = str(spec.parameters["manifest"]), str(spec.parameters["objects"])
    image = own_image(setting.place)
    return Work(
        image=image,
        instance=setting.place.instance,
        inputs={"manifest": manifest, "index": index},
        order={
            "programs": [FETCH, spec.program, ASK],
            "everfit": __version__,
            "image": image,
            "parameters": dict(spec.parameters),
            "paths": {manifest: f"input/manifest/{_file(manifest)}", index: "objects"},
            "index": f"input/index/{_file(index)}",
        },
        timeout=spec.timeout,
    )


def finding_modules(spec: JobSpec, setting: Setting) -> Work:
    """Return the work of looking for modules, in the image and with the requirements that a training has."""
    return Work(
        image=training_image(setting.project, setting.place),
        instance=setting.place.instance,
        inputs={},
        order={
            "programs": [spec.program],
            "parameters": dict(spec.parameters),
            "requirements": spec.requirements,
        },
        timeout=spec.timeout,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """A version to be scored.

    Args:
        archive: URL of its artifact.
        image: that it serves in.
    """

    name: str
    archive: str
    image: str
    script: str | None


def sides_of(spec: JobSpec, setting: Setting) -> list[Side]:
    """Return the versions that can be tried."""
    found: list[Side] = []
    for name in (CHALLENGER, CHAMPION):
        told = cast("Mapping[str, Any] | None", spec.parameters.get(name))
        if told is None or told.get("error") is not None:
            continue
        image = told.get("python") or serving_image(setting.project, setting.place)
        script = told.get("script")
        found.append(Side(name=name, archive=str(told["model"]), image=str(image), script=script))
    return found


def asking(side: Side, requests: str, spec: JobSpec, setting: Setting, variables: Mapping[str, str]) -> Work:
    """Return the work of asking a version, in the image that it will serve in.

    Args:
        requests: URL of what is asked.
        variables: of a container that serves.
    """
    limit = float(spec.parameters.get("timeout") or SIDE_SECONDS)  # type: ignore[arg-type]
    score = {
        **_artifact(side),
        "requests": f"input/requests/{_file(requests)}",
        "variables": dict(variables),
        "start_seconds": START_SECONDS,
        # No rule asks how fast the champion answers.
        "timed_seconds": TIMED_SECONDS if side.name == CHALLENGER else 0.0,
        "timeout": limit,
    }
    return Work(
        image=side.image,
        instance=setting.scoring_instance,
        inputs={"model": side.archive, "requests": requests},
        order={"programs": ["everfit.jobs.aws.score"], "score": score},
        timeout=timedelta(seconds=limit + START_SECONDS) + MARGIN,
    )


def scoring_own(side: Side, spec: JobSpec, setting: Setting, *, has_holdout: bool) -> Work:
    """Return the work of the user's own scorer on a version, in the image that trains.

    Args:
        side: the version; the requirements in its artifact are installed.
        spec: of the evaluation, with the values of its secrets.
        setting: where jobs run.
        has_holdout: whether there is anything in the holdout.
    """
    holdout, (code, script) = str(spec.parameters["holdout"]), _script(str(spec.parameters["evaluate"]))
    limit = float(spec.parameters.get("timeout") or SIDE_SECONDS)  # type: ignore[arg-type]
    inputs = {"model": side.archive, "code": code, **({"holdout": f"{holdout}/"} if has_holdout else {})}
    own = {**_artifact(side), "script": f"code/{script}", "holdout": "input/holdout", "timeout": limit}
    return Work(
        image=training_image(setting.project, setting.place),
        instance=setting.place.instance,
        inputs=inputs,
        order={
            "programs": ["everfit.jobs.aws.score_own"],
            "archives": {f"input/code/{_file(code)}": "code"},
            "own": own,
        },
        timeout=timedelta(seconds=limit) + MARGIN,
        environment=spec.environment,
    )


def judging(spec: JobSpec, setting: Setting, answers: Mapping[str, Mapping[str, str]], *, has_holdout: bool) -> Work:
    """Return the work of judging what the versions have answered.

    Args:
        answers: side -> ``answered`` or ``evaluated`` -> URL of the folder with what came of it.
        has_holdout: whether there is anything in the holdout.
    """
    holdout = str(spec.parameters["holdout"])
    places = {holdout: "input/holdout"}
    inputs = {"holdout": f"{holdout}/"} if has_holdout else {}
    for side, found in answers.items():
        for what, url in found.items():
            inputs[f"{side}-{what}"] = url
            places[url.rstrip("/")] = f"input/{side}-{what}"
    parameters = {**spec.parameters, "evaluate": None, "python": None}
    for side in (CHALLENGER, CHAMPION):
        told = cast("Mapping[str, object] | None", spec.parameters.get(side))
        if told is not None:
            # What was not answered must not be asked here, where no model could run.
            found = {what: url.rstrip("/") for what, url in answers.get(side, {}).items()}
            parameters[side] = {**told, "model": "", "python": None, "answered": "/nowhere", **found}
    image = own_image(setting.place)
    return Work(
        image=image,
        instance=setting.place.instance,
        inputs=inputs,
        order={
            "programs": [spec.program],
            "everfit": __version__,
            "image": image,
            "parameters": parameters,
            "paths": places,
        },
        timeout=spec.timeout,
    )


def requests_of(spec: JobSpec) -> str:
    """Return the URL of what the prepare job wrote to be asked, beside the holdout."""
    return f"{str(spec.parameters['holdout']).rpartition('/')[0]}/requests/requests"


def _artifact(side: Side) -> dict[str, object]:
    digest = _DIGEST.search(side.archive)
    return {"archive": f"input/model/{_file(side.archive)}", "sha256": digest and digest[1]}


def trouble_of(side: Side) -> str | None:
    """Return why a version cannot even be tried; None when it can."""
    if "/" not in side.image or side.image.startswith("/"):
        return f"it was made on a machine, by {side.image}, and has no image in which it could be scored on SageMaker"
    return None


def _script(url: str) -> tuple[str, str]:
    """Return the archive of the code and the path of the script in it."""
    archive, ending, script = url.partition(".tar.gz/")
    return f"{archive}{ending.rstrip('/')}", script


def _file(url: str) -> str:
    return url.rpartition("/")[2]
