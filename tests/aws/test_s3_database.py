"""What the state in S3 promises beyond what every database does."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.database import S3Database
from everfit.adapters.sql.database import known_migrations
from everfit.adapters.sql.sqlite_statements import SQLITE_MIGRATIONS
from everfit.domain.aws import AwsPlace
from everfit.domain.errors import BackendError, NotFoundError, RequestError, StateError
from tests.aws.bench.client import ROOT, Bench, until
from tests.aws.state_writer import keep, kept, place_of
from tests.aws_bench import BUCKET

BRIEF = timedelta(seconds=1)
KEY = "everfit/state.db"
LOCK = "everfit/state.lock"


@pytest.fixture
def database(s3_database: S3Database) -> S3Database:
    """A state that was used before."""
    keep(s3_database, "old")
    return s3_database


@pytest.fixture
def other(aws_clients: Clients, s3_place: AwsPlace) -> S3Database:
    """Another process's view of the same state, as far as that can be had in one process."""
    return S3Database(aws_clients, s3_place)


def since(bench: Bench, act: Callable[[], object]) -> list[tuple[str, int]]:
    """Return the calls that *act* makes, and how S3 answers them."""
    before = len(bench.calls())
    act()
    return [(call["operation"], call["status"]) for call in bench.calls(since=before)]


# Cost


def test_a_read_asks_once_and_is_sent_the_state_only_when_it_is_another_one(
    bench: Bench, database: S3Database, other: S3Database
) -> None:
    assert since(bench, lambda: kept(database)) == [("GetObject", 304)]
    keep(other, "new")
    assert since(bench, lambda: kept(database)) == [("GetObject", 200)]
    assert kept(database) == ["new", "old"]


def test_a_write_makes_four_calls_and_one_that_changes_nothing_three(bench: Bench, database: S3Database) -> None:
    written = [("PutObject", 200), ("GetObject", 304), ("PutObject", 200), ("DeleteObject", 204)]
    assert since(bench, lambda: keep(database, "new")) == written

    def look() -> None:
        with database.transaction() as rows:
            rows.write("delete from reply where key = 'never'")

    assert since(bench, look) == [written[0], written[1], written[3]]


def test_whether_anybody_has_written_costs_a_look(bench: Bench, database: S3Database, other: S3Database) -> None:
    first = database.changed()
    assert since(bench, database.changed) == [("HeadObject", 200)]
    assert database.changed() == first
    keep(other, "new")
    assert database.changed() != first


def test_a_state_that_was_never_written_has_not_changed(other: S3Database) -> None:
    assert other.changed() == other.changed()


def test_room_that_became_free_is_not_carried_along(bench: Bench, database: S3Database) -> None:
    keep(database, "large", "x" * 4_000_000)

    def size() -> int:
        length: int = bench.client("s3").head_object(Bucket=BUCKET, Key=KEY)["ContentLength"]
        return length

    assert size() > 4_000_000
    with database.transaction() as rows:
        rows.write("delete from reply where key = 'large'")
    assert size() < 1_000_000
    assert kept(database) == ["old"]
    assert "whole" in database.examined()


# Two writers


def test_threads_of_a_process_write_one_after_the_other(database: S3Database) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: keep(database, f"row-{number:02}"), range(12)))
    assert kept(database) == ["old", *(f"row-{number:02}" for number in range(12))]


def writer(environment: Mapping[str, str], *words: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "tests.aws.state_writer", BUCKET, *words]
    paths = f"{ROOT / 'src'}{os.pathsep}{ROOT}"
    return subprocess.Popen(command, cwd=ROOT, env={**os.environ, **environment, "PYTHONPATH": paths})


def test_two_processes_that_write_in_a_loop_both_go_on_and_nothing_is_lost(
    bench: Bench, database: S3Database, aws_environment: Mapping[str, str]
) -> None:
    with database.transaction():
        both = [writer(aws_environment, name, "30", "everfit") for name in ("one", "two")]
        # Each looks at the lock once when it meets it, so that both begin at the same moment.
        until(lambda: len([call for call in bench.calls("s3", "GetObject") if call["params"]["Key"] == LOCK]) == 2)
    assert [process.wait(timeout=100) for process in both] == [0, 0]
    assert kept(database) == ["old", *(f"{name}-{number:03}" for name in ("one", "two") for number in range(30))]
    assert "whole" in database.examined()


