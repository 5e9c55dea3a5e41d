"""What the model package of a version says: pure functions from versions and placements to requests, and back.

A package of a group has no name and no tags of its own (API reference, CreateModelPackage), so its description and its
metadata say which version it is.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from everfit.adapters.aws.endpoint_config import serving_environment
from everfit.application.ports.packages import Package
from everfit.domain.aws import AwsPlace
from everfit.domain.model_metrics import figures
from everfit.domain.project import Backend, Environment, Project
from everfit.domain.version import Placement, Standing, Version

Document = dict[str, Any]
APPROVED: Final = "Approved"
REJECTED: Final = "Rejected"
PENDING: Final = "PendingManualApproval"
STATUS: Final[Mapping[Standing, str]] = {
    Standing.APPROVED: APPROVED,
    Standing.SERVING: APPROVED,
    Standing.RETIRED: APPROVED,
    # Whoever else deploys "the newest approved package" of the group must not take what was taken back.
    Standing.ROLLED_BACK: REJECTED,
    Standing.PENDING: PENDING,
    Standing.REJECTED: REJECTED,
}
# CustomerMetadataProperties: at most 50, a key of 128 and a value of 256 of these characters (botocore 1.44,
# CustomerMetadataMap); ApprovalDescription: 1,024 characters in one line.
MOST_PROPERTIES: Final = 50
LONGEST_VALUE: Final = 256
LONGEST_REASON: Final = 1_024
_STRANGE: Final = re.compile(r"[^\w .:/=+@-]")
_IMAGE: Final = re.compile(r"[\w.-]+(:[0-9]+)?/\S{1,200}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a package shall say.

    Args:
        reason: why it stands so, in words.
    """

    description: str
    status: str
    reason: str
    metadata: Mapping[str, str]


def group_of(environment: Environment) -> str | None:
    """Return the group that versions of the environment have packages in; None for one that is not on AWS."""
    return None if environment.aws is None else environment.aws.names.package_group


def environments_of(project: Project, group: str) -> Sequence[Environment]:
    """Return the environments that share the group, in the order of the project file."""
    return [
        each for each in project.environments.values() if each.backend is Backend.SAGEMAKER and group_of(each) == group
    ]


def owner_of(project: Project, group: str) -> str:
    """Return the environment that ``ModelApprovalStatus`` in the group is about: a package has only one.

    The last one of the project file in which a person may be asked; the last of all when nowhere is.
    """
    sharing = environments_of(project, group)
    asking = [each for each in sharing if each.approval.mode != "automatic" or each.approval.when is not None]
    return (asking or list(sharing))[-1].name


def description_of(version: Version) -> str:
    """Return the description by which the package of a version is found again, without a look into each."""
    return f"Everfit version {version.number} of {version.model}"


def wanted(version: Version, placements: Sequence[Placement], owner: str) -> Wanted:
    """Return what the package shall say.

    Args:
        placements: how the version stands in each environment of the group in which it was judged.
        owner: the environment that the approval status is about.
    """
    own = next((each for each in placements if each.environment == owner), None)
    return Wanted(
        description=description_of(version),
        # Where nobody has judged it yet, nobody has approved it either.
        status=PENDING if own is None else STATUS[own.standing],
        reason=_reason(version, own, owner),
        metadata=_metadata(version, placements, owner),
    )


def _reason(version: Version, placement: Placement | None, owner: str) -> str:
    if placement is None:
        words = f"version {version.number} was not judged in {owner} yet"
    elif placement.approval is not None:
        words = f"{owner}: {placement.standing.value}; {placement.approval.actor}: {placement.approval.reason}"
    else:
        words = f"{owner}: {placement.standing.value}; {placement.verdict.reason}"
    return " ".join(words.split())[:LONGEST_REASON]


def _metadata(version: Version, placements: Sequence[Placement], owner: str) -> Mapping[str, str]:
    found: dict[str, object] = {
        # Written with each status, so that one which was about another environment is never taken for this one's.
        "status-of": owner,
        "model": version.model,
        "version": version.number,
        "artifact": version.artifact,
        "run": version.run,
        "snapshot": version.snapshot,
        "code": version.code,
        "config": version.config,
        "commit": version.lineage.get("commit"),
        "release": version.lineage.get("release"),
    }
    for each in placements:
        found |= {
            f"standing:{each.environment}": each.standing.value,
            f"verdict:{each.environment}": each.verdict.id,
            f"gate:{each.environment}": each.verdict.outcome.value,
            f"decided-by:{each.environment}": None if each.approval is None else each.approval.actor,
        }
    found |= {f"metric:{name}": f"{value:.10g}" for name, value in figures(version).items()}
    clean = ((f"everfit:{name}", _clean(str(value))) for name, value in found.items() if value is not None)
    return dict([(name, value) for name, value in clean if value][:MOST_PROPERTIES])


def _clean(text: str) -> str:
    return " ".join(_STRANGE.sub(" ", text).split())[:LONGEST_VALUE]


def token(group: str, version: Version) -> str:
    """Return the token with which a request that is sent twice makes one package (API reference, ClientToken)."""
    content = f"{group} {version.model} {version.number} {version.run} {version.artifact}"
    return hashlib.sha256(content.encode()).hexdigest()[:36]


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """Where the version's files lie.

    Args:
        model: URL of its ``model.tar.gz``.
        etag: of that object.
        metrics: URL of its figures.
    """

    model: str
    etag: str
    metrics: str


