"""The grants of environments whose runs are executions of a SageMaker Pipeline."""

from typing import Final

from everfit.adapters.aws.permission_grants import OURS, TAGGED, arn, where
from everfit.adapters.aws.permission_words import When, grant

_JOBS: Final = (arn("sagemaker", "training-job/*"), arn("sagemaker", "processing-job/*"))

# Of those who take a run through its steps.
PIPELINE: Final = (
    grant(
        calls=(
            "sagemaker: CreatePipeline UpdatePipeline DescribePipeline StartPipelineExecution ListPipelineExecutions "
            "AddTags"
        ),
        resources=(arn("sagemaker", "pipeline/{pipeline}"),),
        why="a run is one execution of the pipeline",
        when=When.PIPELINE,
    ),
    grant(
        calls=(
            "sagemaker: DescribePipelineExecution ListPipelineExecutionSteps StopPipelineExecution "
            "SendPipelineExecutionStepSuccess SendPipelineExecutionStepFailure"
        ),
        resources=(arn("sagemaker", "pipeline/{pipeline}/execution/*"),),
        why="an execution is followed, told what comes next, and stopped",
        when=When.PIPELINE,
    ),
    grant(
        # Tags given to CreateQueue need TagQueue as well (API reference, CreateQueue, tags).
        calls="sqs: CreateQueue TagQueue GetQueueUrl ReceiveMessage DeleteMessage",
        resources=(arn("sqs", "{pipeline_queue}"),),
        why="an execution says by a queue that it waits for the run",
        when=When.PIPELINE,
    ),
)

# Of the role of the jobs: the pipeline acts in it ("IAM Access Management for Pipelines", Developer Guide).
IN_PIPELINE: Final = (
    grant(
        calls="sagemaker: CreateTrainingJob CreateProcessingJob AddTags",
        resources=_JOBS,
        why="the pipeline starts the jobs of its steps",
        condition=TAGGED,
        when=When.PIPELINE,
    ),
    grant(
        calls="sagemaker: DescribeTrainingJob StopTrainingJob DescribeProcessingJob StopProcessingJob",
        resources=_JOBS,
        why="the pipeline follows the jobs of its steps",
        condition=OURS,
        when=When.PIPELINE,
    ),
    grant(
        calls="iam: PassRole",
        resources=("{job_role}",),
        why="the jobs of the pipeline act in the same role",
        condition=where("StringEquals", "iam:PassedToService", "sagemaker.amazonaws.com"),
        when=When.PIPELINE,
    ),
    grant(
        calls="sqs: SendMessage",
        resources=(arn("sqs", "{pipeline_queue}"),),
        why="the pipeline says that it waits for the run",
        when=When.PIPELINE,
    ),
)
