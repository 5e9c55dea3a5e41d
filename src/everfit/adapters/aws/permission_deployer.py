"""The grants of whoever plans, applies and removes a stack."""

from typing import Final

from everfit.adapters.aws.permission_grants import (
    BUCKET,
    DATA_BUCKET,
    HOME,
    LEAVE,
    MULTIPART,
    NO_NARROWER,
    STATE,
    arn,
    where,
)
from everfit.adapters.aws.permission_words import When, grant

_BASE_FUNCTIONS: Final = tuple(
    arn("lambda", f"function:{{{name}_function}}") for name in ("step", "trigger", "tick", "events")
)

DEPLOY: Final = (
    *STATE,
    MULTIPART,
    grant(
        calls=(
            "cloudformation: CreateChangeSet DescribeChangeSet ExecuteChangeSet DeleteChangeSet "
            "DescribeStacks DescribeStackEvents DescribeStackResources DescribeStackResourceDrifts "
            "DetectStackDrift GetTemplate ContinueUpdateRollback DeleteStack"
        ),
        resources=(arn("cloudformation", "stack/{stack}/*"), arn("cloudformation", "stack/everfit-*/*")),
        why="the stack is planned, made, changed and removed",
    ),
    grant(
        calls="cloudformation: DescribeStackDriftDetectionStatus",
        resources=("*",),
        why="what was changed by hand is found",
        wide=NO_NARROWER,
    ),
    grant(
        calls=(
            "s3: CreateBucket PutBucketVersioning PutEncryptionConfiguration PutBucketPublicAccessBlock "
            "PutBucketPolicy PutBucketNotification PutLifecycleConfiguration PutBucketOwnershipControls "
            "PutBucketTagging GetBucketPolicy ListBucketVersions DeleteBucket DeleteBucketPolicy "
            "GetEncryptionConfiguration GetBucketPublicAccessBlock GetBucketNotification "
            "GetLifecycleConfiguration GetBucketOwnershipControls GetBucketTagging"
        ),
        resources=(BUCKET,),
        why="the bucket of the installation is made, and removed when that is asked for",
    ),
    grant(
        calls="s3: ListBucket GetBucketVersioning GetBucketNotification",
        resources=(DATA_BUCKET,),
        why="it is seen whether the bucket of the data tells of new objects",
    ),
    grant(
        calls="s3: DeleteObjectVersion",
        resources=(f"{HOME}*",),
        why="`everfit destroy --data` removes what is kept",
    ),
    grant(
        calls=(
            "iam: CreateRole GetRole UpdateRole UpdateAssumeRolePolicy DeleteRole PutRolePolicy GetRolePolicy "
            "DeleteRolePolicy PutRolePermissionsBoundary DeleteRolePermissionsBoundary TagRole UntagRole "
            "PassRole"
        ),
        resources=("arn:{partition}:iam::{account}:role/{base}-*",),
        why="each part of the stack has a role of its own",
    ),
    grant(
        calls=(
            "lambda: CreateFunction GetFunction GetFunctionConfiguration UpdateFunctionCode "
            "UpdateFunctionConfiguration DeleteFunction AddPermission RemovePermission GetPolicy "
            "PutFunctionConcurrency DeleteFunctionConcurrency ListTags TagResource UntagResource"
        ),
        resources=_BASE_FUNCTIONS,
        why="the stack's functions are made and changed",
    ),
    grant(
        calls="lambda: CreateEventSourceMapping",
        resources=("*",),
        why="the queue calls its function",
        condition=where("ArnEquals", "lambda:FunctionArn", arn("lambda", "function:{trigger_function}")),
        wide="the mapping has no name before it is made; the condition allows one function",
    ),
    grant(
        calls="lambda: UpdateEventSourceMapping DeleteEventSourceMapping GetEventSourceMapping",
        resources=(arn("lambda", "event-source-mapping:*"),),
        why="the queue calls its function",
        condition=where("ArnEquals", "lambda:FunctionArn", arn("lambda", "function:{trigger_function}")),
    ),
    grant(
        calls=(
            "states: CreateStateMachine DescribeStateMachine UpdateStateMachine DeleteStateMachine "
            "ListExecutions TagResource UntagResource ListTagsForResource"
        ),
        resources=(arn("states", "stateMachine:{state_machine}"),),
        why="the loop's state machine is made and changed",
    ),
    grant(
        calls="states: StopExecution",
        resources=(arn("states", "execution:{state_machine}:*"),),
        why="`everfit destroy` ends what runs",
    ),
    grant(
        calls=(
            "events: PutRule DescribeRule DeleteRule PutTargets RemoveTargets ListTargetsByRule TagResource "
            "UntagResource"
        ),
        resources=(arn("events", "rule/{base}-*"),),
        why="what happens on AWS reaches the stack",
    ),
    grant(
        calls="scheduler: CreateSchedule GetSchedule UpdateSchedule DeleteSchedule",
        resources=(arn("scheduler", "schedule/default/{schedule}*"),),
        why="the schedules fire",
    ),
    grant(
        calls=(
            "sqs: CreateQueue GetQueueAttributes SetQueueAttributes DeleteQueue GetQueueUrl TagQueue "
            "UntagQueue ListQueueTags"
        ),
        resources=(arn("sqs", "{queue}"), arn("sqs", "{queue}-dead")),
        why="a burst of new objects waits in a queue",
    ),
    grant(
        calls=(
            "sns: CreateTopic GetTopicAttributes SetTopicAttributes DeleteTopic Subscribe "
            "ListSubscriptionsByTopic TagResource UntagResource ListTagsForResource"
        ),
        resources=(arn("sns", "{topic}"),),
        why="people are told through a topic",
        when=When.TOPIC,
    ),
    grant(
        calls=(
            "logs: CreateLogGroup PutRetentionPolicy DeleteRetentionPolicy DeleteLogGroup TagResource "
            "UntagResource ListTagsForResource"
        ),
        resources=(
            arn("logs", "log-group:/aws/lambda/{base}-*"),
            arn("logs", "log-group:/aws/lambda/{trigger_function}*"),
            arn("logs", "log-group:/aws/vendedlogs/states/{state_machine}*"),
        ),
        why="logs are kept for as long as aws.logs says",
    ),
    grant(
        calls="logs: DescribeLogGroups",
        resources=("*",),
        why="logs are kept for as long as aws.logs says",
        wide=NO_NARROWER,
    ),
    grant(
        calls="sns: Unsubscribe",
        resources=("*",),
        why="an address that is no longer in aws.subscribe is told no more",
        when=When.TOPIC,
        wide=NO_NARROWER,
    ),
    grant(
        calls="cloudtrail: DescribeTrails",
        resources=("*",),
        why="each access to the bucket is recorded",
        when=When.AUDIT,
        wide=NO_NARROWER,
    ),
    grant(
        calls=("cloudwatch: PutMetricAlarm DeleteAlarms DescribeAlarms TagResource UntagResource ListTagsForResource"),
        resources=(arn("cloudwatch", "alarm:{base}-*"),),
        why="the stack's alarms are made",
    ),
    grant(
        calls="cloudwatch: PutDashboard GetDashboard DeleteDashboards",
        resources=("arn:{partition}:cloudwatch::{account}:dashboard/{base}*",),
        why="the model has a dashboard",
    ),
    grant(
        calls=("sagemaker: CreateModelPackageGroup DescribeModelPackageGroup DeleteModelPackageGroup AddTags ListTags"),
        resources=(arn("sagemaker", "model-package-group/{group}"),),
        why="the model has a group in the Model Registry",
    ),
    grant(
        calls=(
            "cloudtrail: CreateTrail GetTrail GetTrailStatus UpdateTrail DeleteTrail "
            "StartLogging StopLogging PutEventSelectors GetEventSelectors AddTags ListTags"
        ),
        resources=(arn("cloudtrail", "trail/{base}*"),),
        why="each access to the bucket is recorded",
        when=When.AUDIT,
    ),
    grant(
        calls="sagemaker: DeleteModelPackage",
        resources=(arn("sagemaker", "model-package/{group}/*"),),
        why="`everfit destroy --data` removes the versions",
    ),
    grant(
        calls="sagemaker: ListModelPackages",
        resources=("*",),
        why="`everfit destroy` finds what was made at run time",
        wide=NO_NARROWER,
    ),
    *LEAVE,
)