def creation(group: str, version: Version, said: Wanted, published: Published, project: Project) -> Document:
    """Return the request CreateModelPackage."""
    commit = version.lineage.get("commit")
    request: Document = {
        "ModelPackageGroupName": group,
        "ModelPackageDescription": said.description,
        "ModelApprovalStatus": said.status,
        "CustomerMetadataProperties": dict(said.metadata),
        "ClientToken": token(group, version),
        "ModelMetrics": {
            "ModelQuality": {"Statistics": {"ContentType": "application/json", "S3Uri": published.metrics}}
        },
        "MetadataProperties": {
            "GeneratedBy": f"everfit run {version.run}",
            **({"CommitId": _clean(str(commit))} if commit else {}),
        },
    }
    image = str(version.lineage.get("python") or "")
    if _IMAGE.fullmatch(image):
        request["InferenceSpecification"] = _specification(image, version, published, project)
    return request


def _specification(image: str, version: Version, published: Published, project: Project) -> Document:
    script = version.lineage.get("script")
    place = _place(project)
    variables = serving_environment(str(script) if script else None, project.serve.workers, place.region)
    instance = cast("str", project.serve.sagemaker.get("instance", "ml.m5.large"))
    return {
        "Containers": [
            {
                "Image": image,
                "ModelDataUrl": published.model,
                "ModelDataETag": published.etag,
                "Environment": variables,
            }
        ],
        "SupportedContentTypes": [project.serve.content_type],
        "SupportedResponseMIMETypes": ["application/json"],
        "SupportedRealtimeInferenceInstanceTypes": [instance],
    }


def _place(project: Project) -> AwsPlace:
    return next(each.aws for each in project.environments.values() if each.aws is not None)


def change(described: Document, said: Wanted, owner: str, *, force: bool = False) -> Document | None:
    """Return the request UpdateModelPackage; None when the package says all of it already.

    A decision that somebody has made there and that has not come here yet is not overwritten.

    Args:
        owner: the environment that the approval status is about.
        force: overwrite it all the same.
    """
    if said.status == PENDING and not force and _is_decided_there(described, said, owner):
        return None
    is_same = str(described.get("ModelApprovalStatus")) == said.status
    reason_is_same = is_same and described.get("ApprovalDescription", said.reason) == said.reason
    if reason_is_same and metadata_of(described) == dict(said.metadata):
        return None
    return {
        "ModelPackageArn": described["ModelPackageArn"],
        "ModelApprovalStatus": said.status,
        "ApprovalDescription": said.reason,
        # All of them: so it says the same whether AWS merges or replaces them, which its reference leaves open.
        "CustomerMetadataProperties": dict(said.metadata),
    }


def _is_decided_there(described: Document, said: Wanted, owner: str) -> bool:
    found = metadata_of(described)
    verdict = f"everfit:verdict:{owner}"
    return _decision(described, owner) is not None and found.get(verdict) == said.metadata.get(verdict)


def _decision(described: Document, owner: str) -> bool | None:
    """Return what a person has decided there: the status differs from how the version stood when it was written.

    People change the status alone. One that Everfit has written about another environment, as by a project file that
    knows of fewer, is nobody's decision.
    """
    found = metadata_of(described)
    if (found.get("everfit:status-of"), found.get(f"everfit:standing:{owner}")) != (owner, Standing.PENDING.value):
        return None
    return {APPROVED: True, REJECTED: False}.get(str(described.get("ModelApprovalStatus")))


def metadata_of(described: Document) -> dict[str, str]:
    """Return those of our keys that the package has."""
    properties: Mapping[str, str] = described.get("CustomerMetadataProperties") or {}
    return {name: value for name, value in properties.items() if name.startswith("everfit:")}


def package_of(described: Document, home: str, owner: str) -> Package | None:
    """Return what the package says of itself; None when it is not one of ours.

    Args:
        home: URL of the installation.
        owner: the environment that the approval status is about.
    """
    found = metadata_of(described)
    number = found.get("everfit:version", "")
    if not number.isdecimal() or "everfit:model" not in found or "everfit:artifact" not in found:
        return None
    model = found["everfit:model"]
    containers = described.get("InferenceSpecification", {}).get("Containers", [])
    urls = {str(each.get("ModelDataUrl")) for each in containers}
    return Package(
        name=str(described["ModelPackageArn"]),
        model=model,
        version=int(number),
        artifact=found["everfit:artifact"],
        approved=_decision(described, owner),
        verdict=found.get(f"everfit:verdict:{owner}"),
        decided_by=decided_by(described),
        is_whole=urls <= {f"{home}/models/{model}/{number}/model.tar.gz"},
    )


def decided_by(described: Document) -> str | None:
    """Return the name of the person who changed the package last; None when AWS does not say.

    A user's name is the last part of the ARN, and so is the name of a role's session: with IAM Identity Center that is
    the name that the person signed in with (IAM User Guide, "IAM identifiers").
    """
    person: Mapping[str, Any] = described.get("LastModifiedBy") or {}
    identity: Mapping[str, Any] = person.get("IamIdentity") or {}
    name = identity.get("SourceIdentity") or person.get("UserProfileName")
    arn = str(identity.get("Arn") or "")
    return str(name) if name else arn.rpartition("/")[2] or None
