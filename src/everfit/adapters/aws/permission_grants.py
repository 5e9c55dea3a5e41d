"""The grants that several roles share: what is called for each part of the work, on what, and why.

Where a name is only known at run time, the tags of what is made, or the fixed beginning of its name, bound the grant.
"""

from types import MappingProxyType
from typing import Final

from everfit.adapters.aws.permission_words import Condition, Grant, When, grant

NO_NARROWER: Final = "AWS knows no resource for this call (Service Authorization Reference)"
HOME: Final = "arn:{partition}:s3:::{bucket}/{prefix}/"
BUCKET: Final = "arn:{partition}:s3:::{bucket}"
DATA_BUCKET: Final = "arn:{partition}:s3:::{data_bucket}"


def arn(service: str, resource: str) -> str:
    """Return the template of an ARN in the region and the account."""
    return f"arn:{{partition}}:{service}:{{region}}:{{account}}:{resource}"


def where(operator: str, key: str, *values: str) -> Condition:
    """Return a condition with one key."""
    return MappingProxyType({operator: MappingProxyType({key: values})})


OURS: Final = where("StringEquals", "aws:ResourceTag/everfit:model", "{model}")
TAGGED: Final = where("StringEquals", "aws:RequestTag/everfit:model", "{model}")


def log_of(group: str) -> Grant:
    """Return what a Lambda function needs to write its log; its group is made by the stack."""
    return grant(
        calls="logs: CreateLogStream PutLogEvents",
        resources=(arn("logs", f"log-group:/aws/lambda/{group}:*"),),
        why="its own log is kept",
    )


def key_for(calls: str) -> Grant:
    """Return what is done with the KMS key, if there is one."""
    return grant(calls=calls, resources=("{key}",), why="what is encrypted can be read and written", when=When.KEY)


KEY: Final = key_for("kms: Decrypt GenerateDataKey")

# "SageMaker AI roles" (SageMaker Developer Guide), "Giving Lambda functions access to resources in a VPC" (Lambda's).
VPC: Final = (
    grant(
        calls=(
            "ec2: CreateNetworkInterface CreateNetworkInterfacePermission DeleteNetworkInterface "
            "DeleteNetworkInterfacePermission"
        ),
        resources=tuple(arn("ec2", f"{kind}/*") for kind in ("network-interface", "subnet", "security-group")),
        why="it can run in the subnets of aws.subnets",
        when=When.VPC,
    ),
    grant(
        calls="ec2: DescribeDhcpOptions DescribeNetworkInterfaces DescribeSecurityGroups DescribeSubnets DescribeVpcs",
        resources=("*",),
        why="it can run in the subnets of aws.subnets",
        when=When.VPC,
        wide=NO_NARROWER,
    ),
)

STATE: Final = (
    grant(
        calls="s3: GetObject PutObject DeleteObject",
        resources=(f"{HOME}*",),
        why="state, snapshots, code, job files and models of the installation are kept",
    ),
    grant(
        # HeadBucket and a missing object's 404 instead of 403 are s3:ListBucket (S3 API reference, HeadObject).
        calls="s3: ListBucket GetBucketVersioning",
        resources=(BUCKET,),
        why="what is kept can be found",
    ),
    KEY,
)

MULTIPART: Final = grant(
    calls="s3: AbortMultipartUpload",
    resources=(f"{HOME}*",),
    why="what is left of an upload that failed is removed",
)

READ_DATA: Final = (
    grant(
        calls="s3: ListBucket ListBucketVersions GetBucketVersioning",
        resources=(DATA_BUCKET,),
        why="the training data is listed",
    ),
    grant(
        calls="s3: GetObject GetObjectVersion",
        resources=(f"{DATA_BUCKET}/{{data_key}}*",),
        why="the training data is read, each file in the version that was frozen",
    ),
)

JOBS: Final = (
    grant(
        calls="sagemaker: CreateTrainingJob CreateProcessingJob",
        resources=(arn("sagemaker", "training-job/*"), arn("sagemaker", "processing-job/*")),
        why="data is prepared, models are trained and scored",
        condition=TAGGED,
    ),
    grant(
        # Tags given to a Create call need AddTags as well (API reference, CreateTrainingJob, Tags).
        calls="sagemaker: AddTags",
        resources=(arn("sagemaker", "training-job/*"), arn("sagemaker", "processing-job/*")),
        why="each job bears the model's name",
        condition=TAGGED,
    ),
    grant(
        calls="sagemaker: DescribeTrainingJob StopTrainingJob DescribeProcessingJob StopProcessingJob",
        resources=(arn("sagemaker", "training-job/*"), arn("sagemaker", "processing-job/*")),
        why="jobs are followed and stopped",
        condition=OURS,
    ),
    grant(
        calls="logs: GetLogEvents DescribeLogStreams",
        resources=(
            arn("logs", "log-group:/aws/sagemaker/TrainingJobs:*"),
            arn("logs", "log-group:/aws/sagemaker/ProcessingJobs:*"),
        ),
        why="the words of a job are shown",
    ),
    grant(
        calls="iam: PassRole",
        resources=("{job_role}",),
        why="SageMaker acts in the role of the jobs, and in no other",
        condition=where("StringEquals", "iam:PassedToService", "sagemaker.amazonaws.com"),
    ),
)

