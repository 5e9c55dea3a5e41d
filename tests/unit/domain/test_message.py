"""The words of alerts, whole: what people read is a promise."""

from dataclasses import replace
from typing import Any

import pytest

from everfit.domain.alert import Template
from everfit.domain.gate import About as GateAbout
from everfit.domain.gate import ApprovalPolicy, Finding, Result, decide, parse_rule, policy_digest
from everfit.domain.message import LONGEST_BODY, LONGEST_SUBJECT, Message, message_of
from everfit.domain.notice import NoticeKind
from everfit.domain.scores import Measured, Scores, SideScores
from everfit.domain.story import Story
from tests.stored import MINUTE, START

FAILED = Finding(rule="mape < 20", result=Result.FAIL, reason="mape is 25.3, the limit 20")
PASSED = Finding(rule="r2 >= 0.5", result=Result.PASS, reason="r2 is 0.9, the limit 0.5")


def a_story(kind: NoticeKind, **changes: Any) -> Story:
    story = Story(
        id="run:run-7:x",
        kind=kind,
        model="tickets",
        environment="production",
        at=START,
        run="run-7",
        cause="schedule",
        actor="schedule",
        version=7,
        before=6,
        serving=6,
    )
    return replace(story, **changes)


def standard(story: Story) -> Message:
    return message_of(story, Template.STANDARD)


def test_a_deployment_is_told_whole() -> None:
    told = standard(
        a_story(
            NoticeKind.DEPLOYED,
            serving=7,
            cause="tag",
            release="0.1.2",
            actor="ada",
            reason="version 7 of tickets passed its gate",
            link="https://everfit.example/v1/runs/run-7",
            findings=(PASSED,),
        )
    )
    assert told.subject == "tickets/production: version 7 is deployed"
    assert told.body == (
        "Version 7 of tickets passed its gate\n"
        "\n"
        "Model: tickets\n"
        "Environment: production\n"
        "Trigger: Version Tag v0.1.2\n"
        "Started by: ada\n"
        "Version: 7\n"
        "Version before: 6\n"
        "Serves now: version 7\n"
        "Run: run-7\n"
        "At: 2026-11-21 09:00 UTC\n"
        "Look: https://everfit.example/v1/runs/run-7"
    )


def test_a_rejection_names_the_rules_the_figures_and_what_still_serves() -> None:
    told = standard(a_story(NoticeKind.REJECTED, findings=(PASSED, FAILED), reason="version 7 was rejected"))
    assert told.subject == "tickets/production: version 7 was rejected"
    assert told.body == (
        "Version 7 was rejected\n"
        "\n"
        "Model: tickets\n"
        "Environment: production\n"
        "Trigger: Schedule\n"
        "Started by: schedule\n"
        "Version: 7\n"
        "Version before: 6\n"
        "Serves now: version 6\n"
        "Run: run-7\n"
        "At: 2026-11-21 09:00 UTC\n"
        "\n"
        "Rules that did not pass:\n"
        "- mape < 20: fail: mape is 25.3, the limit 20"
    )


def test_who_must_decide_is_told_how() -> None:
    body = standard(a_story(NoticeKind.NEEDS_APPROVAL)).body
    assert 'Approve it: everfit approve 7 --env production --reason "…"' in body
    assert 'Turn it away: everfit reject 7 --env production --reason "…"' in body


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (NoticeKind.APPROVED, "version 7 is approved"),
        (NoticeKind.FAILED, "retraining failed"),
        (NoticeKind.CANCELLED, "the run was cancelled"),
        (NoticeKind.ROLLED_BACK, "rolled back to version 7"),
        (NoticeKind.PAUSED, "paused"),
        (NoticeKind.RESUMED, "resumed"),
        (NoticeKind.NO_SUCCESS, "no successful retraining"),
        (NoticeKind.RECOVERED, "data works again"),
        (NoticeKind.TROUBLE, "trouble with data"),
        (NoticeKind.TEST, "test alert"),
    ],
)
def test_every_kind_has_its_words(kind: NoticeKind, words: str) -> None:
    assert standard(a_story(kind, part="data")).subject == f"tickets/production: {words}"


@pytest.mark.parametrize("kind", list(NoticeKind))
def test_only_a_deployment_says_that_something_is_deployed(kind: NoticeKind) -> None:
    told = standard(a_story(kind))
    assert ("is deployed" in f"{told.subject} {told.body}") is (kind is NoticeKind.DEPLOYED)


