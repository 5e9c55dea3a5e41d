"""Which container image trains and which one serves: the user's own, or AWS's for a framework and version.

Accounts, repositories and tags are those of AWS's registry paths (SageMaker Developer Guide, "Docker Registry Paths and
Example Code"; github.com/aws/sagemaker-python-sdk, ``src/sagemaker/image_uri_config/{sklearn,xgboost,pytorch,
tensorflow}.json``). What they do not list is refused with the key that names an image.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from everfit.domain.aws import AwsPlace
from everfit.domain.errors import RequestError
from everfit.domain.project import Project

# fmt: off
_SAGEMAKER_ACCOUNTS: Final[Mapping[str, str]] = MappingProxyType({
    "af-south-1": "510948584623", "ap-east-1": "651117190479", "ap-northeast-1": "354813040037",
    "ap-northeast-2": "366743142698", "ap-northeast-3": "867004704886", "ap-south-1": "720646828776",
    "ap-south-2": "628508329040", "ap-southeast-1": "121021644041", "ap-southeast-2": "783357654285",
    "ap-southeast-3": "951798379941", "ap-southeast-4": "106583098589", "ca-central-1": "341280168497",
    "ca-west-1": "190319476487", "cn-north-1": "450853457545", "cn-northwest-1": "451049120500",
    "eu-central-1": "492215442770", "eu-central-2": "680994064768", "eu-north-1": "662702820516",
    "eu-south-1": "978288397137", "eu-south-2": "104374241257", "eu-west-1": "141502667606",
    "eu-west-2": "764974769150", "eu-west-3": "659782779980", "il-central-1": "898809789911",
    "me-central-1": "272398656194", "me-south-1": "801668240914", "sa-east-1": "737474898029",
    "us-east-1": "683313688378", "us-east-2": "257758044811", "us-gov-east-1": "237065988967",
    "us-gov-west-1": "414596584902", "us-west-1": "746614075791", "us-west-2": "246618743249",
})
_USUAL_DEEP_LEARNING_ACCOUNT: Final = "763104351884"
_DEEP_LEARNING_ACCOUNTS: Final[Mapping[str, str]] = MappingProxyType({
    **dict.fromkeys((
        "ap-northeast-1", "ap-northeast-2", "ap-south-1", "ap-southeast-1", "ap-southeast-2", "ca-central-1",
        "eu-central-1", "eu-north-1", "eu-west-1", "eu-west-2", "eu-west-3", "sa-east-1", "us-east-1", "us-east-2",
        "us-west-1", "us-west-2",
    ), _USUAL_DEEP_LEARNING_ACCOUNT),
    "af-south-1": "626614931356", "ap-east-1": "871362719292", "ap-northeast-3": "364406365360",
    "ap-south-2": "772153158452", "ap-southeast-3": "907027046896", "ap-southeast-4": "457447274322",
    "ap-southeast-5": "550225433462", "ap-southeast-7": "590183813437", "ca-west-1": "204538143572",
    "cn-north-1": "727897471807", "cn-northwest-1": "727897471807", "eu-central-2": "380420809688",
    "eu-south-1": "692866216735", "eu-south-2": "503227376785", "il-central-1": "780543022126",
    "me-central-1": "914824155844", "me-south-1": "217643126080", "mx-central-1": "637423239942",
    "us-gov-east-1": "446045086412", "us-gov-west-1": "442386744353",
})
_PYTORCH: Final[Mapping[str, str]] = MappingProxyType({
    "1.8.1": "py36", "1.9.1": "py38", "1.10.2": "py38", "1.11.0": "py38", "1.12.1": "py38", "1.13.1": "py39",
    "2.0.1": "py310", "2.1.0": "py310", "2.2.0": "py310", "2.3.0": "py311", "2.4.0": "py311", "2.5.1": "py311",
    "2.6.0": "py312",
})
_TENSORFLOW: Final[Mapping[str, str]] = MappingProxyType({
    "2.4.3": "py37", "2.5.1": "py37", "2.6.3": "py38", "2.7.1": "py38", "2.8.0": "py39", "2.9.2": "py39",
    "2.10.1": "py39", "2.11.0": "py39", "2.12.0": "py310", "2.13.0": "py310", "2.14.1": "py310", "2.16.2": "py310",
    "2.18.0": "py310", "2.19.0": "py312",
})
_TENSORFLOW_SERVING: Final[Mapping[str, str]] = MappingProxyType({
    "2.4": "2.4.3", "2.5": "2.5.1", "2.6": "2.6.3", "2.7": "2.7.0", "2.8": "2.8.4", "2.9": "2.9.3", "2.10": "2.10.1",
    "2.11": "2.11.1", "2.12": "2.12.1", "2.13": "2.13.0", "2.14": "2.14.1", "2.16": "2.16.1", "2.18": "2.18.0",
    "2.19": "2.19.0",
})
# fmt: on
_SKLEARN: Final = ("0.20.0", "0.23-1", "1.0-1", "1.2-1", "1.4-2")
_XGBOOST: Final = ("1.0-1", "1.2-2", "1.3-1", "1.5-1", "1.7-1", "3.0-5")
# Accelerators of AWS's own need images of their own, which are not chosen here.
_GPU: Final = re.compile(r"ml\.(p\d|g\d)")

OWN_VERSION: Final = "2.5.1"
"""PyTorch version of the image of Everfit's own jobs; with Python 3.11, for which its packages are sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """An image that somebody wants.

    Args:
        key: of the project file, ``train.sagemaker`` or ``serve.sagemaker``.
    """

    key: str
    framework: str
    version: str | None
    region: str
    instance: str

    @property
    def is_training(self) -> bool:
        return self.key.startswith("train")

    @property
    def processor(self) -> str:
        return "gpu" if _GPU.match(self.instance) else "cpu"

    def refused(self, why: str) -> RequestError:
        return RequestError(f"{self.key}: {why}; name the image itself with {self.key}.image.")


def own_image(place: AwsPlace) -> str:
    """Return the image of Everfit's own jobs."""
    if place.image is not None:
        return place.image
    account = _DEEP_LEARNING_ACCOUNTS.get(place.region)
    if account is None:
        raise RequestError(
            f"aws.image: Everfit knows no registry of AWS's images in {place.region}; name an image with Python 3.11 "
            "with aws.image."
        )
    return _uri(account, place.region, "pytorch-training", f"{OWN_VERSION}-cpu-{_PYTORCH[OWN_VERSION]}")


