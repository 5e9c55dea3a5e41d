"""Every key of the project file, once: the reader, the JSON Schema and the reference page are made from this table."""

from typing import Final

from everfit.domain import plain_values as plain
from everfit.domain.check import parse_check
from everfit.domain.gate_rule import parse_rule
from everfit.domain.schedule import SCHEDULE_WORDS, check_schedule
from everfit.domain.value import Anything, Either, Key, ListOf, Named, Section

GATE_RULE: Final = plain.parsed("a rule such as mape < 20 or rmse <= champion * 1.02", parse_rule)
DATA_CHECK: Final = plain.parsed("a check such as rows >= 1000 or missing(price) <= 1%", parse_check)
INSTANCE: Final = plain.text("an instance type such as ml.m5.large", r"^ml\.[a-z0-9-]+\.[a-z0-9]+$")
HTTPS: Final = plain.text("a URL that starts with https://", r"^https://[^\s/]+")

_INSTANCE_KEYS: Final = (
    Key(name="instance", kind=INSTANCE, doc="Instance type.", default="ml.m5.large"),
    Key(name="count", kind=plain.whole(1, 1000), doc="Number of instances.", default="1"),
    Key(name="image", kind=plain.TEXT, doc="URI of a container image in ECR, instead of a framework."),
    Key(
        name="framework",
        kind=plain.word("sklearn", "xgboost", "pytorch", "tensorflow", "huggingface"),
        doc="Framework whose container image is used.",
    ),
    Key(name="version", kind=plain.TEXT, doc="Version of that container image, in quotes, such as 1.4-2."),
)

TRAIN_SAGEMAKER: Final = Section(
    keys=(
        *_INSTANCE_KEYS,
        Key(name="spot", kind=plain.FLAG, doc="Whether spot instances are used.", default="false"),
        Key(name="max_wait", kind=plain.SOME_TIME, doc="How long a spot training may wait and run altogether."),
        Key(name="volume", kind=plain.SIZE, doc="Disk of each instance.", default="30GB"),
    ),
    at_most_one=("image", "framework"),
    needs={"version": "framework"},
)

SERVE_SAGEMAKER: Final = Section(
    keys=(
        *_INSTANCE_KEYS,
        Key(
            name="autoscale",
            kind=Section(
                keys=(
                    Key(name="min", kind=plain.whole(1, 1000), doc="Fewest instances.", default="count"),
                    Key(name="max", kind=plain.whole(1, 1000), doc="Most instances.", is_required=True),
                    Key(
                        name="invocations_per_instance",
                        kind=plain.whole(1, 1_000_000),
                        doc="Requests a minute and instance that scaling aims at.",
                        default="500",
                    ),
                )
            ),
            doc="Grows and shrinks the number of instances with the traffic.",
        ),
    ),
    at_most_one=("image", "framework"),
    needs={"version": "framework"},
)

_SOURCE: Final = "A folder, a glob or a URL such as s3://bucket/prefix/; a relative one is below the project folder."
_DATA_KEYS: Final = (
    Key(
        name="format",
        kind=plain.word("csv", "parquet", "jsonl", "images", "files"),
        doc="How the data is laid out; images are one folder per class.",
        default="csv",
    ),
    Key(name="target", kind=plain.COLUMN, doc="The column to predict; required for a table unless the task is custom."),
    Key(
        name="time",
        kind=plain.COLUMN,
        doc="The column with the time of a row; the holdout is then the newest part. Required for a forecast.",
    ),
    Key(name="id", kind=plain.COLUMN, doc="The column that names a row; duplicates are found by it."),
    Key(
        name="holdout",
        kind=plain.PART,
        doc="Share of the rows that no training sees: the newest by time, else chosen by a stable hash.",
        default="20%",
    ),
    Key(
        name="validation",
        kind=plain.PART_OR_NOTHING,
        doc="Share of the remaining rows for the validation channel of the training; 0% for no such channel.",
        default="10%",
    ),
    Key(
        name="checks",
        kind=ListOf(each=DATA_CHECK, words="a list of checks"),
        doc="What the data must be before anything is spent on training.",
        default="none",
    ),
    Key(name="encoding", kind=plain.ENCODING, doc="Encoding of text files.", default="utf-8"),
    Key(name="delimiter", kind=plain.DELIMITER, doc="What stands between the fields of a CSV.", default="found out"),
)

DATA: Final = Section(keys=(Key(name="source", kind=plain.TEXT, doc=_SOURCE, is_required=True), *_DATA_KEYS))

