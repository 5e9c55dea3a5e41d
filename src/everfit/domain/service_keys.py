"""The keys of the project file that a long-running service acts on: triggers, rollout, watch, monitor, alerts."""

from typing import Final

from everfit.domain import plain_values as plain
from everfit.domain.alert import SAYABLE, Template
from everfit.domain.path_glob import GLOB_WORDS, check_glob
from everfit.domain.release_name import BRANCH_WORDS, PATTERN_WORDS, check_branch, check_pattern
from everfit.domain.schedule import SCHEDULE_WORDS, check_schedule
from everfit.domain.value import Key, ListOf, Section

HTTPS: Final = plain.text("a URL that starts with https://", r"^https://[^\s/]+")


_AT_MOST: Final = Key(
    name="at_most",
    kind=plain.SOME_TIME,
    doc="How long the first event of a burst waits in any case.",
    default="12 times quiet_for",
)
_QUIET_FOR: Final = Key(
    name="quiet_for",
    kind=plain.ANY_TIME,
    doc="How long nothing more may arrive before a run starts.",
    default="0s",
)

TAG_PATTERN: Final = plain.parsed(PATTERN_WORDS, check_pattern)

TRIGGER: Final = Section(
    example='keys with values, such as schedule: "0 0 * * SAT"',
    keys=(
        Key(name="schedule", kind=plain.parsed(SCHEDULE_WORDS, check_schedule), doc="Starts a run at these times."),
        Key(name="timezone", kind=plain.TEXT, doc="Time zone of the schedule.", default="UTC"),
        Key(
            name="data",
            kind=Section(
                keys=(
                    Key(name="at_least", kind=plain.AMOUNT, doc="How much must be new.", default="1 file"),
                    Key(
                        name="quiet_for",
                        kind=plain.ANY_TIME,
                        doc="How long nothing more may arrive before a run starts.",
                        default="5m",
                    ),
                    _AT_MOST,
                    Key(
                        name="every",
                        kind=plain.SOME_TIME,
                        doc="Time between two looks at all of the data; changes in a folder are also noticed at once.",
                        default="10m",
                    ),
                )
            ),
            doc="Starts a run when there is new data.",
        ),
        Key(
            name="push",
            kind=Section(
                keys=(
                    Key(
                        name="branch",
                        kind=plain.parsed(BRANCH_WORDS, check_branch),
                        doc="Branch that is watched.",
                        default="main",
                    ),
                    Key(
                        name="paths",
                        kind=ListOf(
                            each=plain.parsed(GLOB_WORDS, check_glob),
                            words="a list of paths or globs",
                            can_be_empty=False,
                        ),
                        doc="Only a change of these starts a run.",
                        default="every path",
                    ),
                    _QUIET_FOR,
                    _AT_MOST,
                )
            ),
            doc="Starts a run when code is pushed.",
        ),
        Key(
            name="drift",
            kind=Section(
                keys=(
                    Key(
                        name="cooldown",
                        kind=plain.SOME_TIME,
                        doc="Shortest time between two runs because of drift.",
                        default="1d",
                    ),
                )
            ),
            doc="Starts a run when the live data has moved away from the training data.",
        ),
        Key(name="tag", kind=TAG_PATTERN, doc="Starts a run when a git tag that matches this glob is pushed."),
        Key(
            name="event",
            kind=Section(
                keys=(
                    Key(name="source", kind=plain.TEXT, doc="Who sends the event.", is_required=True),
                    Key(name="type", kind=plain.TEXT, doc="Only events of this type count.", default="every type"),
                    _QUIET_FOR,
                    _AT_MOST,
                )
            ),
            doc="Starts a run when an event of another program arrives.",
        ),
        Key(name="api", kind=plain.FLAG, doc="Whether a program may start a run over HTTP.", default="true"),
        Key(
            name="environments",
            kind=ListOf(each=plain.NAME, words="a list of environments", can_be_empty=False),
            doc="Where it starts runs.",
            default="every environment that trains",
        ),
        Key(
            name="cooldown",
            kind=plain.SOME_TIME,
            doc="Shortest time between the start of the last run and the next one that this trigger starts.",
            default="none",
        ),
    ),
    exactly_one=("schedule", "data", "push", "drift", "tag", "event", "api"),
    needs={"timezone": "schedule"},
)

