from collections.abc import Sequence
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everfit.domain.errors import RequestError
from everfit.domain.snapshot import FileEntry, ManifestDigest, change_between, object_path, snapshot_of

ENTRIES = st.lists(
    st.builds(
        FileEntry,
        path=st.text(st.characters(codec="utf-8", exclude_characters="/"), min_size=3, max_size=12),
        size=st.integers(0, 2**40),
        digest=st.sampled_from([f"blake3:{letter * 64}" for letter in "0123456789abcdef"]),
    ),
    unique_by=lambda entry: entry.path,
    max_size=8,
)


@given(ENTRIES, st.randoms(use_true_random=False))
def test_the_order_of_a_listing_does_not_change_the_digest(entries: list[FileEntry], chance: object) -> None:
    shuffled = list(entries)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert snapshot_of(shuffled) == snapshot_of(entries)


@given(ENTRIES, ENTRIES)
def test_snapshots_have_one_id_exactly_when_nothing_is_different(
    one: Sequence[FileEntry], other: Sequence[FileEntry]
) -> None:
    old, new = snapshot_of(one), snapshot_of(other)
    assert (old.id == new.id) == (old.files == new.files)
    assert change_between(old, old).is_empty


@given(ENTRIES, ENTRIES)
def test_a_change_leads_from_the_old_paths_to_the_new_ones(
    one: Sequence[FileEntry], other: Sequence[FileEntry]
) -> None:
    old, new = snapshot_of(one), snapshot_of(other)
    change = change_between(old, new)
    paths = ({entry.path for entry in old.files} - {*change.removed}) | {*change.added}
    assert paths == {entry.path for entry in new.files}
    assert not {*change.replaced} & ({*change.added} | {*change.removed})
    assert change.new_bytes <= new.size


@given(ENTRIES)
def test_everything_is_new_when_there_was_no_snapshot(entries: Sequence[FileEntry]) -> None:
    new = snapshot_of(entries)
    change = change_between(None, new)
    assert (change.added, change.new_bytes) == (tuple(entry.path for entry in new.files), new.size)


def test_a_replaced_file_counts_with_its_new_size() -> None:
    old = snapshot_of([FileEntry(path="a.csv", size=1, digest="blake3:1")])
    new = snapshot_of([FileEntry(path="a.csv", size=7, digest="blake3:2")])
    assert (change_between(old, new).replaced, change_between(old, new).new_bytes) == (("a.csv",), 7)


def test_the_manifest_is_written_in_one_form_only() -> None:
    entries = [FileEntry(path="ü", size=2, digest="blake3:2"), FileEntry(path="a", size=1, digest="blake3:1")]
    written = b'[["a",1,"blake3:1"],["\\u00fc",2,"blake3:2"]]'
    assert snapshot_of(entries).id == f"sha256:{sha256(written).hexdigest()}"
    assert snapshot_of([]).id == f"sha256:{sha256(b'[]').hexdigest()}"


def test_files_that_do_not_come_in_the_order_of_their_names_are_refused() -> None:
    digest = ManifestDigest()
    digest.add(FileEntry(path="b", size=1, digest="blake3:1"))
    with pytest.raises(RequestError, match="lists a after b"):
        digest.add(FileEntry(path="a", size=1, digest="blake3:1"))


def test_two_files_of_one_name_are_refused() -> None:
    with pytest.raises(RequestError, match=r"a\.csv twice"):
        snapshot_of([FileEntry(path="a.csv", size=size, digest="blake3:1") for size in (1, 2)])


@pytest.mark.parametrize("path", ["/etc/passwd", "../a", "a/../../b", ".."])
def test_a_name_that_leads_out_of_the_source_is_refused(path: str) -> None:
    with pytest.raises(RequestError, match="leads out of its folder"):
        snapshot_of([FileEntry(path=path, size=1, digest="blake3:1")])


def test_an_object_lies_in_a_folder_of_its_first_two_digits() -> None:
    assert object_path("blake3:abcdef") == "ab/cdef"