@contextmanager
def without_lock(bench: Bench) -> Iterator[None]:
    """Let others in as if the lock were stale."""
    bench.client("s3").delete_object(Bucket=BUCKET, Key=LOCK)
    yield


def test_a_writer_whose_lock_was_taken_over_loses_its_own_change_and_nothing_else(
    bench: Bench, database: S3Database, other: S3Database
) -> None:
    def write_slowly() -> None:
        with database.transaction() as rows:
            rows.write("delete from reply")
            with without_lock(bench):
                keep(other, "new")

    with pytest.raises(BackendError, match="Nothing was written; try again") as caught:
        write_slowly()
    assert caught.value.retryable
    assert kept(database) == kept(other) == ["new", "old"]
    keep(database, "newer")


def test_a_slow_writer_leaves_the_lock_of_the_next_one_alone(
    bench: Bench, database: S3Database, other: S3Database
) -> None:
    with other.transaction() as rows:
        rows.write("delete from reply")
        with without_lock(bench), database.transaction() as slow:
            slow.all("select * from reply", {})
            bench.client("s3").put_object(Bucket=BUCKET, Key=LOCK, Body=b"somebody's")
    assert bench.client("s3").get_object(Bucket=BUCKET, Key=LOCK)["Body"].read() == b"somebody's"


def test_a_writer_that_is_slower_than_its_lock_lives_writes_nothing(
    aws_clients: Clients, s3_place: AwsPlace, database: S3Database
) -> None:
    hasty = S3Database(aws_clients, s3_place, lifetime=timedelta(0))
    with pytest.raises(BackendError, match="Nothing was written") as caught:
        keep(hasty, "late")
    assert caught.value.retryable
    assert kept(database) == ["old"]


def test_a_lock_that_is_held_for_too_long_is_told_with_who_holds_it(
    aws_clients: Clients, s3_place: AwsPlace, database: S3Database
) -> None:
    impatient = S3Database(aws_clients, s3_place, patience=timedelta(0))
    with (
        database.transaction(),
        pytest.raises(BackendError, match=rf"held by others for 0 s, now by process {os.getpid()} on ") as caught,
    ):
        keep(impatient, "new")
    assert caught.value.retryable
    keep(impatient, "new")


# Lost answers, refusals and kills


@pytest.mark.parametrize("operation", ["PutObject", "GetObject", "DeleteObject"])
@pytest.mark.parametrize("skip", [0, 1])
def test_a_lost_answer_neither_loses_nor_repeats_a_change(
    bench: Bench, database: S3Database, operation: str, skip: int
) -> None:
    bench.lose_answer("s3", operation, skip=skip)
    keep(database, "new")
    keep(database, "newer")
    assert kept(database) == ["new", "newer", "old"]
    assert since(bench, lambda: keep(database, "newest"))[0] == ("PutObject", 200)


def test_an_answer_that_is_lost_again_and_again_is_settled_by_looking(bench: Bench, database: S3Database) -> None:
    # So many that botocore gives up: the first was accepted, the others met it.
    bench.fault("s3", "PutObject", kind="drop", moment="after", times=5, where={"Key": KEY})
    keep(database, "new")
    assert kept(database) == ["new", "old"]
    assert bench.calls("s3", "HeadObject") != []


def test_a_write_that_s3_calls_a_conflict_is_sent_again(bench: Bench, database: S3Database) -> None:
    # API reference, PutObject: 409 when two conditional writes meet.
    bench.fault("s3", "PutObject", code="ConditionalRequestConflict", status=409, times=2, where={"Key": KEY})
    keep(database, "new")
    assert kept(database) == ["new", "old"]


@pytest.mark.parametrize("code", ["InternalError", "SlowDown", "ServiceUnavailable"])
def test_a_failure_that_passes_is_not_noticed(bench: Bench, database: S3Database, code: str) -> None:
    bench.fault("s3", "PutObject", code=code, status=503, times=2, where={"Key": KEY})
    keep(database, "new")
    assert kept(database) == ["new", "old"]


CALLS = [
    ("PutObject", "state.lock", "before", False),
    ("PutObject", "state.lock", "after", False),
    ("GetObject", "state.db", "before", False),
    ("PutObject", "state.db", "before", False),
    ("PutObject", "state.db", "after", True),
    ("DeleteObject", "state.lock", "before", True),
    ("DeleteObject", "state.lock", "after", True),
]
"""Every call of a write, before and after S3 accepts it, and whether the change is kept then."""


