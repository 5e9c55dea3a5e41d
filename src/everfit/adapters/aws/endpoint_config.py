"""The requests that make a version servable: its model and its endpoint configuration; pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from everfit.adapters.aws.endpoint_names import config_name, tag_list
from everfit.domain.aws import AwsPlace
from everfit.domain.endpoint import ServedVersion
from everfit.domain.project import Environment, Project

USUAL_VARIANT: Final = "AllTraffic"
USUAL_INSTANCE: Final = "ml.m5.large"
ENDPOINT_TAG: Final = "everfit:endpoint"
VERSION_TAG: Final = "everfit:version"
ARTIFACT_TAG: Final = "everfit:artifact"
MODEL_TAG: Final = "everfit:model"
ENVIRONMENT_TAG: Final = "everfit:environment"
# "You can't request a KmsKeyId when using an instance type with local storage" (API reference, CreateEndpointConfig).
_LOCAL_STORAGE: Final = re.compile(r"ml\.(?:[a-z]+[0-9]+[a-z]*d[a-z]*|g[5-9]e?|p[4-9][a-z]*|trn[0-9][a-z]*|dl1)\.")

Document = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Staging:
    """What a version becomes on SageMaker: one model and one configuration of the same name.

    Args:
        model: the request CreateModel.
        config: the request CreateEndpointConfig.
    """

    name: str
    model: Document
    config: Document


@dataclass(frozen=True, slots=True, kw_only=True)
class Hosting:
    """How the versions of an environment are served.

    Args:
        role: ARN of the role of what serves.
    """

    project: Project
    environment: Environment
    place: AwsPlace
    role: str

    @property
    def settings(self) -> Mapping[str, Any]:
        """What ``serve.sagemaker`` says."""
        return self.project.serve.sagemaker

    @property
    def instance(self) -> str:
        """The instance type."""
        return str(self.settings.get("instance", USUAL_INSTANCE))

    @property
    def count(self) -> int:
        """The number of instances to begin with."""
        return int(self.settings.get("count", 1))


def serving_environment(script: str | None, workers: int, region: str) -> dict[str, str]:
    """Return the variables that a serving container is given; the container that scores a version gets the same.

    The names are those of SageMaker's inference toolkit: the handlers' module in ``model/code`` and its processes.
    """
    variables = {
        "SAGEMAKER_CONTAINER_LOG_LEVEL": "20",
        "SAGEMAKER_REGION": region,
        "SAGEMAKER_MODEL_SERVER_WORKERS": str(workers),
    }
    if script is not None:
        variables |= {"SAGEMAKER_PROGRAM": script, "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code"}
    return variables


def staging(hosting: Hosting, endpoint: str, version: ServedVersion, url: str, variant: str) -> Staging:
    """Return the requests for *version* behind *endpoint*.

    Args:
        url: of the published ``model.tar.gz``.
        variant: name of the endpoint's variant; an update must keep it (FACTS: deployment guardrails, "Exclusions").
    """
    model = _model(hosting, version, url)
    config = _config(hosting, endpoint, variant)
    name = config_name(endpoint, version.version, [version.artifact, model, config])
    tags = tag_list(_tags(hosting, endpoint, version))
    for each in config["ProductionVariants"]:
        each["ModelName"] = name
    return Staging(
        name=name,
        model={"ModelName": name, **model, "Tags": tags},
        config={"EndpointConfigName": name, **config, "Tags": tags},
    )


def shadow_config(
    hosting: Hosting, endpoint: str, serving: Document, challenger: Document, tags: Mapping[str, str]
) -> Document:
    """Return the configuration that goes on serving as *serving* does and copies each request to the challenger.

    One production and one shadow variant are what an endpoint can have at most (FACTS §6).

    Args:
        serving: the configuration that serves, as DescribeEndpointConfig tells it.
        challenger: the one that would serve alone, told in the same way.
        tags: those of the configuration that serves: the champion goes on taking the traffic.
    """
    production = _plain_variants(serving["ProductionVariants"])
    shadow = {**_plain_variants(challenger["ProductionVariants"])[0], "VariantName": SHADOW_VARIANT}
    version = int(tags[VERSION_TAG])
    name = config_name(endpoint, version, [production, shadow], shadow=1)
    settings = {key: value for key, value in _config(hosting, endpoint, "").items() if key != "ProductionVariants"}
    return {
        "EndpointConfigName": name,
        "ProductionVariants": production,
        "ShadowProductionVariants": [shadow],
        **settings,
        "Tags": tag_list(dict(tags)),
    }


SHADOW_VARIANT: Final = "Shadow"


def _plain_variants(described: Sequence[Mapping[str, Any]]) -> list[Document]:
    return [{key: value for key, value in variant.items() if value is not None} for variant in described]


def _model(hosting: Hosting, version: ServedVersion, url: str) -> Document:
    variables = serving_environment(version.script, version.workers, hosting.place.region)
    model: Document = {
        "PrimaryContainer": {"Image": version.python, "ModelDataUrl": url, "Environment": variables},
        "ExecutionRoleArn": hosting.role,
    }
    if hosting.place.subnets:
        model["VpcConfig"] = {
            "Subnets": list(hosting.place.subnets),
            "SecurityGroupIds": list(hosting.place.security_groups),
        }
    return model


def _config(hosting: Hosting, endpoint: str, variant: str) -> Document:
    config: Document = {
        "ProductionVariants": [
            {
                "VariantName": variant,
                "InstanceType": hosting.instance,
                "InitialInstanceCount": hosting.count,
                "InitialVariantWeight": 1.0,
            }
        ]
    }
    key = hosting.place.key
    if key is not None and not _LOCAL_STORAGE.match(hosting.instance):
        config["KmsKeyId"] = key
    capture = _capture(hosting, endpoint)
    if capture is not None:
        config["DataCaptureConfig"] = capture
    return config


def _capture(hosting: Hosting, endpoint: str) -> Document | None:
    share: Any = hosting.project.monitor.get("capture", 1.0 if hosting.project.monitor else 0.0)
    if not share:
        return None
    capture: Document = {
        "EnableCapture": True,
        # Whole percents; a smaller share would capture nothing at all (API reference, DataCaptureConfig).
        "InitialSamplingPercentage": max(1, round(float(share) * 100)),
        "DestinationS3Uri": f"{hosting.place.home}/capture/{endpoint}",
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
        # Other content types are kept in base 64 (API reference, CaptureContentTypeHeader).
        "CaptureContentTypeHeader": {"CsvContentTypes": ["text/csv"], "JsonContentTypes": ["application/json"]},
    }
    if hosting.place.key is not None:
        capture["KmsKeyId"] = hosting.place.key
    return capture


def _tags(hosting: Hosting, endpoint: str, version: ServedVersion) -> dict[str, str]:
    return {
        **hosting.place.all_tags,
        ENDPOINT_TAG: endpoint,
        VERSION_TAG: str(version.version),
        ARTIFACT_TAG: version.artifact,
    }


def difference(wanted: object, found: object, at: str = "") -> str | None:
    """Return where *found* says something else than *wanted*; what only *found* says, such as defaults, is fine."""
    if isinstance(wanted, dict) and isinstance(found, Mapping):
        inside: dict[str, object] = {**wanted}
        has: dict[str, object] = {**found}
        for key, value in inside.items():
            if (different := difference(value, has.get(key), f"{at}.{key}" if at else key)) is not None:
                return different
        return None
    if isinstance(wanted, list) and isinstance(found, Sequence) and not isinstance(found, str):
        ours: list[object] = [*wanted]
        theirs: list[object] = [*found]
        if len(ours) != len(theirs):
            return at
        places = (difference(mine, other, at) for mine, other in zip(ours, theirs, strict=True))
        return next((place for place in places if place is not None), None)
    return None if wanted == found else at
