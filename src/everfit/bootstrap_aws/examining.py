"""Opens what examines an account."""

from collections.abc import Iterator

from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.doctor import examine_account
from everfit.adapters.local.clock import SystemClock
from everfit.application.preflight import Examined
from everfit.application.workspace import Workspace
from everfit.bootstrap_aws.account import place_of
from everfit.domain.project import Environment


def examine_on_aws(workspace: Workspace, environment: Environment) -> Iterator[Examined]:
    """Yield what the environment needs of its account, whether it is there, and what to do; nothing is changed.

    Raises:
        RefusedError: the environment is not on AWS.
    """
    place = place_of(environment)
    found = examine_account(Clients(place.region), workspace.project, environment, place, SystemClock().now())
    return (Examined(name=each.name, is_well=each.is_well, words=each.words) for each in found)
