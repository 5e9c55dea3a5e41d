"""Makes the function of an environment and its published versions, each of which serves one version of the model."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.documents import below
from everfit.adapters.aws.endpoint_config import ENVIRONMENT_TAG, MODEL_TAG, Hosting
from everfit.adapters.aws.errors import code_of, explained, refusal
from everfit.adapters.aws.function_package import HANDLER, RUNTIME, function_package
from everfit.adapters.aws.function_settings import (
    LEAST_STORAGE,
    OWN_VARIABLES,
    Model,
    description,
    seconds,
    storage,
    variables,
)
from everfit.adapters.aws.pace import Pace
from everfit.domain.errors import BackendError, RefusedError, RunFailedError

Document = dict[str, Any]
GONE: Final = "ResourceNotFoundException"
CONFLICT: Final = "ResourceConflictException"
CHANGED: Final = "PreconditionFailedException"
CODE_TAG: Final = "everfit:code"
OURS: Final = "everfit"
THEIRS: Final = "own"
ATTEMPTS: Final = 5
PATIENCE: Final = 300.0
"""Seconds that a function may take to become active (Lambda Developer Guide, "Lambda function states")."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedVersion:
    """A published version of the function that serves a version of the model."""

    number: str
    version: int
    artifact: str
    description: str


class _MovedError(Exception):
    """The function was changed since it was looked at, or is being changed (API reference, RevisionId): look again."""


