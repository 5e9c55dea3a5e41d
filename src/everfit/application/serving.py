"""What the endpoint is told about a version."""

from collections.abc import Mapping

from everfit.application.facts import Facts
from everfit.domain.endpoint import SampleRequest, ServedVersion
from everfit.domain.version import Version


def served_version(version: Version, folder: str, workers: int, sample: SampleRequest | None) -> ServedVersion:
    """Return *version*, unpacked in *folder*, as an endpoint wants it."""
    lineage = Facts(f"The lineage of version {version.number}", version.lineage)
    return ServedVersion(
        model_name=version.model,
        version=version.number,
        artifact=version.artifact,
        model=folder,
        python=lineage.text("python"),
        script=lineage.text_or_none("script"),
        workers=workers,
        sample=sample,
    )


def sample_of(results: Mapping[str, Mapping[str, object]]) -> SampleRequest | None:
    """Return a request that the evaluation sent, for the version to answer before it takes traffic."""
    evaluation = Facts("The result of evaluate", results.get("evaluate", {})).below("evaluation")
    sample = evaluation.below("sample")
    body = sample.text_or_none("body")
    if body is None:
        return None
    return SampleRequest(body=body, content_type=sample.text("content_type"), is_base64=sample.flag("is_base64"))
