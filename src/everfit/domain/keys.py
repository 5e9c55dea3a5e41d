"""Every key of the project file, once: the reader, the JSON Schema and the reference page are made from this table."""

from typing import Final

from everfit.domain import plain_values as plain
from everfit.domain.aws_keys import AWS, FUNCTION
from everfit.domain.check import parse_check
from everfit.domain.gate_rule import parse_rule
from everfit.domain.repository_name import ADDRESS_WORDS, check_address
from everfit.domain.sagemaker_keys import TRAIN_SAGEMAKER
from everfit.domain.serve_keys import SERVE
from everfit.domain.service_keys import ALERT, MONITOR, ROLLOUT, TAG_PATTERN, TRIGGER, WATCH
from everfit.domain.value import Anything, Either, Key, ListOf, Named, Section

GATE_RULE: Final = plain.parsed("a rule such as mape < 20 or rmse <= champion * 1.02", parse_rule)
DATA_CHECK: Final = plain.parsed("a check such as rows >= 1000 or missing(price) <= 1%", parse_check)
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

DATA: Final = Section(keys=(Key(name="source", kind=plain.SOURCE, doc=_SOURCE, is_required=True), *_DATA_KEYS))

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
            name="validation_channel",
            kind=plain.NAME,
            doc="The name of the channel with the validation rows; many scripts call it test.",
            default="validation",
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
        ),
    )
)

GATE: Final = ListOf(each=GATE_RULE, words="a list of rules such as - mape < 20", can_be_empty=False)

_APPROVAL_MODE: Final = plain.word("automatic", "manual")
APPROVAL: Final = Either(
    single=_APPROVAL_MODE,
    section=Section(
        example="{when: mape >= 20}",
        keys=(
            Key(
                name="mode",
                kind=_APPROVAL_MODE,
                doc="Whether a person decides about every version that passes its gate.",
                default="manual",
            ),
            Key(name="when", kind=GATE_RULE, doc="A person decides when this holds, and only then."),
            Key(
                name="expires",
                kind=plain.SOME_TIME,
                doc="A version that nobody has decided about for this long is rejected.",
                default="never",
            ),
            Key(
                name="approvers",
                kind=ListOf(each=plain.TEXT, words="a list of names", can_be_empty=False),
                doc="Only these may decide.",
                default="everybody",
            ),
            Key(
                name="four_eyes",
                kind=plain.FLAG,
                doc="Whether nobody may approve what a run has made that they started themselves.",
                default="false",
            ),
        ),
        at_most_one=("mode", "when"),
    ),
)

ENVIRONMENT: Final = Section(
    keys=(
        Key(
            name="endpoint", kind=plain.NAME, doc="Name under which the model answers.", default="<model>-<environment>"
        ),
        Key(
            name="tag",
            kind=TAG_PATTERN,
            doc="A git tag that matches this glob deploys here; what stands for * is its version.",
        ),
        Key(name="backend", kind=plain.word("local", "sagemaker"), doc="Where the work is done.", default="local"),
        Key(name="aws", kind=AWS, doc="What is another on AWS than the project says.", default="the project's"),
        Key(
            name="hosting",
            kind=plain.word("endpoint", "function"),
            doc="Whether a SageMaker endpoint or a Lambda function serves, with backend: sagemaker.",
            default="endpoint",
        ),
        Key(name="function", kind=FUNCTION, doc="How the Lambda function serves, with hosting: function."),
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
        Key(name="rollout", kind=ROLLOUT, doc="How traffic moves to a new version."),
        Key(name="watch", kind=WATCH, doc="What can bring the last good version back later."),
        Key(name="gate", kind=GATE, doc="This environment's own gate.", default="the project's"),
        Key(
            name="data",
            kind=Section(
                keys=(
                    Key(name="source", kind=plain.SOURCE, doc=_SOURCE, default="the project's"),
                    *(Key(name=key.name, kind=key.kind, doc=key.doc, default="the project's") for key in _DATA_KEYS),
                )
            ),
            doc="What this environment's data has of its own; the rest is the project's.",
            default="the project's",
        ),
    )
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
            doc="Why a run may start by itself, while the service is up.",
            default="none",
        ),
        Key(
            name="repository",
            kind=Section(
                keys=(
                    Key(
                        name="url",
                        kind=plain.parsed(ADDRESS_WORDS, check_address),
                        doc="Its URL or folder.",
                        default="origin of the repository that the project folder lies in, or that repository itself",
                    ),
                    Key(name="every", kind=plain.SOME_TIME, doc="Time between two looks at it.", default="1m"),
                )
            ),
            doc="The git repository that pushes and tags come to.",
        ),
        Key(name="aws", kind=AWS, doc="Where on AWS the work of environments with backend: sagemaker is done."),
        Key(
            name="budget",
            kind=plain.whole(1, 100_000),
            doc="Most runs in a calendar month (UTC) in each environment.",
            default="no limit",
        ),
        Key(
            name="environments",
            kind=Named(name=plain.NAME, each=ENVIRONMENT, words="names with their settings", can_be_empty=False),
            doc="Where the model serves.",
            default="one called production, with the model's name as endpoint",
        ),
        Key(name="monitor", kind=MONITOR, doc="What is kept and compared while a model serves."),
        Key(
            name="alerts",
            kind=ListOf(each=ALERT, words="a list of channels"),
            doc="Who is told how a run ended.",
            default="nobody",
        ),
        Key(
            name="no_success_for",
            kind=plain.SOME_TIME,
            doc="An alert is sent when no run has deployed a version for this long, whatever the reason.",
            default="never",
        ),
    )
)