REGISTRY: Final = (
    grant(
        calls="sagemaker: CreateModelPackageGroup",
        resources=(arn("sagemaker", "model-package-group/{group}"),),
        why="the model has a group in the Model Registry",
    ),
    grant(
        # A version is made in its group, and both may be asked for (Service Authorization Reference, resource types).
        calls="sagemaker: CreateModelPackage",
        resources=(arn("sagemaker", "model-package-group/{group}"), arn("sagemaker", "model-package/{group}/*")),
        why="each version is a model package",
    ),
    grant(
        calls="sagemaker: DescribeModelPackage UpdateModelPackage DeleteModelPackage",
        resources=(arn("sagemaker", "model-package/{group}/*"),),
        why="a model package follows how its version stands",
    ),
    grant(
        calls="sagemaker: AddTags",
        resources=(arn("sagemaker", "model-package-group/{group}"),),
        why="the group bears the model's name",
    ),
    grant(
        calls="sagemaker: ListModelPackages",
        resources=("*",),
        why="the package of a version is found again",
        wide=NO_NARROWER,
    ),
)

_SERVED_CONFIG: Final = (arn("sagemaker", "endpoint-config/{served}*"), arn("sagemaker", "model/{served}*"))

LOOK_AT_ENDPOINT: Final = (
    grant(
        calls="sagemaker: DescribeEndpoint DescribeEndpointConfig ListTags",
        resources=(arn("sagemaker", "endpoint/{endpoint_arn}"), arn("sagemaker", "endpoint-config/*")),
        why="it is seen what serves after a change that no run has made",
        when=When.ENDPOINT,
    ),
    grant(
        calls="sagemaker: ListEndpointConfigs",
        resources=("*",),
        why="it is seen which versions are held beside the one that serves",
        when=When.ENDPOINT,
        wide=NO_NARROWER,
    ),
)
ENDPOINT: Final = (
    grant(
        calls="sagemaker: CreateEndpoint UpdateEndpoint DescribeEndpoint DeleteEndpoint ListTags AddTags",
        # CreateEndpoint and UpdateEndpoint are checked for the configuration too (Service Authorization Reference).
        resources=(arn("sagemaker", "endpoint/{endpoint_arn}"), arn("sagemaker", "endpoint-config/{served}*")),
        why="traffic moves from version to version",
        when=When.ENDPOINT,
    ),
    grant(
        calls=(
            "sagemaker: CreateEndpointConfig DescribeEndpointConfig DeleteEndpointConfig CreateModel "
            "DescribeModel DeleteModel ListTags AddTags"
        ),
        resources=_SERVED_CONFIG,
        why="each version has a model and a configuration, removed when no longer needed",
        when=When.ENDPOINT,
    ),
    grant(
        calls="sagemaker: DescribeEndpointConfig ListTags",
        resources=(arn("sagemaker", "endpoint-config/*"),),
        why="an endpoint that was made by hand is looked at before it is taken over",
        when=When.ENDPOINT,
    ),
    grant(
        calls="sagemaker: ListEndpointConfigs",
        resources=("*",),
        why="configurations that are no longer needed are found",
        when=When.ENDPOINT,
        wide=NO_NARROWER,
    ),
    grant(
        calls="application-autoscaling: RegisterScalableTarget DeregisterScalableTarget PutScalingPolicy",
        resources=(arn("application-autoscaling", "scalable-target/*"),),
        why="scaling outlives a deployment, whoever declared it",
        when=When.ENDPOINT,
    ),
    # "Configure model autoscaling", permissions; SageMaker Developer Guide.
    grant(
        calls="sagemaker: UpdateEndpointWeightsAndCapacities",
        resources=(arn("sagemaker", "endpoint/{endpoint_arn}"),),
        why="Application Auto Scaling may set the number of instances",
        when=When.AUTOSCALING,
    ),
    grant(
        calls="cloudwatch: PutMetricAlarm DescribeAlarms DeleteAlarms",
        resources=(arn("cloudwatch", "alarm:TargetTracking-endpoint/{endpoint}/*"),),
        why="Application Auto Scaling makes the alarms that it scales by",
        when=When.AUTOSCALING,
    ),
    grant(
        calls="iam: CreateServiceLinkedRole",
        resources=(
            "arn:{partition}:iam::{account}:role/aws-service-role/sagemaker.application-autoscaling.amazonaws.com/*",
        ),
        why="Application Auto Scaling has a role of its own in the account",
        condition=where("StringEquals", "iam:AWSServiceName", "sagemaker.application-autoscaling.amazonaws.com"),
        when=When.AUTOSCALING,
    ),
    grant(
        calls="application-autoscaling: DescribeScalableTargets DescribeScalingPolicies",
        resources=("*",),
        why="scaling that is there already is kept",
        when=When.ENDPOINT,
        wide=NO_NARROWER,
    ),
)

