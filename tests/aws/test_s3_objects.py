"""What is read and written of single objects."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.s3_objects import NOTHING, Put, S3Objects
from everfit.domain.aws import AwsPlace
from everfit.domain.errors import BackendError, NotFoundError
from tests.aws.bench.client import Bench
from tests.aws_bench import BUCKET

KEY = "everfit/some"


@pytest.fixture
def objects(aws_clients: Clients, s3_place: AwsPlace) -> S3Objects:
    return S3Objects(aws_clients, s3_place)


def test_only_one_makes_an_object_that_must_be_new(objects: S3Objects) -> None:
    assert objects.put(Put(key=KEY, body=b"one", replaces=NOTHING)) is not None
    assert objects.put(Put(key=KEY, body=b"two", replaces=NOTHING)) is None
    found = objects.get(KEY)
    assert found is not None
    assert found.data == b"one"


def test_only_what_was_read_is_replaced(objects: S3Objects) -> None:
    first = objects.put(Put(key=KEY, body=b"one"))
    assert first is not None
    assert objects.put(Put(key=KEY, body=b"two", replaces=first.etag)) is not None
    assert objects.put(Put(key=KEY, body=b"three", replaces=first.etag)) is None
    assert objects.put(Put(key="everfit/nowhere", body=b"", replaces=first.etag)) is None


def test_an_object_is_sent_only_when_it_is_another_one(objects: S3Objects) -> None:
    written = objects.put(Put(key=KEY, body=b"one"))
    assert written is not None
    assert objects.get(KEY, unless=written.etag) is None
    with pytest.raises(NotFoundError):
        objects.get("everfit/nowhere")


def test_times_are_those_of_s3_and_have_a_zone(objects: S3Objects) -> None:
    objects.put(Put(key=KEY, body=b"one"))
    facts = objects.look(KEY)
    assert facts.modified.utcoffset() == facts.now.utcoffset() == datetime.now(UTC).utcoffset()
    assert abs((facts.now - facts.modified).total_seconds()) < 60


def test_an_object_that_changed_is_not_read_in_part(objects: S3Objects) -> None:
    first = objects.put(Put(key=KEY, body=b"one"))
    objects.put(Put(key=KEY, body=b"two"))
    assert first is not None
    with pytest.raises(BackendError, match="PreconditionFailed"):
        list(objects.parts(KEY, etag=first.etag))


def test_removing_what_is_not_there_or_is_another_one_changes_nothing(objects: S3Objects) -> None:
    first = objects.put(Put(key=KEY, body=b"one"))
    objects.put(Put(key=KEY, body=b"two"))
    assert first is not None
    objects.delete(KEY, etag=first.etag)
    objects.delete("everfit/nowhere")
    objects.delete("everfit/nowhere", etag=first.etag)
    assert objects.seen(KEY) is not None
    objects.delete(KEY)
    assert objects.seen(KEY) is None


def test_a_file_that_was_sent_in_parts_in_vain_leaves_no_parts(
    bench: Bench, aws_clients: Clients, s3_place: AwsPlace, tmp_path: Path
) -> None:
    (tmp_path / "large").write_bytes(b"x" * 6_000_000)
    objects = S3Objects(aws_clients, s3_place, single=5 << 20)
    bench.fault("s3", "UploadPart", code="AccessDenied", status=403, skip=1)
    with pytest.raises(Exception, match="may not call UploadPart"):
        objects.put(Put(key=KEY, body=tmp_path / "large"))
    assert aws_clients("s3").list_multipart_uploads(Bucket=BUCKET).get("Uploads", []) == []


def test_an_object_that_others_write_all_the_time_is_given_up(bench: Bench, objects: S3Objects) -> None:
    bench.fault("s3", "PutObject", code="ConditionalRequestConflict", status=409, times=100)
    with pytest.raises(BackendError, match="by others all the time") as caught:
        objects.put(Put(key=KEY, body=b"one", replaces=NOTHING))
    assert caught.value.retryable


def test_a_write_of_which_nobody_can_say_whether_it_was_accepted_may_be_tried_again(
    bench: Bench, objects: S3Objects
) -> None:
    bench.fault("s3", "PutObject", code="InternalError", status=500, times=100)
    with pytest.raises(BackendError) as caught:
        objects.put(Put(key=KEY, body=b"one", replaces=NOTHING))
    assert caught.value.retryable
