"""The words of an alert: a subject of one line and a body of plain text, both bounded."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from everfit.domain.alert import Template
from everfit.domain.conclusion import Result
from everfit.domain.notice import NoticeKind
from everfit.domain.story import Story
from everfit.domain.threshold import threshold_words

LONGEST_SUBJECT: Final = 150
LONGEST_REASON: Final = 800
LONGEST_BODY: Final = 4_000
MOST_RULES: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What a channel is given.

    Args:
        content: the same as JSON of a stable shape, for programs.
    """

    subject: str
    body: str
    content: Mapping[str, object]


def message_of(story: Story, template: Template) -> Message:
    """Return the words for the story."""
    words = threshold_words(story) if template is Template.THRESHOLD else None
    if words is None:
        subject, body = f"{story.place}: {headline(story)}", "\n".join(_lines(story))
    else:
        subject, body = words
    more = _more(story)
    subject, body = one_line(subject, LONGEST_SUBJECT), shortened(body if more is None else f"{body}\n\n{more}")
    return Message(subject=subject, body=body, content=_content(story, subject, body))


HEADLINES: Final[Mapping[NoticeKind, str]] = {
    NoticeKind.DEPLOYED: "{version} is deployed",
    NoticeKind.APPROVED: "{version} is approved",
    NoticeKind.REJECTED: "{version} was rejected",
    NoticeKind.NEEDS_APPROVAL: "{version} needs approval",
    NoticeKind.FAILED: "retraining failed",
    NoticeKind.CANCELLED: "the run was cancelled",
    NoticeKind.ROLLED_BACK: "rolled back to {version}",
    NoticeKind.PAUSED: "paused",
    NoticeKind.RESUMED: "resumed",
    NoticeKind.NO_SUCCESS: "no successful retraining",
    NoticeKind.RECOVERED: "{part} works again",
    NoticeKind.TROUBLE: "trouble with {part}",
    NoticeKind.TEST: "test alert",
}


def headline(story: Story) -> str:
    """Return what happened, in a few words."""
    version = "the new model" if story.version is None else f"version {story.version}"
    return HEADLINES[story.kind].format(version=version, part=story.part or "retraining")


def _begun(words: str) -> str:
    """Return a sentence that begins with a capital letter; the name of a file keeps its own."""
    return f"{words[:1].upper()}{words[1:]}" if words.split(" ", 1)[0].isalpha() else words


def _lines(story: Story) -> Iterator[str]:
    told = story.reason or f"{story.place}: {headline(story)}."
    yield cut(_begun(told), LONGEST_REASON)
    yield ""
    yield from (f"{name}: {value}" for name, value in _facts(story) if value is not None)
    failed = [finding for finding in story.findings if finding.result is not Result.PASS]
    if failed and story.kind is not NoticeKind.DEPLOYED:
        yield ""
        yield "Rules that did not pass:"
        yield from (f"- {each.rule}: {each.result.value}: {cut(each.reason, 300)}" for each in failed[:MOST_RULES])
        if len(failed) > MOST_RULES:
            yield f"- and {len(failed) - MOST_RULES} more"
    yield from _next(story)


def _facts(story: Story) -> Iterator[tuple[str, object]]:
    yield "Model", story.model
    yield "Environment", story.environment
    yield "Trigger", story.trigger
    yield "Started by" if story.run is not None else "By", story.actor
    yield "Version", story.version
    yield "Version before", story.before
    if story.run is not None or story.kind is NoticeKind.ROLLED_BACK:
        yield "Serves now", "nothing yet" if story.serving is None else f"version {story.serving}"
    yield "Run", story.run
    yield "At", moment(story.at)
    yield "Look", story.link


def _next(story: Story) -> Iterator[str]:
    if story.kind is not NoticeKind.NEEDS_APPROVAL or story.version is None:
        return
    where = f"{story.version} --env {story.environment} --reason"
    yield ""
    yield f'Approve it: everfit approve {where} "…"'
    yield f'Turn it away: everfit reject {where} "…"'


def _more(story: Story) -> str | None:
    if story.repeats == 0:
        return None
    since = "" if story.since is None else f" since {moment(story.since)}"
    return f"And {story.repeats} more{since}."


def _content(story: Story, subject: str, body: str) -> Mapping[str, object]:
    return {
        "schema": 1,
        "id": story.id,
        "kind": story.kind.value,
        "model": story.model,
        "environment": story.environment,
        "at": story.at.isoformat(),
        "run": story.run,
        "trigger": story.cause,
        "release": story.release,
        "actor": story.actor,
        "version": story.version,
        "before": story.before,
        "serving": story.serving,
        "rules": [
            {"rule": each.rule, "result": each.result.value, "reason": cut(each.reason, LONGEST_REASON)}
            for each in story.findings[:50]
        ],
        "reason": None if story.reason is None else cut(story.reason, LONGEST_REASON),
        "link": story.link,
        "more": story.repeats,
        "since": None if story.since is None else story.since.isoformat(),
        "subject": subject,
        "body": body,
    }


def moment(at: datetime) -> str:
    """Return an instant for people."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def one_line(text: str, most: int) -> str:
    """Return the text without line breaks and control characters: a subject is a header of a mail."""
    return cut(" ".join("".join(sign if sign.isprintable() else " " for sign in text).split()), most)


def shortened(body: str) -> str:
    """Return the body without control characters, cut where it is too long for a chat."""
    clean = "".join(sign if sign.isprintable() or sign == "\n" else " " for sign in body)
    return cut(clean, LONGEST_BODY)


def cut(text: str, most: int) -> str:
    """Return the beginning of a long text."""
    return text if len(text) <= most else f"{text[: most - 1]}…"