ASK: Final = grant(
    calls="sagemaker: InvokeEndpoint",
    resources=(arn("sagemaker", "endpoint/{endpoint_arn}"),),
    why="the endpoint is asked for a prediction",
    when=When.ENDPOINT,
)

SERVING_FUNCTION: Final = (
    grant(
        calls=(
            "lambda: CreateFunction GetFunction GetFunctionConfiguration UpdateFunctionCode "
            "UpdateFunctionConfiguration PublishVersion DeleteFunction ListVersionsByFunction GetAlias "
            "CreateAlias UpdateAlias InvokeFunction ListTags TagResource"
        ),
        resources=(arn("lambda", "function:{endpoint}"), arn("lambda", "function:{endpoint}:*")),
        why="the function gets a version, and its alias the traffic",
        when=When.FUNCTION,
    ),
    grant(
        calls="iam: PassRole",
        resources=("{function_role}",),
        why="the function that serves acts in its own role, and in no other",
        condition=where("StringEquals", "iam:PassedToService", "lambda.amazonaws.com"),
        when=When.FUNCTION,
    ),
)

ALARMS: Final = (
    grant(
        # Tags given to PutMetricAlarm need TagResource as well (API reference, PutMetricAlarm, Tags).
        calls="cloudwatch: PutMetricAlarm DeleteAlarms TagResource",
        resources=(arn("cloudwatch", "alarm:{endpoint}-*"),),
        why="alarms can take a deployment back, and tell of a model that got worse",
    ),
    grant(
        calls="cloudwatch: DescribeAlarms",
        # A search by the beginning of a name is a search among all.
        resources=(arn("cloudwatch", "alarm:*"),),
        why="alarms of deployments that are over are found",
    ),
)

# What `everfit destroy` finds and removes of what was made at run time.
LEAVE: Final = (
    grant(
        calls="sagemaker: DescribeEndpoint DeleteEndpoint ListTags",
        resources=(arn("sagemaker", "endpoint/{endpoint_arn}"),),
        why="`everfit destroy` removes the endpoint that it has made",
        when=When.ENDPOINT,
    ),
    grant(
        calls="sagemaker: DeleteEndpointConfig DeleteModel",
        resources=_SERVED_CONFIG,
        why="`everfit destroy` removes what the endpoint was made of",
        when=When.ENDPOINT,
    ),
    grant(
        calls="sagemaker: ListEndpointConfigs ListModels",
        resources=("*",),
        why="`everfit destroy` finds what the endpoint was made of",
        when=When.ENDPOINT,
        wide=NO_NARROWER,
    ),
    grant(
        calls="lambda: GetFunction DeleteFunction",
        resources=(arn("lambda", "function:{endpoint}"),),
        why="`everfit destroy` removes the function that it has made",
        when=When.FUNCTION,
    ),
    grant(
        calls="cloudwatch: DeleteAlarms",
        resources=(arn("cloudwatch", "alarm:{endpoint}-*"),),
        why="`everfit destroy` removes the alarms of what serves",
    ),
    grant(
        calls="cloudwatch: DescribeAlarms",
        resources=(arn("cloudwatch", "alarm:*"),),
        why="`everfit destroy` finds the alarms of what serves",
    ),
)

METRICS: Final = grant(
    calls="cloudwatch: PutMetricData",
    resources=("*",),
    why="figures of the model are seen in CloudWatch",
    condition=where("StringEquals", "cloudwatch:namespace", "{namespace}"),
    wide=f"{NO_NARROWER}; the condition allows one namespace",
)

TELL: Final = (
    grant(
        calls="sns: Publish",
        resources=("{topics}",),
        why="people are told of each end of a run",
        when=When.ALERTS,
    ),
    METRICS,
    grant(
        calls="s3: GetObject PutObject",
        resources=("arn:{partition}:s3:::{last_trained}",),
        why="aws.last_trained says what was trained last",
        when=When.LAST_TRAINED,
    ),
)

EXECUTE: Final = (
    grant(
        calls="states: StartExecution",
        resources=(arn("states", "stateMachine:{state_machine}"),),
        why="a run that has to go on gets an execution",
    ),
    grant(
        calls="states: DescribeExecution",
        resources=(arn("states", "execution:{state_machine}:*"),),
        why="a run has one execution at a time",
    ),
)
