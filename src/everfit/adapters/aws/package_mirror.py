"""Keeps a model package for each version: made once, found again by what it says, and changed only when it differs."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from botocore.exceptions import ClientError

from everfit.adapters.aws import model_package
from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.errors import code_of, explained
from everfit.adapters.aws.model_package import Document, Published, Wanted
from everfit.adapters.aws.models import PublishedModels, is_missing
from everfit.adapters.aws.s3_objects import NOTHING, Put, S3Objects
from everfit.application.ports import Registry
from everfit.application.ports.packages import Package
from everfit.domain.aws import AwsPlace
from everfit.domain.endpoint import ServedVersion
from everfit.domain.errors import NotFoundError
from everfit.domain.model_metrics import model_quality
from everfit.domain.project import Environment, Project
from everfit.domain.version import Placement, Standing, Version, last_good

PAGE: Final = 100
_NO_GROUP: Final = "does not exist"


class PackageMirror:
    """The packages of one model.

    Args:
        inner: the registry whose image they are.
        place: of the installation; each environment's own place names its group.
    """

    def __init__(self, inner: Registry, clients: Clients, place: AwsPlace, project: Project) -> None:
        self._inner = inner
        self._clients = clients
        self._place = place
        self._project = project
        self._objects = S3Objects(clients, place)
        self._models = PublishedModels(clients, place)

    def owner(self, environment: Environment) -> str:
        """Return the environment that the approval status in this environment's group is about."""
        group = model_package.group_of(environment)
        return environment.name if group is None else model_package.owner_of(self._project, group)

    def bring_up(self, number: int, *, force: bool = False) -> bool:
        """Have the version's package in each group say how the version stands; tell whether one had to be changed.

        Raises:
            NotFoundError: there is no such version.
        """
        version = self._inner.version(self._project.model, number)
        changed = [
            self._bring_up(version, group, force=force) for group in self._groups() if self._is_in(version, group)
        ]
        return any(changed)

    def package(self, name: str, environment: Environment) -> Package | None:
        """Return what a package says; None when it is not one of ours, or gone."""
        described = self._described(name)
        return (
            None
            if described is None
            else model_package.package_of(described, self._place.home, self.owner(environment))
        )

    def decided(self, environment: Environment) -> Sequence[Package]:
        """Return the packages of versions that wait for a person here and that somebody has decided about there."""
        group, model = model_package.group_of(environment), self._project.model
        pending = [
            each.version
            for each in self._inner.placements(model, environment.name)
            if each.standing is Standing.PENDING
        ]
        if group is None or not pending:
            return []
        words = {model_package.description_of(self._inner.version(model, number)) for number in pending}
        decided = [
            str(each["ModelPackageArn"])
            for each in self._summaries(group)
            if each.get("ModelPackageDescription") in words and each.get("ModelApprovalStatus") != model_package.PENDING
        ]
        packages = (self.package(arn, environment) for arn in decided)
        return [package for package in packages if package is not None and package.approved is not None]

    def remove(self, model: str, number: int) -> None:
        """Delete the version's package and the files that it names."""
        words = f"Everfit version {number} of {model}"
        for group in self._groups():
            for each in list(self._summaries(group)):
                if each.get("ModelPackageDescription") == words:
                    self._delete(str(each["ModelPackageArn"]))
        prefix = f"{self._place.prefix}/models/{model}/{number}"
        for file in ("model.tar.gz", "metrics.json"):
            self._objects.delete(f"{prefix}/{file}")

    def repair(self) -> int:
        """Bring up each version whose package is missing or has another status, and remove what has no version."""
        count = 0
        versions = {model_package.description_of(each): each for each in self._inner.versions(self._project.model)}
        for group in self._groups():
            seen: dict[str, str] = {}
            for each in list(self._summaries(group)):
                words, arn = str(each.get("ModelPackageDescription")), str(each["ModelPackageArn"])
                if words in versions:
                    seen[words] = str(each.get("ModelApprovalStatus"))
                elif words.startswith("Everfit version ") and words.endswith(f" of {self._project.model}"):
                    self._delete(arn)
                    count += 1
            for words, version in versions.items():
                if self._is_in(version, group) and seen.get(words) != self._wanted(version, group).status:
                    count += self._bring_up(version, group)
        return count

    def _groups(self) -> Sequence[str]:
        groups = (model_package.group_of(each) for each in self._project.environments.values())
        return list(dict.fromkeys(group for group in groups if group is not None))

    def _placements(self, version: Version, group: str) -> Sequence[Placement]:
        found: list[Placement] = []
        for environment in model_package.environments_of(self._project, group):
            with suppress(NotFoundError):
                found.append(self._inner.placement(version.model, environment.name, version.number))
        return found

    def _is_in(self, version: Version, group: str) -> bool:
        return bool(self._placements(version, group))

    def _wanted(self, version: Version, group: str) -> Wanted:
        owner = model_package.owner_of(self._project, group)
        return model_package.wanted(version, self._placements(version, group), owner)

    def _bring_up(self, version: Version, group: str, *, force: bool = False) -> bool:
        said = self._wanted(version, group)
        arn = self._find(group, said.description)
        if arn is None:
            self._create(group, version, said)
            return True
        described, owner = self._described(arn), model_package.owner_of(self._project, group)
        request = None if described is None else model_package.change(described, said, owner, force=force)
        if request is not None:
            with explained(f"change the model package {arn}"):
                self._sagemaker.update_model_package(**request)
        return request is not None

    def _create(self, group: str, version: Version, said: Wanted) -> None:
        request = model_package.creation(group, version, said, self._published(version), self._project)
        with explained(f"make the model package of version {version.number} of {version.model} in {group}"):
            self._sagemaker.create_model_package(**request)

    def mend(self, environment: Environment) -> Sequence[str]:
        """Put the published copies of what serves, and of what one would go back to, right; say which were wrong."""
        model = self._project.model
        champion = self._inner.champion(model, environment.name)
        last = last_good(self._inner.history(model, environment.name), champion)
        wrong: list[str] = []
        for number in (champion, last):
            if number is None:
                continue
            found = self._models.mended(self._as_served(self._inner.version(model, number)))
            if found is not None:
                wrong.append(f"{self._models.url(model, number)} held {found} instead of version {number} of {model}")
        return wrong

    def _as_served(self, version: Version) -> ServedVersion:
        return ServedVersion(
            model_name=version.model,
            version=version.number,
            artifact=version.artifact,
            model=f"{self._place.home}/artifacts/{version.artifact.removeprefix('sha256:')}.tar.gz",
            python="",
        )

    def _published(self, version: Version) -> Published:
        url = self._models.publish(self._as_served(version))
        folder = f"{self._place.prefix}/models/{version.model}/{version.number}"
        content = json.dumps(model_quality(version, self._project.task), sort_keys=True).encode()
        self._objects.put(Put(key=f"{folder}/metrics.json", body=content, replaces=NOTHING))
        etag = self._objects.look(f"{folder}/model.tar.gz").etag.strip('"')
        return Published(model=url, etag=etag, metrics=self._objects.url(f"{folder}/metrics.json"))

    def _find(self, group: str, description: str) -> str | None:
        """Return the package that was made before, as by a process that was killed before it knew."""
        found = (each for each in self._summaries(group) if each.get("ModelPackageDescription") == description)
        return next((str(each["ModelPackageArn"]) for each in found), None)

    def _summaries(self, group: str) -> Iterator[Mapping[str, Any]]:
        """Yield the packages of the group, newest first; the group is made when it is missing."""
        after: dict[str, str] = {}
        while True:
            page = self._page(group, after)
            yield from page["ModelPackageSummaryList"]
            if not page.get("NextToken"):
                return
            after = {"NextToken": page["NextToken"]}

    def _page(self, group: str, after: Mapping[str, str]) -> Document:
        asked: Document = {
            "ModelPackageGroupName": group,
            "ModelPackageType": "Versioned",
            "SortBy": "CreationTime",
            "SortOrder": "Descending",
            "MaxResults": PAGE,
            **after,
        }
        with explained(f"list the model packages of {group}"):
            try:
                page: Document = self._sagemaker.list_model_packages(**asked)
            except ClientError as error:
                if not self._has_no_group(error):
                    raise
                self._make_group(group)
                return {"ModelPackageSummaryList": []}
        return page

    def _has_no_group(self, error: ClientError) -> bool:
        # SageMaker's code for a missing group is the one for any wrong request (seen with every Describe call).
        return code_of(error) == "ValidationException" and _NO_GROUP in str(error)

    def _make_group(self, group: str) -> None:
        tags = [{"Key": key, "Value": value} for key, value in sorted(self._place.all_tags.items())]
        with explained(f"make the model package group {group}"):
            try:
                self._sagemaker.create_model_package_group(
                    ModelPackageGroupName=group,
                    ModelPackageGroupDescription=f"Versions of {self._project.model}, kept by Everfit",
                    Tags=tags,
                )
            except ClientError as error:
                # Another process was first.
                if "already exists" not in str(error):
                    raise

    def _described(self, arn: str) -> Document | None:
        with explained(f"look at the model package {arn}"):
            try:
                described: Document = self._sagemaker.describe_model_package(ModelPackageName=arn)
            except ClientError as error:
                if is_missing(error) or self._has_no_group(error):
                    return None
                raise
        return described

    def _delete(self, arn: str) -> None:
        with explained(f"delete the model package {arn}"):
            try:
                self._sagemaker.delete_model_package(ModelPackageName=arn)
            except ClientError as error:
                if not (is_missing(error) or self._has_no_group(error)):
                    raise

    @property
    def _sagemaker(self) -> Any:
        return self._clients("sagemaker")
