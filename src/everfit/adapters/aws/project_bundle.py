"""What the functions of a stack know of a project: one object with its file, and where its code lies.

It is replaced as a whole, so that a function reads either what was applied before or what was applied now.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, cast

from everfit.adapters.aws.s3_objects import Put, S3Objects
from everfit.application.facts import Facts
from everfit.domain.aws import AwsPlace, aws_place
from everfit.domain.errors import BackendError, NotFoundError, RequestError

FORM: Final = 1
BUCKET: Final = "EVERFIT_BUCKET"
PREFIX: Final = "EVERFIT_PREFIX"
MODEL: Final = "EVERFIT_MODEL"
ENVIRONMENT: Final = "EVERFIT_ENVIRONMENT"
REGION: Final = "AWS_REGION"
"""Lambda sets it itself (Lambda Developer Guide, "Defined runtime environment variables")."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectBundle:
    """A project as it was applied.

    Args:
        text: of ``everfit.yaml``.
        code: URL of the archive with the project's code.
        everfit: version that applied it.
        variables: values of each ``${NAME}`` in the file, as whoever applied it had them; they may be secrets.
    """

    text: str
    code: str
    everfit: str
    variables: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)

    @property
    def digest(self) -> str:
        """Names it; the same project has the same one."""
        return hashlib.sha256(self._body()).hexdigest()

    def written(self) -> bytes:
        """Return it as it is kept."""
        return self._body()

    def _body(self) -> bytes:
        told: dict[str, object] = {"form": FORM, "everfit": self.everfit, "code": self.code, "text": self.text}
        if self.variables:
            told["variables"] = dict(self.variables)
        return json.dumps(told, sort_keys=True, indent=1).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A bundle as it was read, with the object's ETag."""

    bundle: ProjectBundle
    etag: str


def variables_of(place: AwsPlace) -> Mapping[str, str]:
    """Return the variables by which a function of the stack knows where it belongs."""
    return {
        BUCKET: place.bucket,
        PREFIX: place.prefix,
        MODEL: place.model,
        ENVIRONMENT: place.environment,
    }


def place_in(variables: Mapping[str, str]) -> AwsPlace:
    """Return where a function belongs, as far as that is known before the project is read.

    Raises:
        RequestError: a variable is missing.
    """
    missing = [name for name in (REGION, BUCKET, PREFIX, MODEL, ENVIRONMENT) if not variables.get(name)]
    if missing:
        raise RequestError(f"This function lacks {', '.join(missing)}: make the stack again with `everfit apply`.")
    keys = {"region": variables[REGION], "bucket": variables[BUCKET], "prefix": variables[PREFIX]}
    return aws_place(variables[MODEL], variables[ENVIRONMENT], keys, {})


def key_of(place: AwsPlace) -> str:
    """Return the key of the bundle in the installation's bucket."""
    return f"{place.prefix}/projects/{place.model}/{place.environment}.json"


def write_bundle(objects: S3Objects, place: AwsPlace, bundle: ProjectBundle) -> None:
    """Put the bundle in force for every function of the stack."""
    objects.put(Put(key=key_of(place), body=bundle.written()))


def read_bundle(objects: S3Objects, place: AwsPlace, *, unless: str = "") -> Found | None:
    """Return the bundle that is in force; None while it is the one of the ETag *unless*.

    Raises:
        NotFoundError: nothing was applied.
        BackendError: it was written by a newer release, or is damaged.
    """
    key = key_of(place)
    try:
        found = objects.get(key, unless=unless)
    except NotFoundError as error:
        words = f"There is no project {objects.url(key)}: run `everfit apply --env {place.environment} --yes`."
        raise NotFoundError(words) from error
    if found is None:
        return None
    return Found(bundle=_bundle(found.data, objects.url(key)), etag=found.facts.etag)


def _bundle(data: bytes, url: str) -> ProjectBundle:
    try:
        told = json.loads(data)
    except ValueError as error:
        raise BackendError(f"{url} is damaged; `everfit apply` writes it anew.") from error
    facts = Facts(url, cast("dict[str, object]", told) if isinstance(told, dict) else {})
    form = facts.whole_or_none("form")
    if form is not None and form > FORM:
        raise BackendError(f"{url} was written by a newer Everfit; `everfit apply` with that release mends the stack.")
    return ProjectBundle(
        text=facts.text("text"),
        code=facts.text("code"),
        everfit=facts.text("everfit"),
        variables={name: str(value) for name, value in (facts.mapping_or_none("variables") or {}).items()},
    )
