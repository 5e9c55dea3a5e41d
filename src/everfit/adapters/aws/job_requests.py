"""What every request for a job of SageMaker has in common: its name, its tags, its marks, its network, its disk."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from math import ceil
from typing import Any, Final

from everfit.domain.aws import AwsPlace
from everfit.domain.errors import RequestError
from everfit.domain.project import Environment, Hosting, Project
from everfit.domain.scoring_instance import scoring_instance

Request = dict[str, Any]
"""Parameters of a Create call, as boto3 wants them."""

LONGEST_NAME: Final = 63
"""Of a job; letters, digits and single or several hyphens between them (API reference, CreateTrainingJob)."""

MARK: Final = "EVERFIT_JOB"
"""Variable by which a job is known again: whoever finds its name taken looks whether it is the same job."""

# Instances with disks of their own take no key for a volume and no volume larger than their disk (API reference,
# ResourceConfig, VolumeKmsKeyId): families with a "d" after their number, and those with accelerators but p2 and p3.
_LOCAL_DISK: Final = re.compile(r"ml\.([a-z]+\d+[a-z]*d[a-z]*|g\d+[a-z]*|p3dn|p[4-9][a-z0-9-]*|trn\d+[a-z]*)\.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Where the jobs of an environment run.

    Args:
        role: ARN of the role that jobs act in.
    """

    place: AwsPlace
    project: Project
    environment: Environment
    role: str

    @property
    def training_instance(self) -> str:
        """Instance type of a training."""
        return str(self.project.train.sagemaker.get("instance") or "ml.m5.large")

    @property
    def scoring_instance(self) -> str:
        """Instance type on which a version is scored: the one it will serve on, or the nearest that takes jobs."""
        if self.environment.hosting is Hosting.FUNCTION:
            return self.place.instance
        return scoring_instance(str(self.project.serve.sagemaker.get("instance") or "ml.m5.large"))


def job_prefix(place: AwsPlace) -> str:
    """Return what the names of all jobs of an environment begin with, and of no other one's."""
    home = hashlib.sha256(f"{place.home}|{place.model}|{place.environment}".encode()).hexdigest()[:4]
    return f"everfit-{_plain(place.model)[:10].rstrip('-')}-{home}-"


def sagemaker_name(place: AwsPlace, name: str) -> str:
    """Return the name of a job at SageMaker: always the same for the same *name*, and another for another one."""
    prefix, plain = job_prefix(place), _plain(name)
    if plain == name and len(prefix) + len(plain) <= LONGEST_NAME:
        return f"{prefix}{plain}"
    mark = hashlib.sha256(name.encode()).hexdigest()[:8]
    room = LONGEST_NAME - len(prefix) - len(mark) - 1
    return f"{prefix}{plain[:room].strip('-')}-{mark}"


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9-]", "-", text).strip("-")


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Return tags as SageMaker wants them."""
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]


def job_tags(place: AwsPlace, run: str) -> list[dict[str, str]]:
    """Return the tags of a job."""
    return tag_list({**place.all_tags, "everfit:run": run})


def vpc_of(place: AwsPlace) -> Request | None:
    """Return the private network of jobs; None outside of one."""
    if not place.subnets:
        return None
    return {"Subnets": list(place.subnets), "SecurityGroupIds": list(place.security_groups)}


def gigabytes(size: int) -> int:
    """Return a disk's size as SageMaker wants it."""
    return max(1, ceil(size / 10**9))


def whole_seconds(time: timedelta) -> int:
    """Return a time limit as SageMaker wants it."""
    return max(1, ceil(time.total_seconds()))


def volume_key(place: AwsPlace, instance: str) -> str | None:
    """Return the key that encrypts the disk of an instance; the disk of its own, if it has one, is always encrypted."""
    return None if _LOCAL_DISK.match(instance) else place.key


def check_environment(environment: Mapping[str, str], longest: int) -> None:
    """Raise ``RequestError`` for variables that SageMaker does not take.

    Args:
        longest: value, in characters.
    """
    for name, value in environment.items():
        if not re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", name):
            raise RequestError(f"train.environment: SageMaker takes no variable named {name!r}.")
        if len(value) > longest:
            raise RequestError(
                f"train.environment: the value of {name} is longer than the {longest} characters that SageMaker takes; "
                "keep it in Secrets Manager and give the job its name."
            )