def test_a_writer_that_is_killed_leaves_the_old_or_the_new_state_and_the_next_one_goes_on(
    bench: Bench, aws_clients: Clients, aws_environment: Mapping[str, str]
) -> None:
    prefixes = [f"state-{number}" for number in range(len(CALLS))]
    for prefix in prefixes:
        keep(S3Database(aws_clients, place_of(BUCKET, prefix)), "old")
    hung = [
        bench.hang("s3", operation, moment=moment, where={"Key": f"{prefix}/{key}"})
        for prefix, (operation, key, moment, _) in zip(prefixes, CALLS, strict=True)
    ]
    process = writer(aws_environment, "new", "1", *prefixes)
    until(lambda: all(map(bench.hangs, hung)), "every thread to come to its call")
    process.send_signal(signal.SIGKILL)
    process.wait()
    for number in hung:
        bench.release(number)
    for prefix, (*_, is_kept) in zip(prefixes, CALLS, strict=True):
        following = S3Database(aws_clients, place_of(BUCKET, prefix), lifetime=BRIEF)
        keep(following, "next")
        assert kept(following) == ["new-000", "next", "old"][not is_kept :], prefix
        assert "whole" in following.examined()


# What cannot be used


def test_a_damaged_state_says_what_to_do(bench: Bench, database: S3Database, other: S3Database) -> None:
    bench.client("s3").put_object(Bucket=BUCKET, Key=KEY, Body=b"not a database at all" * 100)
    for use in (lambda: kept(database), lambda: kept(other), lambda: keep(other, "new")):
        with pytest.raises(StateError, match=r"s3://.*/state\.db is damaged .*an earlier version of the object"):
            use()


def test_a_state_that_vanished_is_not_begun_anew_by_who_knew_it(bench: Bench, database: S3Database) -> None:
    bench.client("s3").delete_object(Bucket=BUCKET, Key=KEY)
    with pytest.raises(StateError, match="is gone"):
        kept(database)
    with pytest.raises(StateError, match="is gone"):
        keep(database, "new")


def test_an_older_state_is_kept_beside_the_upgraded_one(bench: Bench, aws_clients: Clients, s3_place: AwsPlace) -> None:
    newest = len(known_migrations(SQLITE_MIGRATIONS))
    older = S3Database(aws_clients, s3_place, up_to=newest - 1)
    with older.transaction():
        pass
    image = bench.client("s3").get_object(Bucket=BUCKET, Key=KEY)["Body"].read()
    upgraded = S3Database(aws_clients, s3_place)
    assert f"schema {newest}" in upgraded.examined()
    copy = bench.client("s3").get_object(Bucket=BUCKET, Key=f"{KEY}.before-{newest}")
    assert copy["Body"].read() == image
    with pytest.raises(StateError, match="newer Everfit"):
        older.examined()
    with pytest.raises(StateError, match="newer Everfit"):
        keep(older, "new")


def test_a_bucket_that_is_not_there_says_so(aws_clients: Clients, s3_place: AwsPlace) -> None:
    lost = S3Database(aws_clients, replace(s3_place, bucket="no-such-bucket"))
    for use in (lambda: kept(lost), lambda: keep(lost, "new")):
        with pytest.raises(RequestError, match=r"no such bucket.*aws\.bucket") as caught:
            use()
        assert not isinstance(caught.value, NotFoundError)


@pytest.mark.parametrize("operation", ["GetObject", "PutObject", "DeleteObject"])
def test_what_is_not_permitted_is_named(bench: Bench, other: S3Database, operation: str) -> None:
    bench.deny("s3", operation)
    with pytest.raises(RequestError, match=f"may not call {operation}"):
        keep(other, "new")


def test_the_state_is_encrypted_with_the_customers_key_in_a_bucket_of_the_right_owner(
    bench: Bench, aws_clients: Clients, s3_place: AwsPlace
) -> None:
    key = "arn:aws:kms:us-east-1:123456789012:key/0f0f0f0f-0000-4000-8000-000000000000"
    before = len(bench.calls())
    keep(S3Database(aws_clients, replace(s3_place, key=key, account="123456789012")), "new")
    calls = bench.calls("s3", since=before)
    assert {call["params"].get("ExpectedBucketOwner") for call in calls} == {"123456789012"}
    written = [call["params"] for call in calls if call["operation"] == "PutObject"]
    assert {(put["ServerSideEncryption"], put["SSEKMSKeyId"]) for put in written} == {("aws:kms", key)}
