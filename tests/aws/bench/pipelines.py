"""SageMaker Pipelines: their operations; an execution really runs the jobs of its steps, one after another."""

import uuid

from tests.aws.bench.account import need_role
from tests.aws.bench.call import Call, Document
from tests.aws.bench.errors import AwsError, invalid
from tests.aws.bench.operations import operation
from tests.aws.bench.pipeline_execution import Execution
from tests.aws.bench.pipeline_values import PARAMETERS, Values, read_definition
from tests.aws.bench.tags import keep_tags
from tests.aws.bench.world import World, now

NAMES = ("PipelineDisplayName", "PipelineDescription", "RoleArn", "ParallelismConfiguration")


def missing(world: World, call: Call) -> AwsError:
    del world
    arn = call.arn(f"pipeline/{call.params.get('PipelineName', '')}")
    return AwsError("ResourceNotFound", f"Pipeline '{arn}' does not exist.")


def pipeline_of(world: World, call: Call) -> Document:
    name = str(call.params["PipelineName"]).rpartition("/")[2]
    found = world.table("sagemaker.pipelines", call.region).get(name)
    if found is None:
        raise missing(world, call)
    return found


def definition_text(world: World, call: Call) -> str:
    given = call.params
    if "PipelineDefinition" in given:
        return str(given["PipelineDefinition"])
    place = given["PipelineDefinitionS3Location"]
    s3 = world.client("s3", call.region, world.identities.role_of(call.key))
    return str(s3.get_object(Bucket=place["Bucket"], Key=place["ObjectKey"])["Body"].read().decode())


@operation("sagemaker", "CreatePipeline", is_locked=False)
def create(world: World, call: Call) -> Document:
    given, pipelines = call.params, world.table("sagemaker.pipelines", call.region)
    name, arn = given["PipelineName"], call.arn(f"pipeline/{given['PipelineName']}")
    if name in pipelines:
        if pipelines[name]["_token"] == given.get("ClientRequestToken"):
            return {"PipelineArn": arn}
        raise invalid(
            "Pipeline names must be unique within an AWS account and region. Pipeline with name "
            f"({name}) already exists."
        )
    need_role(given["RoleArn"], "sagemaker.amazonaws.com")
    text = definition_text(world, call)
    read_definition(text)
    pipelines[name] = {
        "PipelineName": name,
        "PipelineArn": arn,
        "PipelineDisplayName": name,
        "PipelineStatus": "Active",
        "PipelineDefinition": text,
        "CreationTime": now(),
        "LastModifiedTime": now(),
        **{member: given[member] for member in NAMES if member in given},
        "_token": given.get("ClientRequestToken"),
    }
    keep_tags(world, call.region, arn, given.get("Tags", []))
    return {"PipelineArn": arn}


@operation("sagemaker", "UpdatePipeline", is_locked=False)
def update(world: World, call: Call) -> Document:
    pipeline, given = pipeline_of(world, call), call.params
    if "PipelineDefinition" in given or "PipelineDefinitionS3Location" in given:
        text = definition_text(world, call)
        read_definition(text)
        pipeline["PipelineDefinition"] = text
    if "RoleArn" in given:
        need_role(given["RoleArn"], "sagemaker.amazonaws.com")
    pipeline.update({member: given[member] for member in NAMES if member in given})
    pipeline["LastModifiedTime"] = now()
    return {"PipelineArn": pipeline["PipelineArn"]}


@operation("sagemaker", "DescribePipeline")
def describe(world: World, call: Call) -> Document:
    return pipeline_of(world, call)


@operation("sagemaker", "DeletePipeline")
def delete(world: World, call: Call) -> Document:
    pipeline = pipeline_of(world, call)
    del world.table("sagemaker.pipelines", call.region)[pipeline["PipelineName"]]
    return {"PipelineArn": pipeline["PipelineArn"]}


@operation("sagemaker", "ListPipelines")
def list_pipelines(world: World, call: Call) -> Document:
    prefix = call.params.get("PipelineNamePrefix", "")
    kept = world.table("sagemaker.pipelines", call.region).values()
    return {"PipelineSummaries": [each for each in kept if each["PipelineName"].startswith(prefix)]}