ROLLOUT: Final = Section(
    keys=(
        Key(
            name="strategy",
            kind=plain.word("all-at-once", "canary", "linear", "rolling", "shadow"),
            doc="How traffic moves to a new version; rolling is for endpoints of SageMaker.",
            default="all-at-once",
        ),
        Key(
            name="steps",
            kind=ListOf(each=plain.PART_OR_ALL, words="a list of shares such as [10%, 50%]", can_be_empty=False),
            doc="Shares of the traffic, rising; the whole follows by itself. For canary, linear and rolling.",
        ),
        Key(
            name="bake",
            kind=plain.ANY_TIME,
            doc="Time after each step in which evidence can abort the rollout.",
            default="0s",
        ),
        Key(
            name="minimum_requests",
            kind=plain.whole(0, 1_000_000_000),
            doc="Requests that the new version must have answered in a step before that is left; on one machine only.",
            default="100",
        ),
        Key(
            name="patience",
            kind=plain.SOME_TIME,
            doc="People are told when a step has waited this long for requests; on one machine only.",
            default="1h",
        ),
        Key(
            name="disagreement",
            kind=plain.ANY_SHARE,
            doc="Largest share of the copied requests that a shadow may answer otherwise; on one machine only.",
            default="not judged",
        ),
    )
)

WATCH: Final = Section(
    keys=(
        Key(name="for", kind=plain.SOME_TIME, doc="How long a new version is watched.", is_required=True),
        Key(
            name="roll_back_when",
            kind=ListOf(each=plain.WATCH_RULE, words="a list of rules", can_be_empty=False),
            doc="Any of these brings the last good version back.",
            is_required=True,
        ),
    )
)

MONITOR: Final = Section(
    keys=(
        Key(
            name="capture",
            kind=plain.ANY_SHARE,
            doc="Share of the requests that is kept, with their answers; nothing is kept without monitor.",
            default="100%",
        ),
        Key(
            name="keep",
            kind=plain.SOME_TIME,
            doc="How long they are kept on this machine; a bucket has its own lifecycle.",
            default="30d",
        ),
        Key(
            name="at_most",
            kind=plain.SIZE,
            doc="How much may be kept on this machine; the oldest goes first.",
            default="10GB",
        ),
        Key(
            name="drift",
            kind=Section(
                keys=(
                    Key(name="every", kind=plain.SOME_TIME, doc="Time between two comparisons.", default="1h"),
                    Key(name="against", kind=plain.word("training"), doc="What is compared with.", default="training"),
                )
            ),
            doc="Compares live data with the training data.",
            is_later=True,
        ),
    )
)

POSTED_TO: Final = plain.text(
    "a URL that starts with https://, or http:// on this machine",
    r"^(https://[^\s/]+|http://(127\.0\.0\.1|localhost|\[::1\])(:[0-9]+)?(/|$))",
)

ALERT: Final = Section(
    example="keys with values, such as email: ml-team@example.com",
    keys=(
        Key(
            name="email",
            kind=plain.text("an e-mail address", r"^[^@\s,;<>\"]+@[^@\s,;<>\"]+$"),
            doc="An e-mail address; EVERFIT_SMTP names the mail server.",
        ),
        Key(
            name="sns",
            kind=plain.text("the ARN of an SNS topic", r"^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_.-]+$"),
            doc="The ARN of an SNS topic.",
        ),
        Key(name="slack", kind=HTTPS, doc="An incoming webhook of Slack."),
        Key(name="teams", kind=HTTPS, doc="A workflow of Microsoft Teams that takes webhook requests."),
        Key(name="webhook", kind=POSTED_TO, doc="A URL that alerts are posted to as JSON."),
        Key(
            name="url",
            kind=plain.text("a URL that Apprise knows, such as ntfy://topic", r"^[a-z0-9]{2,}://[^\s]+$"),
            doc="Any other service, as a URL of Apprise; a secret in it belongs into a ${NAME}.",
        ),
        Key(
            name="on",
            kind=ListOf(
                each=plain.word(*(kind.value for kind in SAYABLE)), words="a list of outcomes", can_be_empty=False
            ),
            doc="What is told.",
            default="deployed, rejected, needs approval, failed, rolled back, paused, no success, recovered, trouble",
        ),
        Key(
            name="environments",
            kind=ListOf(each=plain.NAME, words="a list of environments", can_be_empty=False),
            doc="Only what is about these, or about the whole model.",
            default="all",
        ),
        Key(
            name="template",
            kind=plain.word(*(template.value for template in Template)),
            doc="In which words; threshold says in one sentence which limit a new model did not keep.",
            default="standard",
        ),
        Key(
            name="repeat_after",
            kind=plain.ANY_TIME,
            doc="An alert that only repeats the last one is held for this long, and told with how many there were.",
            default="6h",
        ),
    ),
    exactly_one=("email", "sns", "slack", "teams", "webhook", "url"),
)
