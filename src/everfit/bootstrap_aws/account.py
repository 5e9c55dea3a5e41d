"""Whose credentials work is done with, and by which role."""

from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.errors import explained
from everfit.adapters.aws.permissions import Role, role_name
from everfit.domain.aws import AwsPlace, partition_of
from everfit.domain.errors import RefusedError
from everfit.domain.project import Environment


def role_arn(place: AwsPlace, account: str, role: Role = Role.JOB) -> str:
    """Return the role of jobs or of what serves: the one that is named, or the one that the stack makes."""
    return place.role or f"arn:{partition_of(place.region)}:iam::{account}:role/{role_name(place, role)}"


def place_of(environment: Environment) -> AwsPlace:
    """Return where on AWS the environment is, or raise ``RefusedError`` for one that is not."""
    if environment.aws is None:
        raise RefusedError(f"The environment {environment.name} is not on AWS: its backend is local.")
    return environment.aws


def checked_account(clients: Clients, place: AwsPlace) -> str:
    """Return the account of the credentials; raise ``RefusedError`` when the project pins another one."""
    with explained("find out whose credentials these are"):
        found = clients.account()
    if place.account is not None and found != place.account:
        raise RefusedError(
            f"These credentials are of account {found}, and everfit.yaml allows only {place.account} for "
            f"{place.environment}. Sign in to that account, or change aws.account."
        )
    return found