@operation("sagemaker", "StartPipelineExecution")
def start_execution(world: World, call: Call) -> Document:
    """Start it; the same token again is the same execution (API reference, ClientRequestToken)."""
    pipeline, given = pipeline_of(world, call), call.params
    executions = world.table("sagemaker.executions", call.region)
    token = given.get("ClientRequestToken")
    for kept in executions.values():
        if token is not None and kept["_token"] == token and kept["PipelineArn"] == pipeline["PipelineArn"]:
            return {"PipelineExecutionArn": kept["PipelineExecutionArn"]}
    definition = read_definition(pipeline["PipelineDefinition"])
    parameters = parameter_values(definition, given.get("PipelineParameters", []))
    name = uuid.uuid4().hex[:12]
    arn = f"{pipeline['PipelineArn']}/execution/{name}"
    shown: Document = {
        "PipelineArn": pipeline["PipelineArn"],
        "PipelineExecutionArn": arn,
        "PipelineExecutionDisplayName": given.get("PipelineExecutionDisplayName", f"execution-{name}"),
        "PipelineExecutionDescription": given.get("PipelineExecutionDescription", ""),
        "PipelineExecutionStatus": "Executing",
        "CreationTime": now(),
        "LastModifiedTime": now(),
        "_token": token,
        "_parameters": given.get("PipelineParameters", []),
        "_definition": pipeline["PipelineDefinition"],
    }
    run = Execution(world=world, region=call.region, shown=shown, role=pipeline["RoleArn"], definition=definition)
    run.values = Values(
        parameters=parameters,
        execution={"PipelineExecutionId": name, "PipelineExecutionArn": arn, "PipelineName": pipeline["PipelineName"]},
        read_file=run.property_file,
    )
    shown["_run"] = run
    executions[arn] = shown
    world.background(run.go)
    return {"PipelineExecutionArn": arn}


def parameter_values(definition: Document, given: list[Document]) -> Document:
    """Return the value of every parameter in its type."""
    told = {each["Name"]: each["Value"] for each in given}
    declared = {parameter["Name"]: parameter for parameter in definition.get("Parameters", [])}
    unknown = sorted(set(told) - set(declared))
    if unknown:
        raise invalid(f"Unknown parameters: {unknown}")
    values: Document = {}
    for name, parameter in declared.items():
        if name not in told and "DefaultValue" not in parameter:
            raise invalid(f"Parameter {name} has no value and no default.")
        value = told.get(name, parameter.get("DefaultValue"))
        try:
            values[name] = PARAMETERS[parameter["Type"]](value)
        except ValueError as error:
            raise invalid(f"Parameter {name} is {value!r}, which is no {parameter['Type']}.") from error
        if "EnumValues" in parameter and values[name] not in parameter["EnumValues"]:
            raise invalid(f"Parameter {name} must be one of {parameter['EnumValues']}.")
    return values


def execution_of(world: World, call: Call) -> Document:
    arn = str(call.params["PipelineExecutionArn"])
    found = world.table("sagemaker.executions", call.region).get(arn)
    if found is None:
        raise AwsError("ResourceNotFound", f"Pipeline execution with ARN {arn} does not exist")
    return found


@operation("sagemaker", "DescribePipelineExecution")
def describe_execution(world: World, call: Call) -> Document:
    return execution_of(world, call)


@operation("sagemaker", "ListPipelineExecutions")
def list_executions(world: World, call: Call) -> Document:
    arn = pipeline_of(world, call)["PipelineArn"]
    kept = world.table("sagemaker.executions", call.region).values()
    found = [{**each, "StartTime": each["CreationTime"]} for each in kept if each["PipelineArn"] == arn]
    return {"PipelineExecutionSummaries": list(reversed(found))}


@operation("sagemaker", "ListPipelineExecutionSteps")
def list_steps(world: World, call: Call) -> Document:
    run: Execution = execution_of(world, call)["_run"]
    steps = list(run.steps)
    return {"PipelineExecutionSteps": steps if call.params.get("SortOrder") == "Ascending" else steps[::-1]}


@operation("sagemaker", "ListPipelineParametersForExecution")
def list_parameters(world: World, call: Call) -> Document:
    return {"PipelineParameters": execution_of(world, call)["_parameters"]}


@operation("sagemaker", "DescribePipelineDefinitionForExecution")
def describe_definition(world: World, call: Call) -> Document:
    shown = execution_of(world, call)
    return {"PipelineDefinition": shown["_definition"], "CreationTime": shown["CreationTime"]}


@operation("sagemaker", "StopPipelineExecution")
def stop(world: World, call: Call) -> Document:
    shown = execution_of(world, call)
    run: Execution = shown["_run"]
    if shown["PipelineExecutionStatus"] == "Executing":
        run.move("Stopping")
        run.is_stopped.set()
    return {"PipelineExecutionArn": shown["PipelineExecutionArn"]}