class FunctionVersions:
    """The function of one environment and its versions."""

    def __init__(self, clients: Clients, hosting: Hosting, pace: Pace) -> None:
        self._clients = clients
        self._hosting = hosting
        self._pace = pace

    def found(self, name: str) -> Document | None:
        """Return the function as GetFunction describes it; None when there is none."""
        with explained(f"look at the function {name}"):
            try:
                found: Document = self._clients("lambda").get_function(FunctionName=name)
            except ClientError as error:
                if code_of(error) == GONE:
                    return None
                raise
        return found

    def published(self, name: str) -> Iterator[PublishedVersion]:
        """Yield the function's versions that Everfit has published."""
        with explained(f"list the versions of the function {name}"):
            try:
                pages = self._clients("lambda").get_paginator("list_versions_by_function").paginate(FunctionName=name)
                found = [each for page in pages for each in page["Versions"]]
            except ClientError as error:
                if code_of(error) == GONE:
                    return
                raise
        for each in found:
            variables = below(below(each, "Environment"), "Variables")
            described = str(each.get("Description", ""))
            if described.startswith("everfit v") and "MODEL_VERSION" in variables:
                yield PublishedVersion(
                    number=str(each["Version"]),
                    version=int(variables["MODEL_VERSION"]),
                    artifact=str(variables.get("MODEL_DIGEST", "")),
                    description=described,
                )

    def publish(self, name: str, model: Model, check: Callable[[], None]) -> str:
        """Return the number of the function's version that serves the model, made unless it is there.

        Args:
            check: raises when somebody else has taken over; called before anything changes.
        """
        for _ in range(ATTEMPTS):
            try:
                return self._published(name, model, check)
            except _MovedError:
                self._rest()
        raise BackendError(f"The function {name} is changed by somebody else all the time. Try again.", retryable=True)

    def delete(self, name: str, number: str) -> bool:
        """Delete a version; False when an alias uses it."""
        with explained(f"delete version {number} of the function {name}"):
            try:
                self._clients("lambda").delete_function(FunctionName=name, Qualifier=number)
            except ClientError as error:
                if code_of(error) == CONFLICT:
                    return False
                if code_of(error) != GONE:
                    raise
        return True

    def _published(self, name: str, model: Model, check: Callable[[], None]) -> str:
        check()
        found = self.found(name)
        if found is None:
            self._create(name, model)
            found = self._settled(name)
        self._check_ours(name, found)
        if found["Configuration"].get("LastUpdateStatus") == "InProgress" or _is_pending(found):
            found = self._settled(name)
        found = self._brought_up(name, found, model, check)
        configuration: Mapping[str, Any] = found["Configuration"]
        described = description(model, configuration)
        known = {each.description: each.number for each in self.published(name)}
        if described in known:
            return known[described]
        with explained(f"publish version {model.version.version} as a version of the function {name}"):
            made: Document = self._once(
                "publish_version",
                FunctionName=name,
                CodeSha256=configuration["CodeSha256"],
                RevisionId=configuration["RevisionId"],
                Description=described,
            )
        self._active(name, str(made["Version"]))
        return str(made["Version"])

    def _create(self, name: str, model: Model) -> None:
        hosting, function = self._hosting, self._hosting.environment.function
        request: Document = {
            "FunctionName": name,
            "Runtime": RUNTIME,
            "Handler": HANDLER,
            "Role": hosting.role,
            "Code": {"ZipFile": function_package().content},
            "Description": f"Serves {hosting.project.model} in {hosting.environment.name}.",
            "Environment": {"Variables": variables(model)},
            "Timeout": seconds(hosting),
            "MemorySize": function.memory,
            "EphemeralStorage": {"Size": storage(model)},
            "Tags": {**hosting.place.all_tags, CODE_TAG: OURS},
        }
        if function.layers:
            request["Layers"] = list(function.layers)
        if hosting.place.subnets:
            request["VpcConfig"] = {
                "SubnetIds": list(hosting.place.subnets),
                "SecurityGroupIds": list(hosting.place.security_groups),
            }
        if hosting.place.key is not None:
            request["KMSKeyArn"] = hosting.place.key
        with explained(f"make the function {name}"):
            try:
                self._once("create_function", **request)
            except _MovedError:
                # Made by somebody else, or by a call whose answer was lost.
                return

    def _brought_up(self, name: str, found: Document, model: Model, check: Callable[[], None]) -> Document:
        """Return the function after its latest version serves the model; variables of others are kept."""
        is_ours = found.get("Tags", {}).get(CODE_TAG) == OURS
        if is_ours and found["Configuration"]["CodeSha256"] != function_package().sha256:
            check()
            with explained(f"bring the code of the function {name} up to date"):
                self._once(
                    "update_function_code",
                    FunctionName=name,
                    ZipFile=function_package().content,
                    RevisionId=found["Configuration"]["RevisionId"],
                )
            found = self._settled(name)
        wanted = self._settings(name, found, model, is_ours=is_ours)
        if wanted:
            check()
            with explained(f"give the function {name} version {model.version.version}"):
                self._once(
                    "update_function_configuration",
                    FunctionName=name,
                    RevisionId=found["Configuration"]["RevisionId"],
                    **wanted,
                )
            found = self._settled(name)
        return found

    def _settings(self, name: str, found: Document, model: Model, *, is_ours: bool) -> Document:
        """Return the settings that have to change."""
        configuration: Mapping[str, Any] = found["Configuration"]
        environment = below(configuration, "Environment")
        if environment.get("Error"):
            raise RefusedError(
                f"The variables of the function {name} cannot be read ({environment['Error'].get('Message')}), and "
                "would be lost. Allow these credentials to decrypt them."
            )
        before: Mapping[str, str] = below(environment, "Variables")
        wanted: Document = {}
        # The variables that are given replace all there were (API reference, Environment): others' are sent along.
        merged = {key: text for key, text in before.items() if key not in OWN_VARIABLES} | variables(model)
        if merged != before:
            wanted["Environment"] = {"Variables": merged}
        if is_ours:
            wanted |= self._own_settings(configuration, model)
        if not before.keys() >= {"MODEL_VERSION"} and not is_ours:
            self._mark(str(configuration["FunctionArn"]))
        return wanted

    def _own_settings(self, configuration: Mapping[str, Any], model: Model) -> Document:
        function = self._hosting.environment.function
        wanted: Document = {}
        if configuration.get("MemorySize") != function.memory:
            wanted["MemorySize"] = function.memory
        if configuration.get("Timeout") != seconds(self._hosting):
            wanted["Timeout"] = seconds(self._hosting)
        if [layer["Arn"] for layer in configuration.get("Layers") or ()] != list(function.layers):
            wanted["Layers"] = list(function.layers)
        size = int(below(configuration, "EphemeralStorage").get("Size", LEAST_STORAGE))
        if size < storage(model):
            wanted["EphemeralStorage"] = {"Size": storage(model)}
        return wanted

    def _mark(self, arn: str) -> None:
        """Tag a function that was made by hand: from now on it is this environment's, with its own code."""
        tags = {**self._hosting.place.all_tags, CODE_TAG: THEIRS}
        self._clients("lambda").tag_resource(Resource=arn, Tags=tags)

    def _check_ours(self, name: str, found: Document) -> None:
        tags, own = found.get("Tags", {}), self._hosting.place.all_tags
        for tag in (MODEL_TAG, ENVIRONMENT_TAG):
            if tags.get(tag, own[tag]) != own[tag]:
                raise RefusedError(
                    f"The function {name} belongs to {tags.get(MODEL_TAG)} in {tags.get(ENVIRONMENT_TAG)}. Give this "
                    "environment another endpoint."
                )

    def _once(self, operation: str, **request: Any) -> Document:
        """Make a call; what Lambda does not take is told in its own words."""
        try:
            made: Document = getattr(self._clients("lambda"), operation)(**request)
        except ClientError as error:
            if code_of(error) == "InvalidParameterValueException":
                raise RunFailedError(f"Lambda does not take it: {refusal(error).said} Nothing was shifted.") from error
            if code_of(error) in (CHANGED, CONFLICT):
                raise _MovedError from error
            raise
        return made

    def _settled(self, name: str) -> Document:
        """Return the function once no update of it is under way."""
        end = time.monotonic() + PATIENCE
        while True:
            found = self.found(name)
            if found is None:
                raise RunFailedError(f"Somebody deleted the function {name}. Nothing was shifted.")
            if not _is_pending(found):
                return found
            if time.monotonic() > end:
                raise BackendError(f"The function {name} is still being updated; look again later.", retryable=True)
            self._rest()

    def _active(self, name: str, number: str) -> None:
        """Wait until a version can be asked."""
        end = time.monotonic() + PATIENCE
        while True:
            with explained(f"look at version {number} of the function {name}"):
                found: Document = self._clients("lambda").get_function_configuration(
                    FunctionName=name, Qualifier=number
                )
            if found.get("State", "Active") != "Pending":
                break
            if time.monotonic() > end:
                raise BackendError(f"Version {number} of the function {name} is still starting.", retryable=True)
            self._rest()
        if found.get("State") == "Failed":
            raise RunFailedError(
                f"Version {number} of the function {name} cannot start: {found.get('StateReason')} Nothing was shifted."
            )

    def _rest(self) -> None:
        time.sleep(min(1.0, self._pace.interval.total_seconds()))


def _is_pending(found: Document) -> bool:
    configuration: Mapping[str, Any] = found["Configuration"]
    return configuration.get("State") == "Pending" or configuration.get("LastUpdateStatus") == "InProgress"
