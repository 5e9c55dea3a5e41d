import json
import os
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everfit.domain.errors import RequestError
from everfit.domain.git_event import Dispatched, Pushed, Tagged
from everfit.domain.webhook import MOST_COMMITS, Ignored, Told, Webhook, decoded, is_signed
from tests.stored import START

REAL = Path(os.environ.get("EVERFIT_REAL_WEBHOOKS", "no-such-folder"))
BODY = b"Hello, World!"
SIGNATURE = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
"""GitHub's own example, for the secret below."""
SECRET = "It's a Secret to Everybody"
COMMIT, TAG_OBJECT = "a" * 40, "b" * 40


def payload(**keys: Any) -> dict[str, Any]:
    commit = {"id": COMMIT, "added": ["new.py"], "removed": ["old.py"], "modified": ["src/a.py"]}
    return {
        "ref": "refs/heads/main",
        "before": "0" * 40,
        "after": COMMIT,
        "created": False,
        "deleted": False,
        "forced": False,
        "commits": [commit],
        "head_commit": commit,
        "repository": {"clone_url": "https://github.com/Octo/Model.git", "ssh_url": "git@github.com:Octo/Model.git"},
        "sender": {"login": "mona"},
        **keys,
    }


def read(body: Any, event: str = "push", delivery: str = "72d3162e-cc78-11e3") -> Told | Ignored:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return decoded(Webhook(event=event, delivery=delivery, body=raw), START)


def change_of(body: Any, event: str = "push") -> Any:
    told = read(body, event)
    assert isinstance(told, Told)
    return told.change


def test_the_signature_of_githubs_own_example_is_right() -> None:
    assert is_signed([SECRET], BODY, SIGNATURE)
    assert is_signed(["the next one", SECRET], BODY, SIGNATURE)
    assert is_signed([SECRET, "the next one"], BODY, SIGNATURE.upper().replace("SHA256", "sha256"))


@pytest.mark.parametrize(
    "signature",
    [
        None,
        "",
        "sha256=",
        SIGNATURE[:-1],
        f"{SIGNATURE}0",
        SIGNATURE.replace("7", "8"),
        SIGNATURE[7:],
        "sha1=" + "0" * 40,
    ],
)
def test_a_missing_malformed_or_wrong_signature_is_not(signature: str | None) -> None:
    """Bad signature."""
    assert not is_signed([SECRET], BODY, signature)


def test_the_signature_is_of_the_raw_body_and_of_a_secret_that_is_known() -> None:
    assert not is_signed([SECRET], BODY + b" ", SIGNATURE)
    assert not is_signed(["another"], BODY, SIGNATURE)
    assert not is_signed([], BODY, SIGNATURE)
    assert not is_signed([], b"", f"sha256={sha256(b'').hexdigest()}")


def test_a_push_names_its_branch_commit_and_paths() -> None:
    change = change_of(payload())
    assert isinstance(change, Pushed)
    assert (change.branch, change.commit, change.actor) == ("main", COMMIT, "mona")
    assert change.paths == frozenset({"new.py", "old.py", "src/a.py"})


@pytest.mark.parametrize(
    "keys",
    [
        {"forced": True},
        {"created": True},
        {"commits": []},
        {"commits": None},
        {"commits": [{"id": COMMIT}]},
        {"commits": [{"added": [], "removed": [], "modified": []}] * MOST_COMMITS},
        {"commits": [{"added": ["x"] * 3000, "removed": [], "modified": []}]},
    ],
)
def test_paths_that_github_does_not_list_whole_are_not_known(keys: dict[str, Any]) -> None:
    assert change_of(payload(**keys)).paths is None


def test_a_tag_stands_at_its_commit_also_when_it_is_an_object_of_its_own() -> None:
    change = change_of(payload(ref="refs/tags/staging-v1.0.0", after=TAG_OBJECT))
    assert isinstance(change, Tagged)
    assert (change.tag, change.commit) == ("staging-v1.0.0", COMMIT)
    assert change_of(payload(ref="refs/tags/x", head_commit=None)).commit == COMMIT