def training_image(project: Project, place: AwsPlace) -> str:
    """Return the image that trains, or raise ``RequestError`` naming the key to mend."""
    given = project.train.sagemaker
    if "image" in given:
        return str(given["image"])
    if "framework" not in given:
        raise RequestError(
            "train.sagemaker: on SageMaker a training needs a framework and its version, such as framework: sklearn "
            'and version: "1.4-2", or an image of your own with train.sagemaker.image.'
        )
    return _framework_image(_wanted("train.sagemaker", given, given, place))


def serving_image(project: Project, place: AwsPlace) -> str:
    """Return the image that serves: that of ``serve.sagemaker``, else the one that goes with the training."""
    given = project.serve.sagemaker
    if "image" in given:
        return str(given["image"])
    if "framework" in given:
        return _framework_image(_wanted("serve.sagemaker", given, given, place))
    if "image" in project.train.sagemaker:
        return str(project.train.sagemaker["image"])
    if "framework" not in project.train.sagemaker:
        return training_image(project, place)
    return _framework_image(_wanted("serve.sagemaker", project.train.sagemaker, given, place))


def _wanted(key: str, given: Mapping[str, object], machine: Mapping[str, object], place: AwsPlace) -> _Wanted:
    return _Wanted(
        key=key,
        framework=str(given["framework"]),
        version=None if given.get("version") is None else str(given["version"]),
        region=place.region,
        instance=str(machine.get("instance") or "ml.m5.large"),
    )


def _framework_image(wanted: _Wanted) -> str:
    match wanted.framework:
        case "sklearn":
            return _sagemaker_image(wanted, "sagemaker-scikit-learn", _SKLEARN, "-cpu-py3")
        case "xgboost":
            # XGBoost 1.2 and newer have one image for both processors, whose tag is the version alone (xgboost.json).
            is_old = wanted.version is not None and wanted.version.startswith("1.0")
            return _sagemaker_image(wanted, "sagemaker-xgboost", _XGBOOST, "-cpu-py3" if is_old else "")
        case "pytorch":
            version, python = _known(wanted, _PYTORCH)
            tag = f"{version}-{wanted.processor}-{python}"
            return _deep_learning_image(wanted, f"pytorch-{'training' if wanted.is_training else 'inference'}", tag)
        case "tensorflow" if wanted.is_training:
            version, python = _known(wanted, _TENSORFLOW)
            return _deep_learning_image(wanted, "tensorflow-training", f"{version}-{wanted.processor}-{python}")
        case "tensorflow":
            version, _ = _known(wanted, _TENSORFLOW)
            # Its serving images carry no Python in their tags, and patch levels of their own (tensorflow.json).
            served = _TENSORFLOW_SERVING[".".join(version.split(".")[:2])]
            return _deep_learning_image(wanted, "tensorflow-inference", f"{served}-{wanted.processor}")
        case framework:
            # A tag of Hugging Face's images names four versions that only fit together in some combinations.
            raise wanted.refused(f"an image for {framework} is not found by one version")


def _sagemaker_image(wanted: _Wanted, repository: str, versions: tuple[str, ...], end: str) -> str:
    version = wanted.version or versions[-1]
    if version not in versions:
        raise wanted.refused(f"AWS has no image for {wanted.framework} {version}, only for {', '.join(versions)}")
    account = _SAGEMAKER_ACCOUNTS.get(wanted.region)
    if account is None:
        raise wanted.refused(f"Everfit knows no registry of AWS's {wanted.framework} images in {wanted.region}")
    return _uri(account, wanted.region, repository, f"{version}{end}")


def _deep_learning_image(wanted: _Wanted, repository: str, tag: str) -> str:
    account = _DEEP_LEARNING_ACCOUNTS.get(wanted.region)
    if account is None:
        raise wanted.refused(f"Everfit knows no registry of AWS's {wanted.framework} images in {wanted.region}")
    return _uri(account, wanted.region, repository, tag)


def _known(wanted: _Wanted, table: Mapping[str, str]) -> tuple[str, str]:
    """Return the full version and its Python; ``2.12`` stands for the newest 2.12.x, ``2.12-py310`` says the Python."""
    text = wanted.version or list(table)[-1]
    asked, _, python = text.partition("-")
    found = [version for version in table if version == asked or version.startswith(f"{asked}.")]
    if not found:
        short = ", ".join(version.rpartition(".")[0] for version in table)
        raise wanted.refused(f"AWS has no image for {wanted.framework} {text}, only for {short}")
    version = found[-1]
    if python and table[version] != python:
        raise wanted.refused(f"AWS's image for {wanted.framework} {version} has {table[version]}, not {python}")
    return version, table[version]


def _uri(account: str, region: str, repository: str, tag: str) -> str:
    # Registries in China end in .com.cn (Amazon Web Services in China guide, endpoints).
    end = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return f"{account}.dkr.ecr.{region}.{end}/{repository}:{tag}"
