"""The grants of each role that acts by itself: the stack's Lambdas and machines, jobs, what serves, and the doctor."""

from typing import Final

from everfit.adapters.aws.permission_grants import (
    ALARMS,
    ASK,
    BUCKET,
    DATA_BUCKET,
    ENDPOINT,
    EXECUTE,
    HOME,
    JOBS,
    LOOK_AT_ENDPOINT,
    MULTIPART,
    NO_NARROWER,
    READ_DATA,
    REGISTRY,
    SERVING_FUNCTION,
    STATE,
    TELL,
    VPC,
    arn,
    key_for,
    log_of,
    where,
)
from everfit.adapters.aws.permission_pipeline import IN_PIPELINE, PIPELINE
from everfit.adapters.aws.permission_words import When, grant

WORK: Final = (*STATE, MULTIPART, *READ_DATA, *JOBS, *PIPELINE, *REGISTRY, *ENDPOINT, *SERVING_FUNCTION, *ALARMS)

STEP: Final = (*WORK, log_of("{step_function}"), *VPC)
CONTROL: Final = (*WORK, *TELL, ASK)
TICK: Final = (*STATE, MULTIPART, *READ_DATA, *REGISTRY, *TELL, *EXECUTE, log_of("{tick_function}"), *VPC)
# Lambda refuses a dead-letter queue that the function's role may not send to (API reference, CreateFunction).
DEAD_LETTERS: Final = grant(
    calls="sqs: SendMessage",
    resources=(arn("sqs", "{queue}-dead"),),
    why="a call that was never taken is not lost",
)
EVENTS: Final = (
    *STATE,
    *REGISTRY,
    *LOOK_AT_ENDPOINT,
    *EXECUTE,
    DEAD_LETTERS,
    log_of("{events_function}"),
    *VPC,
)
TRIGGER: Final = (
    *STATE,
    *EXECUTE,
    grant(
        # What an event source mapping needs of the function's role (Lambda Developer Guide, "Using Lambda with SQS").
        calls="sqs: ReceiveMessage DeleteMessage GetQueueAttributes",
        resources=(arn("sqs", "{queue}"),),
        why="new objects are taken from the queue",
    ),
    log_of("{trigger_function}"),
    *VPC,
)

MACHINE: Final = (
    grant(
        calls="lambda: InvokeFunction",
        resources=(
            arn("lambda", "function:{step_function}"),
            arn("lambda", "function:{step_function}:*"),
            arn("lambda", "function:{tick_function}"),
            arn("lambda", "function:{tick_function}:*"),
        ),
        why="each step of the loop is taken",
    ),
    grant(
        # "Using CloudWatch Logs to log execution history", Step Functions Developer Guide.
        calls=(
            "logs: CreateLogDelivery GetLogDelivery UpdateLogDelivery DeleteLogDelivery ListLogDeliveries "
            "PutResourcePolicy DescribeResourcePolicies DescribeLogGroups"
        ),
        resources=("*",),
        why="each execution leaves a log",
        wide="Step Functions asks for these on every resource (its Developer Guide)",
    ),
)

SCHEDULER: Final = (
    grant(
        calls="lambda: InvokeFunction",
        resources=(
            arn("lambda", "function:{trigger_function}"),
            arn("lambda", "function:{tick_function}"),
        ),
        why="schedules and the minute's chores are done",
    ),
    DEAD_LETTERS,
)

FUNCTION: Final = (
    grant(
        calls="s3: GetObject",
        resources=(f"{HOME}models/*", f"{HOME}artifacts/*"),
        why="the model is loaded",
    ),
    key_for("kms: Decrypt"),
    log_of("{endpoint}"),
    *VPC,
)

# "CreateTrainingJob API: execution role permissions" and its like, SageMaker Developer Guide, "SageMaker AI roles".
JOB: Final = (
    grant(
        calls="s3: GetObject",
        resources=tuple(
            f"{HOME}{part}/*" for part in ("snapshots", "objects", "code", "artifacts", "models", "packages", "runs")
        ),
        why="jobs and endpoints read data, code and models",
    ),
    grant(
        calls="s3: PutObject AbortMultipartUpload",
        resources=(f"{HOME}runs/*", f"{HOME}capture/*"),
        why="jobs and endpoints leave what they made",
    ),
    grant(
        calls="s3: ListBucket",
        resources=(BUCKET,),
        why="a folder of inputs is found",
    ),
    grant(
        calls="s3: GetObject GetObjectVersion",
        resources=(f"{DATA_BUCKET}/{{data_key}}*",),
        why="the training data is read, each file in the version that was frozen",
    ),
    key_for("kms: Decrypt GenerateDataKey"),
    key_for("kms: CreateGrant"),
    grant(
        calls="logs: CreateLogGroup CreateLogStream DescribeLogStreams PutLogEvents",
        resources=(arn("logs", "log-group:/aws/sagemaker/*"),),
        why="the words of a job are kept",
    ),
    grant(
        calls="cloudwatch: PutMetricData",
        resources=("*",),
        why="the load of a job is seen in CloudWatch",
        condition=where(
            "StringEquals",
            "cloudwatch:namespace",
            "/aws/sagemaker/TrainingJobs",
            "/aws/sagemaker/ProcessingJobs",
            "/aws/sagemaker/Endpoints",
        ),
        wide=f"{NO_NARROWER}; the condition allows SageMaker's own namespaces",
    ),
    grant(
        calls="cloudwatch: DescribeAlarms",
        resources=(arn("cloudwatch", "alarm:{endpoint}-*"),),
        why="a deployment that raises an alarm is taken back by SageMaker",
        when=When.ENDPOINT,
    ),
    grant(
        calls="ecr: BatchCheckLayerAvailability GetDownloadUrlForLayer BatchGetImage",
        resources=("arn:{partition}:ecr:{region}:*:repository/*",),
        why="images are loaded, AWS's own from the accounts that they lie in",
    ),
    grant(
        calls="ecr: GetAuthorizationToken",
        resources=("*",),
        why="images are loaded",
        wide=NO_NARROWER,
    ),
    *IN_PIPELINE,
    *VPC,
)

DOCTOR: Final = (
    grant(
        calls=(
            "s3: ListBucket GetBucketLocation GetBucketVersioning GetEncryptionConfiguration "
            "GetBucketPublicAccessBlock GetBucketPolicy GetBucketNotification"
        ),
        resources=(BUCKET, DATA_BUCKET),
        why="the buckets are examined",
    ),
    grant(
        calls="iam: GetRole",
        resources=("{job_role}", "{function_role}"),
        why="the roles are examined",
    ),
    grant(
        calls="iam: SimulatePrincipalPolicy",
        resources=("arn:{partition}:iam::{account}:role/*", "arn:{partition}:iam::{account}:user/*"),
        why="each permission is tried without the call being made",
    ),
    grant(
        calls="servicequotas: ListServiceQuotas",
        resources=("*",),
        why="it is seen whether the instances may be used at all",
        wide=NO_NARROWER,
    ),
    grant(
        calls="ecr: BatchGetImage",
        resources=("arn:{partition}:ecr:{region}:*:repository/*",),
        why="it is seen whether images of one's own are there",
    ),
    grant(
        calls="sns: GetTopicAttributes",
        resources=("{topics}",),
        why="the topic is examined",
        when=When.ALERTS,
    ),
    grant(
        calls="sagemaker: DescribeEndpoint",
        resources=(arn("sagemaker", "endpoint/{endpoint_arn}"),),
        why="it is seen what serves",
        when=When.ENDPOINT,
    ),
)