def test_a_dispatch_has_its_own_id_or_that_of_its_delivery() -> None:
    body = payload(action="new-images", client_payload={"id": "s3:key:1", "n": 1})
    first, again = change_of(body, "repository_dispatch"), read(body, "repository_dispatch", "another-delivery")
    assert isinstance(first, Dispatched)
    assert isinstance(again, Told)
    assert isinstance(again.change, Dispatched)
    assert (first.action, first.id, first.payload) == ("new-images", again.change.id, {"id": "s3:key:1", "n": 1})
    assert change_of(payload(action="x"), "repository_dispatch").id == "72d3162e-cc78-11e3"
    large = payload(action="x", client_payload={"text": "x" * 20_000})
    assert change_of(large, "repository_dispatch").payload is None


@pytest.mark.parametrize(
    ("event", "body", "words"),
    [
        ("ping", {}, "ping has arrived"),
        ("create", payload(), "the push event tells the same"),
        ("issues", {}, "start nothing here"),
        ("push", payload(deleted=True, after="0" * 40), "was deleted"),
        ("push", payload(after="0" * 40, head_commit=None), "was deleted"),
        ("push", payload(ref="refs/notes/x"), "neither a branch nor a tag"),
    ],
)
def test_what_starts_nothing_is_ignored_with_the_reason(event: str, body: Any, words: str) -> None:
    told = read(body, event)
    assert isinstance(told, Ignored)
    assert words in told.reason


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not JSON",
        b"\xff\xfe",
        b"[]",
        b"[" * 100_000,
        b'{"a": ' + b"9" * 10_000 + b"}",
        b"payload=%7B%7D",
        payload(ref=None),
        payload(after=3),
        payload(ref="refs/heads/"),
        payload(ref="refs/heads/a\nb"),
        payload(ref="refs/heads/\ud800"),
        payload(ref="refs/tags/--upload-pack=x"),
        payload(head_commit={"id": "--output=x"}),
        payload(head_commit={}, after="xyz"),
        payload(repository=None),
        payload(repository={"clone_url": "/etc", "html_url": "file:///srv/model", "ssh_url": 3}),
    ],
)
def test_a_body_that_cannot_be_read_is_refused(body: Any) -> None:
    """Malformed, deeply nested, non-UTF-8 bodies."""
    with pytest.raises(RequestError):
        read(body)


def test_a_webhook_without_its_delivery_is_refused() -> None:
    for delivery in ("", "a b", "x" * 200):
        with pytest.raises(RequestError, match="X-GitHub-Delivery"):
            read(payload(), delivery=delivery)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(), st.just(COMMIT), st.just("refs/heads/main")),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(sorted(payload())), inner)),
)


@given(
    st.dictionaries(st.sampled_from([*payload(), "action", "client_payload"]), JSON),
    st.sampled_from(["push", "repository_dispatch"]),
)
def test_whatever_is_sent_is_read_or_refused(keys: dict[str, Any], event: str) -> None:
    with suppress(RequestError):
        assert read(payload(**keys), event) is not None


@pytest.mark.skipif(not REAL.is_dir(), reason="the collected payloads are not here")
@pytest.mark.parametrize(
    ("file", "event", "kind"),
    [
        ("push_payload", "push", Ignored),
        ("push_1.payload", "push", Ignored),
        ("push_with-new-branch.payload", "push", Told),
        ("create_payload", "create", Ignored),
        ("ping_payload", "ping", Ignored),
        ("repository_dispatch_payload", "repository_dispatch", Told),
    ],
)
def test_payloads_that_github_sent_are_read(file: str, event: str, kind: type) -> None:
    told = read((REAL / f"{file}.json").read_bytes(), event)
    assert isinstance(told, kind)
    if isinstance(told, Told):
        assert told.repositories <= {"github.com/codertocat/hello-world", "github.com/octo-org/octo-repo"}
