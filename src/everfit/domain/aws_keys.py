"""The keys of the project file that say where on AWS the work is done, and under which names."""

from typing import Final

from everfit.domain import plain_values as plain
from everfit.domain.sagemaker_keys import INSTANCE
from everfit.domain.value import Key, ListOf, Named, Section

ROLE: Final = plain.text("the ARN of an IAM role", r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/[\w+=,.@/-]+$")
POLICY: Final = plain.text("the ARN of an IAM policy", r"^arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/[\w+=,.@/-]+$")
ENCRYPTION_KEY: Final = plain.text(
    "the ARN of a KMS key", r"^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[a-zA-Z0-9-]+$"
)
SECRET: Final = plain.text(
    "the ARN of a secret in Secrets Manager", r"^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[\w/+=.@-]+$"
)
LAYER: Final = plain.text(
    "the ARN of a layer's version", r"^arn:aws[a-z-]*:lambda:[a-z0-9-]+:[0-9]{12}:layer:[\w-]+:[0-9]+$"
)
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html; no dots, which TLS names cannot have.
BUCKET: Final = plain.text("the name of an S3 bucket without dots", r"^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$")
OBJECT: Final = plain.text("the URL of an S3 object", r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/.*[^/]$")
RESOURCE_NAME: Final = plain.text(
    "a name of letters, digits, - and _, at most 64 long", r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
)

NAMES: Final = Section(
    keys=(
        Key(name="stack", kind=plain.NAME, doc="The CloudFormation stack.", default="everfit-<model>-<environment>"),
        Key(
            name="state_machine",
            kind=RESOURCE_NAME,
            doc="The Step Functions state machine.",
            default="everfit-<model>-<environment>",
        ),
        Key(
            name="trigger",
            kind=RESOURCE_NAME,
            doc="The Lambda function that schedules and data call.",
            default="everfit-<model>-<environment>-trigger",
        ),
        Key(
            name="schedule",
            kind=RESOURCE_NAME,
            doc="The schedule in EventBridge Scheduler; a second one gets -2.",
            default="everfit-<model>-<environment>",
        ),
        Key(
            name="pipeline",
            kind=plain.NAME,
            doc="A SageMaker Pipeline of this environment: each run is one execution that prepares, trains and "
            "evaluates, visible in Studio. Not where `train.environment` holds a secret, nor with `promote_from`.",
            default="none; each job is started by itself",
        ),
        Key(
            name="package_group",
            kind=plain.NAME,
            doc="The model package group of SageMaker's Model Registry.",
            default="<model>",
        ),
        Key(
            name="topic",
            kind=RESOURCE_NAME,
            doc="An SNS topic that the stack makes, and that every alert of the environment goes to.",
            default="none; only what alerts names is told",
        ),
    )
)

GITHUB: Final = Section(
    keys=(
        Key(name="owner", kind=plain.TEXT, doc="Owner of the repository.", is_required=True),
        Key(name="repository", kind=plain.TEXT, doc="Its name.", is_required=True),
        Key(name="token", kind=SECRET, doc="The secret that holds a token for the repository.", is_required=True),
        Key(name="event", kind=plain.TEXT, doc="Type of the event that is sent.", default="dataset-upload"),
    )
)

_AWS_KEYS: Final = (
    Key(
        name="region",
        kind=plain.text("a region such as us-east-1", r"^[a-z]{2,4}(-[a-z]+)+-[0-9]$"),
        doc="Region in which everything is; required with backend: sagemaker.",
    ),
    Key(
        name="account",
        kind=plain.text("the 12 digits of an account, in quotes", r"^[0-9]{12}$"),
        doc="The only account that may be changed; credentials of another one are refused.",
        default="that of the credentials",
    ),
    Key(
        name="bucket",
        kind=BUCKET,
        doc="Bucket of the installation: state, snapshots, jobs and models; required with backend: sagemaker.",
    ),
    Key(
        name="prefix",
        kind=plain.text("a path without slashes at its ends", r"^[A-Za-z0-9][A-Za-z0-9/_.-]*[A-Za-z0-9]$"),
        doc="Everything of the installation lies below it in the bucket.",
        default="everfit",
    ),
    Key(
        name="role",
        kind=ROLE,
        doc="Role of the jobs and of what serves.",
        default="everfit-<model>-<environment>-job, which everfit apply makes",
    ),
    Key(
        name="image",
        kind=plain.TEXT,
        doc="Image of Everfit's own jobs, with Python 3.11 or newer.",
        default="AWS's PyTorch training image for CPU",
    ),
    Key(name="instance", kind=INSTANCE, doc="Instance of Everfit's own jobs.", default="ml.m5.large"),
    Key(name="volume", kind=plain.SIZE, doc="Disk of Everfit's own jobs.", default="30GB"),
    Key(name="key", kind=ENCRYPTION_KEY, doc="KMS key that encrypts everything.", default="keys that S3 manages"),
    Key(
        name="subnets",
        kind=ListOf(each=plain.text("a subnet", r"^subnet-[0-9a-f]+$"), words="a list of subnets", can_be_empty=False),
        doc="Private subnets for jobs and endpoints.",
        default="none; outside a VPC",
    ),
    Key(
        name="security_groups",
        kind=ListOf(
            each=plain.text("a security group", r"^sg-[0-9a-f]+$"),
            words="a list of security groups",
            can_be_empty=False,
        ),
        doc="Security groups for jobs and endpoints.",
    ),
    Key(name="boundary", kind=POLICY, doc="Permissions boundary of every role that the stack makes.", default="none"),
    Key(
        name="namespace",
        kind=plain.text(
            "a namespace of CloudWatch that does not start with AWS/", r"^(?!AWS/)[A-Za-z0-9._/#:-]{1,255}$"
        ),
        doc="Namespace of the metrics.",
        default="Everfit",
    ),
    Key(name="logs", kind=plain.SOME_TIME, doc="How long logs are kept.", default="30d"),
    Key(name="audit", kind=plain.FLAG, doc="Whether CloudTrail records each access to the bucket.", default="false"),
    Key(
        name="subscribe",
        kind=ListOf(
            each=plain.text("an e-mail address", r"^[^@\s,;<>\"]+@[^@\s,;<>\"]+$"),
            words="a list of e-mail addresses",
            can_be_empty=False,
        ),
        doc="E-mail addresses that the topic in names.topic is sent to; each has to confirm.",
        default="none",
    ),
    Key(
        name="last_trained",
        kind=OBJECT,
        doc="An object with what was trained last, as JSON, for other programs that read it.",
        default="none",
    ),
    Key(
        name="github",
        kind=GITHUB,
        doc="A repository whose workflows listen to new data, by repository_dispatch; the function that tells it is "
        "yours to wire, the stack makes none.",
    ),
    Key(name="names", kind=NAMES, doc="Names of what is made, where others already know it by a name."),
    Key(
        name="tags",
        kind=Named(
            name=plain.text("the key of a tag", r"^(?!aws:)[\w .:/=+@-]{1,128}$"),
            each=plain.text("the value of a tag", r"^[\w .:/=+@-]{1,256}$"),
            words="tags with values",
        ),
        doc="Tags of everything that is made, besides those of Everfit.",
        default="none",
    ),
)

AWS: Final = Section(
    keys=_AWS_KEYS,
    needs={"security_groups": "subnets", "subnets": "security_groups"},
)

FUNCTION: Final = Section(
    keys=(
        Key(name="alias", kind=plain.NAME, doc="Alias that callers use.", default="live"),
        Key(name="memory", kind=plain.whole(128, 10_240), doc="Memory in MB.", default="1024"),
        Key(name="timeout", kind=plain.SOME_TIME, doc="Longest time of a request.", default="30s"),
        Key(
            name="layers",
            kind=ListOf(each=LAYER, words="a list of layers", can_be_empty=False),
            doc="Layers with the packages that the model needs.",
            default="none",
        ),
    )
)