@pytest.mark.parametrize(
    ("reason", "first"),
    [("the disk is full", "The disk is full"), ("everfit.yaml:3: no such key", "everfit.yaml:3: no such key")],
)
def test_a_sentence_begins_with_a_capital_and_a_file_keeps_its_name(reason: str, first: str) -> None:
    assert standard(a_story(NoticeKind.TROUBLE, reason=reason)).body.splitlines()[0] == first


def test_what_was_held_back_is_counted() -> None:
    told = standard(a_story(NoticeKind.FAILED, repeats=11, since=START - MINUTE))
    assert told.body.endswith("\n\nAnd 11 more since 2026-11-21 08:59 UTC.")


def test_a_subject_is_one_line_whatever_is_in_it() -> None:
    told = standard(a_story(NoticeKind.FAILED, model="x\r\nBcc: all@example.com\0" + "y" * 500))
    assert told.subject.startswith("x Bcc: all@example.com yyy")
    assert len(told.subject) == LONGEST_SUBJECT
    assert told.subject.isprintable()


def test_a_huge_reason_is_cut_and_control_characters_go() -> None:
    rules = tuple(replace(FAILED, reason="é" * 9_000) for _ in range(200))
    told = standard(a_story(NoticeKind.REJECTED, reason="\x1b[31m日本" * 9_000, findings=rules))
    assert len(told.body) <= LONGEST_BODY
    assert "\x1b" not in told.body
    assert "日本" in told.body


def test_programs_get_the_same_as_json_of_a_stable_shape() -> None:
    content = standard(a_story(NoticeKind.REJECTED, findings=(FAILED,), reason="mape failed")).content
    assert set(content) == {
        *("schema", "id", "kind", "model", "environment", "at", "run", "trigger", "release", "actor", "version"),
        *("before", "serving", "rules", "reason", "link", "more", "since", "subject", "body"),
    }
    assert content["rules"] == [{"rule": "mape < 20", "result": "fail", "reason": "mape is 25.3, the limit 20"}]


def judged(policy: ApprovalPolicy, gate: str, **metrics: float) -> tuple[tuple[Finding, ...], str]:
    """Return what the real gate says, so that a change of its words is found out here."""
    rules = (parse_rule(gate),)
    side = SideScores(metrics={name: Measured(value=value, rows=100) for name, value in metrics.items()})
    about = GateAbout(artifact="a", snapshot="s", policy=policy_digest(rules, policy), champion=None)
    verdict = decide(rules, policy, Scores(rows=100, challenger=side, size=1), about)
    return verdict.findings, verdict.reason


def test_the_threshold_template_says_the_sentence_of_the_ticket_forecast() -> None:
    policy = ApprovalPolicy(mode="when", when=parse_rule("mape >= 20"))
    findings, asked = judged(policy, "mape < 30", mape=25.3)
    told = message_of(a_story(NoticeKind.NEEDS_APPROVAL, findings=findings, asked=asked), Template.THRESHOLD)
    assert told.subject == "Model Needs Manual Approval"
    assert told.body == (
        "New model exceeded MAPE threshold. MAPE: 25.3%, Threshold: 20.0%. Please review and approve manually."
    )


@pytest.mark.parametrize(
    ("gate", "metrics", "sentence"),
    [
        ("mape < 20", {"mape": 25.3}, "New model exceeded MAPE threshold. MAPE: 25.3%, Threshold: 20.0%."),
        ("mape < 20", {"mape": 20.0}, "New model exceeded MAPE threshold. MAPE: 20.0%, Threshold: 20.0%."),
        ("mape < 20", {"mape": 20.004}, "New model exceeded MAPE threshold. MAPE: 20.004%, Threshold: 20.000%."),
        ("r2 >= 0.95", {"r2": 0.9}, "New model is below the R2 threshold. R2: 0.9, Threshold: 0.95."),
    ],
)
def test_a_rejection_says_which_limit_and_what_keeps_serving(
    gate: str, metrics: dict[str, float], sentence: str
) -> None:
    findings, _ = judged(ApprovalPolicy(), gate, **metrics)
    told = message_of(a_story(NoticeKind.REJECTED, findings=findings), Template.THRESHOLD)
    assert (told.subject, told.body) == ("Model Rejected", f"{sentence} Version 6 keeps serving.")


def test_without_a_limit_the_threshold_template_says_the_usual_words() -> None:
    for story in (a_story(NoticeKind.FAILED), a_story(NoticeKind.NEEDS_APPROVAL, asked="approval is manual")):
        assert message_of(story, Template.THRESHOLD) == standard(story)
