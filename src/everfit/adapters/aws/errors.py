"""Says in one sentence what AWS refused, to what, and what to do; by the error's code, never by its words alone."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    ProfileNotFound,
    TokenRetrievalError,
)

from everfit.domain.errors import BackendError, EverfitError, NotFoundError, RequestError

THROTTLED: Final = frozenset(
    {
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "SlowDown",
        "ProvisionedThroughputExceededException",
        "RequestThrottled",
        "PriorRequestNotComplete",
    }
)
EXPIRED: Final = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"})
UNKNOWN_CALLER: Final = frozenset(
    {
        "InvalidClientTokenId",
        "UnrecognizedClientException",
        "InvalidAccessKeyId",
        "SignatureDoesNotMatch",
        "AuthFailure",
    }
)
DENIED: Final = frozenset(
    {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError", "AllAccessDisabled", "403"}
)
MISSING: Final = frozenset(
    {"NoSuchKey", "NoSuchVersion", "404", "ResourceNotFound", "ResourceNotFoundException", "NotFound"}
)
ELSEWHERE: Final = frozenset(
    {"PermanentRedirect", "IllegalLocationConstraintException", "AuthorizationHeaderMalformed", "301"}
)
LIMITS: Final = frozenset(
    {
        "ResourceLimitExceeded",
        "LimitExceededException",
        "LimitExceeded",
        "ServiceQuotaExceededException",
        "CodeStorageExceededException",
    }
)
PASSING: Final = frozenset(
    {
        "InternalFailure",
        "InternalError",
        "InternalServerError",
        "InternalServerException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "ServiceException",
        "RequestTimeout",
        "RequestTimeoutException",
        "500",
        "502",
        "503",
        "504",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """What AWS answered instead of doing what was asked.

    Args:
        code: such as ``AccessDenied``.
        operation: such as ``CreateTrainingJob``.
        said: AWS's own words.
    """

    code: str
    operation: str
    said: str


def refusal(error: ClientError) -> Refusal:
    """Return what there is to know of the error."""
    body: Mapping[str, object] = error.response.get("Error", {})
    return Refusal(
        code=str(body.get("Code") or "Unknown"),
        operation=error.operation_name,
        said=" ".join(str(body.get("Message") or "").split()),
    )


def code_of(error: ClientError) -> str:
    """Return the error's code, such as ``NoSuchKey``."""
    return refusal(error).code


@contextmanager
def explained(what: str) -> Generator[None]:
    """Raise what AWS refuses inside as an error of Everfit.

    Args:
        what: was tried, and on what, such as ``start the training job x``.
    """
    try:
        yield
    except ClientError as error:
        raise translated(error, what) from error
    except BotoCoreError as error:
        raise unreached(error, what) from error


_WORDS: Final[Sequence[tuple[frozenset[str], str]]] = (
    (EXPIRED, "the AWS credentials have expired. Sign in again."),
    (UNKNOWN_CALLER, "AWS does not know these credentials. Sign in anew."),
    (
        DENIED,
        "these credentials may not call {operation} there. `everfit doctor --aws` lists every permission that is "
        "missing.",
    ),
    (frozenset({"NoSuchBucket"}), "there is no such bucket. Look at aws.bucket in everfit.yaml."),
    (ELSEWHERE, "the bucket is in another region. Look at aws.region."),
    (
        LIMITS,
        "a quota of the account does not allow it. Ask for more under Service Quotas, or choose another instance.",
    ),
)
"""What the caller can mend, and how."""


def translated(error: ClientError, what: str) -> EverfitError:
    """Return what the error means to a person."""
    told = refusal(error)
    said = f"AWS says: {told.said or told.code}"
    for codes, words in _WORDS:
        if told.code in codes:
            return RequestError(f"Everfit could not {what}: {words.format(operation=told.operation)} {said}")
    if told.code in MISSING:
        return NotFoundError(f"Everfit could not {what}: it is not there. {said}")
    if told.code in THROTTLED:
        return BackendError(f"Everfit could not {what}: AWS is asked too often right now. {said}", retryable=True)
    if told.code in PASSING:
        return BackendError(f"Everfit could not {what}: AWS failed on its side. {said}", retryable=True)
    return BackendError(f"Everfit could not {what} ({told.operation}: {told.code}). {said}")


def unreached(error: BotoCoreError, what: str) -> EverfitError:
    """Return what it means that no answer came at all."""
    if isinstance(error, NoCredentialsError):
        return RequestError(
            f"Everfit could not {what}: there are no AWS credentials. Sign in, or set AWS_PROFILE or AWS_ACCESS_KEY_ID."
        )
    if isinstance(error, TokenRetrievalError):
        return RequestError(f"Everfit could not {what}: the AWS sign-in is over. Run `aws sso login` again.")
    if isinstance(error, ProfileNotFound | NoRegionError):
        return RequestError(f"Everfit could not {what}: {error}. Look at AWS_PROFILE and aws.region.")
    if isinstance(error, ParamValidationError):
        return RequestError(f"Everfit could not {what}: {' '.join(str(error).split())}")
    if isinstance(error, EndpointConnectionError | ConnectionError | HTTPClientError):
        return BackendError(f"Everfit could not {what}: AWS does not answer ({error}).", retryable=True)
    return BackendError(f"Everfit could not {what}: {' '.join(str(error).split())}")


def is_ambiguous(error: Exception) -> bool:
    """Tell whether the call may have been accepted all the same, so that only a look tells."""
    if isinstance(error, ClientError):
        return code_of(error) in PASSING
    return isinstance(error, ConnectionError | HTTPClientError)
