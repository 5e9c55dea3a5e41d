"""What the endpoint is told about a version."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from everfit.application.facts import Facts
from everfit.domain.endpoint import SampleRequest, ServedVersion, Service
from everfit.domain.project import Project
from everfit.domain.version import Version


def served_version(version: Version, folder: str, project: Project, sample: SampleRequest | None) -> ServedVersion:
    """Return *version*, unpacked in *folder*, as an endpoint wants it."""
    lineage = Facts(f"The lineage of version {version.number}", version.lineage)
    return ServedVersion(
        model_name=version.model,
        version=version.number,
        artifact=version.artifact,
        model=folder,
        python=lineage.text("python"),
        script=lineage.text_or_none("script"),
        workers=project.serve.workers,
        sample=sample,
        service=service(project),
    )


def service(project: Project) -> Service:
    """Return how the project wants its versions to be served on this machine."""
    serve = project.serve
    share: Any = project.monitor.get("capture", 1.0 if project.monitor else 0.0)
    usual = Service()
    keep: Any = project.monitor.get("keep", timedelta(seconds=usual.keep))
    most: Any = project.monitor.get("at_most", usual.keep_most)
    return Service(
        most_workers=serve.most_workers,
        batch=serve.batch,
        gather=serve.gather.total_seconds(),
        memory=serve.memory,
        timeout=serve.timeout.total_seconds(),
        queue=serve.queue,
        capture=float(share),
        keep=keep.total_seconds(),
        keep_most=int(most),
    )


def sample_of(results: Mapping[str, Mapping[str, object]]) -> SampleRequest | None:
    """Return a request that the evaluation sent, for the version to answer before it takes traffic."""
    evaluation = Facts("The result of evaluate", results.get("evaluate", {})).below("evaluation")
    sample = evaluation.below("sample")
    body = sample.text_or_none("body")
    if body is None:
        return None
    return SampleRequest(body=body, content_type=sample.text("content_type"), is_base64=sample.flag("is_base64"))