TRAIN: Final = Section(
    keys=(
        Key(
            name="script",
            kind=plain.PATH,
            doc="The training script, under the contract of SageMaker's script mode.",
            default="train.py",
        ),
        Key(
            name="requirements",
            kind=plain.PATH,
            doc="A requirements.txt; training and serving then run in an environment of their own with it.",
            default="none; the interpreter of Everfit is used",
        ),
        Key(
            name="hyperparameters",
            kind=Named(
                name=plain.text("the name of a hyperparameter", r"^(?!-|sagemaker_)[^\s=]{1,256}$"),
                each=Anything(),
                words="names with values",
            ),
            doc="Given to the script as arguments and as JSON.",
            default="none",
        ),
        Key(name="timeout", kind=plain.SOME_TIME, doc="After this time the training is stopped.", default="24h"),
        Key(
            name="grace",
            kind=plain.ANY_TIME,
            doc="Time between SIGTERM and SIGKILL when a training is stopped.",
            default="120s",
        ),
        Key(
            name="metric_definitions",
            kind=Named(name=plain.TEXT, each=plain.PATTERN, words="names with regular expressions"),
            doc="Figures that the script prints, kept as claims apart from what Everfit measures.",
            default="none",
        ),
        Key(
            name="environment",
            kind=Named(
                name=plain.text(
                    "the name of an environment variable; SM_… and SAGEMAKER_… are Everfit's",
                    r"^(?!SM_|SAGEMAKER_)[A-Za-z_][A-Za-z0-9_]*$",
                ),
                each=plain.SETTING,
                words="variables with values",
            ),
            doc="Environment variables for the script.",
            default="none",
        ),
        Key(
            name="sagemaker",
            kind=TRAIN_SAGEMAKER,
            doc="How the training runs on SageMaker.",
            is_later=True,
        ),
    )
)

SERVE: Final = Section(
    keys=(
        Key(
            name="script",
            kind=plain.PATH,
            doc="Defines model_fn, input_fn, predict_fn and output_fn, or some of them.",
            default="none; the handlers that fit the model's files are used",
        ),
        Key(
            name="content_type",
            kind=plain.word("application/json", "text/csv"),
            doc="What the evaluation sends to the handlers, as a client would.",
            default="application/json",
        ),
        Key(name="workers", kind=plain.whole(1, 64), doc="Processes for each version that serves.", default="1"),
        Key(name="sagemaker", kind=SERVE_SAGEMAKER, doc="How the model is served on SageMaker.", is_later=True),
    )
)

GATE: Final = ListOf(each=GATE_RULE, words="a list of rules such as - mape < 20", can_be_empty=False)

