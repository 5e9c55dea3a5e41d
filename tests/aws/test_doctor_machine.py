"""What `everfit doctor` says of an environment on AWS without examining the account."""

from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.database import S3Database
from everfit.adapters.aws.machine import AwsMachine
from tests.aws.bench.client import Bench
from tests.aws.places import a_project


def a_machine(clients: Clients) -> AwsMachine:
    place = a_project().environments["production"].aws
    assert place is not None
    return AwsMachine(clients, place, S3Database(clients, place))


def test_the_state_in_s3_and_the_account_are_well(bench: Bench, aws_clients: Clients) -> None:
    found = {name: is_well for name, is_well, _ in a_machine(aws_clients).findings()}
    assert found == {"python": True, "account": True, "database": True}


def test_the_space_is_that_of_the_jobs(aws_clients: Clients) -> None:
    assert a_machine(aws_clients).free_bytes() == 30_000_000_000


def test_what_cannot_be_reached_is_said_in_a_sentence(bench: Bench, aws_clients: Clients) -> None:
    machine = a_machine(aws_clients)
    bench.expire()
    found = {name: (is_well, words) for name, is_well, words in machine.findings()}
    assert (found["account"][0], found["database"][0]) == (False, False)
    assert "have expired" in found["account"][1]
