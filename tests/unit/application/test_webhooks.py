import json
from typing import Any

from everfit.adapters.memory.clock import SettableClock
from everfit.application.webhooks import Receipt, take_webhook
from everfit.domain.webhook import Webhook
from tests.git_projects import GITHUB, ONE, TWO, GitWatch, LookedAtInbox, MadeUpRepository, a_workspace
from tests.stored import START


def sent(inbox: LookedAtInbox, *models: str, delivery: str = "delivery-1", **keys: Any) -> Receipt:
    body = {
        "ref": "refs/heads/main",
        "after": ONE,
        "commits": [],
        "repository": {"clone_url": "https://github.com/Octo/Model.git"},
        **keys,
    }
    webhook = Webhook(event=keys.pop("event", "push"), delivery=delivery, body=json.dumps(body).encode())
    workspaces = [a_workspace(model) for model in models or ("house",)]
    return take_webhook(webhook, workspaces, MadeUpRepository(), inbox, SettableClock(START))


def test_a_push_to_a_repository_of_many_models_is_one_event_for_each() -> None:
    inbox = LookedAtInbox()
    receipt = sent(inbox, *(f"model-{number}" for number in range(50)))
    assert len(receipt.accepted) == len(inbox.accepted) == 50
    assert receipt.reason is None


def test_a_delivery_that_is_sent_again_gets_the_same_answer_and_starts_nothing() -> None:
    """Replayed delivery."""
    inbox = LookedAtInbox()
    once, again = sent(inbox), sent(inbox)
    assert again == once
    sent(inbox, delivery="another-number")
    assert len(inbox.accepted) == 1


def test_a_webhook_and_a_look_at_the_repository_start_one_run() -> None:
    watch = GitWatch()
    watch.look()
    sent(watch.inbox, after=TWO)
    watch.repository.branches["main"] = TWO
    watch.look()
    assert [event.id for event in watch.inbox.accepted] == [f"push:{GITHUB}:main:{TWO}"]
    assert watch.inbox.accepted[0].detail["delivery"] == "delivery-1"


def test_a_tag_without_a_version_is_written_down_as_refused() -> None:
    """Tag staging-recommender-vX."""
    inbox = LookedAtInbox()
    receipt = sent(inbox, ref="refs/tags/staging-vX")
    assert (inbox.accepted, len(inbox.refused)) == ([], 1)
    assert next(reason for _, reason in receipt.refused).startswith("the tag staging-vX fits staging-v*")


def test_what_is_for_nobody_here_is_said_to_be() -> None:
    inbox = LookedAtInbox()
    other = {"clone_url": "https://github.com/octo/other"}
    assert sent(inbox, ref="refs/heads/next").reason == f"no project here waits for pushes to next in {GITHUB}"
    assert sent(inbox, ref="refs/tags/v1.0.0").reason == f"no project here waits for the tag v1.0.0 in {GITHUB}"
    assert "github.com/octo/other" in str(sent(inbox, repository=other).reason)
    assert "ping" in str(sent(inbox, event="ping").reason)
    assert (inbox.accepted, inbox.refused) == ([], [])