TRIGGER: Final = Section(
    words='keys with values, such as schedule: "0 0 * * SAT"',
    keys=(
        Key(name="schedule", kind=plain.parsed(SCHEDULE_WORDS, check_schedule), doc="Starts a run at these times."),
        Key(name="timezone", kind=plain.TEXT, doc="Time zone of the schedule.", default="UTC"),
        Key(
            name="data",
            kind=Section(
                keys=(
                    Key(name="at_least", kind=plain.AMOUNT, doc="How much must be new.", default="1 file"),
                    Key(name="quiet_for", kind=plain.ANY_TIME, doc="How long nothing may arrive.", default="5m"),
                )
            ),
            doc="Starts a run when there is new data.",
        ),
        Key(
            name="push",
            kind=Section(
                keys=(
                    Key(name="branch", kind=plain.TEXT, doc="Branch that is watched.", default="main"),
                    Key(
                        name="paths",
                        kind=ListOf(each=plain.TEXT, words="a list of paths or globs", can_be_empty=False),
                        doc="Only a change of these starts a run.",
                        default="every path",
                    ),
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
        Key(name="tag", kind=plain.TEXT, doc="Starts a run when a git tag that matches this glob is pushed."),
        Key(
            name="event",
            kind=Section(
                keys=(
                    Key(name="source", kind=plain.TEXT, doc="Who sends the event.", is_required=True),
                    Key(name="type", kind=plain.TEXT, doc="Only events of this type count.", default="every type"),
                )
            ),
            doc="Starts a run when an event of another program arrives.",
        ),
        Key(name="api", kind=plain.FLAG, doc="Whether a program may start a run over HTTP.", default="true"),
    ),
    exactly_one=("schedule", "data", "push", "drift", "tag", "event", "api"),
    needs={"timezone": "schedule"},
)

APPROVAL: Final = Either(
    single=plain.word("automatic", "manual"),
    section=Section(
        words="{when: mape >= 20}",
        keys=(Key(name="when", kind=GATE_RULE, doc="A person decides when this holds.", is_required=True),),
    ),
)

ROLLOUT: Final = Section(
    keys=(
        Key(
            name="strategy",
            kind=plain.word("all-at-once", "canary", "linear", "shadow"),
            doc="How traffic moves to a new version.",
            default="all-at-once",
        ),
        Key(
            name="steps",
            kind=ListOf(each=plain.PART_OR_ALL, words="a list of shares such as [10%, 50%]", can_be_empty=False),
            doc="Shares of the traffic, rising; the whole follows by itself. For canary and linear.",
        ),
        Key(
            name="bake",
            kind=plain.ANY_TIME,
            doc="Time after each step in which alarms can abort the rollout.",
            default="0s",
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

ENVIRONMENT: Final = Section(
    keys=(
        Key(
            name="endpoint", kind=plain.NAME, doc="Name under which the model answers.", default="<model>-<environment>"
        ),
        Key(
            name="tag",
            kind=plain.TEXT,
            doc="A git tag that matches this glob deploys here.",
            is_later=True,
        ),
        Key(name="backend", kind=plain.word("local", "sagemaker"), doc="Where the work is done.", default="local"),
        Key(
            name="promote_from",
            kind=plain.NAME,
            doc="Environment whose tested bytes are taken instead of training anew; or retrain.",
            default="retrain",
        ),
        Key(
            name="approval",
            kind=APPROVAL,
            doc="Who has the last word after the gate.",
            default="automatic",
        ),
        Key(name="rollout", kind=ROLLOUT, doc="How traffic moves to a new version.", is_later=True),
        Key(name="watch", kind=WATCH, doc="What can bring the last good version back later.", is_later=True),
        Key(name="gate", kind=GATE, doc="This environment's own gate.", default="the project's"),
        Key(
            name="data",
            kind=Section(
                keys=(
                    Key(name="source", kind=plain.TEXT, doc=_SOURCE, default="the project's"),
                    *(Key(name=key.name, kind=key.kind, doc=key.doc, default="the project's") for key in _DATA_KEYS),
                )
            ),
            doc="What this environment's data has of its own; the rest is the project's.",
            default="the project's",
        ),
    )
)

MONITOR: Final = Section(
    keys=(
        Key(name="capture", kind=plain.ANY_SHARE, doc="Share of the requests that is kept.", default="100%"),
        Key(
            name="drift",
            kind=Section(
                keys=(
                    Key(name="every", kind=plain.SOME_TIME, doc="Time between two comparisons.", default="1h"),
                    Key(name="against", kind=plain.word("training"), doc="What is compared with.", default="training"),
                )
            ),
            doc="Compares live data with the training data.",
        ),
    )
)

ALERT: Final = Section(
    words="keys with values, such as email: ml-team@example.com",
    keys=(
        Key(name="email", kind=plain.text("an e-mail address", r"^[^@\s]+@[^@\s]+$"), doc="An e-mail address."),
        Key(
            name="sns",
            kind=plain.text("the ARN of an SNS topic", r"^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_.-]+$"),
            doc="The ARN of an SNS topic.",
        ),
        Key(name="slack", kind=HTTPS, doc="An incoming webhook of Slack."),
        Key(name="teams", kind=HTTPS, doc="A webhook of Microsoft Teams."),
        Key(name="webhook", kind=HTTPS, doc="A URL that alerts are posted to as JSON."),
    ),
    exactly_one=("email", "sns", "slack", "teams", "webhook"),
)

PROJECT: Final = Section(
    keys=(
        Key(name="model", kind=plain.NAME, doc="Name of the model, unique on an installation.", is_required=True),
        Key(
            name="task",
            kind=plain.word("regression", "classification", "forecast", "custom"),
            doc="What kind of question the model answers.",
            default="classification if the gate names a metric of classification or the data are images, "
            "custom if there is an evaluate script, else regression",
        ),
        Key(name="data", kind=DATA, doc="Where the rows come from and what they must be.", is_required=True),
        Key(name="train", kind=TRAIN, doc="How the model is trained."),
        Key(name="serve", kind=SERVE, doc="How the model answers."),
        Key(
            name="evaluate",
            kind=plain.PATH,
            doc="The scorer of a custom task; it writes evaluation.json. Required there, and only there.",
        ),
        Key(name="gate", kind=GATE, doc="What a new version must reach before it may serve.", is_required=True),
        Key(
            name="triggers",
            kind=ListOf(each=TRIGGER, words="a list of triggers"),
            doc="Why a run may start by itself.",
            default="none",
            is_later=True,
        ),
        Key(
            name="environments",
            kind=Named(name=plain.NAME, each=ENVIRONMENT, words="names with their settings", can_be_empty=False),
            doc="Where the model serves.",
            default="one called production, with the model's name as endpoint",
        ),
        Key(name="monitor", kind=MONITOR, doc="What is kept and compared while a model serves.", is_later=True),
        Key(
            name="alerts",
            kind=ListOf(each=ALERT, words="a list of channels"),
            doc="Who is told how a run ended.",
            default="nobody",
            is_later=True,
        ),
        Key(
            name="no_success_for",
            kind=plain.SOME_TIME,
            doc="An alert is sent when no run has succeeded for this long.",
            is_later=True,
        ),
    )
)
