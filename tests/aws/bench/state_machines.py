"""Step Functions: moto's interpreter of state machines, with what it lacks, and its calls made by the machine's role.

Each patch of moto 5.2.5 says what for; each has a test in ``test_bench_state_machines``.
"""

import datetime
import json
import sys
import time
import uuid
from types import SimpleNamespace
from typing import Any, cast

import boto3
import jsonata  # type: ignore[import-untyped]
import moto.stepfunctions.parser.asl.component.common.retry.retrier_decl as retries
import moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_aws_sdk as sdk
import moto.stepfunctions.parser.asl.jsonata.jsonata as expressions
import moto.stepfunctions.parser.backend.execution as executions
from botocore.config import Config
from moto.core.config import default_user_config
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.wait_function import WaitFunction
from moto.stepfunctions.parser.asl.eval.environment import Environment
from moto.stepfunctions.parser.asl.eval.program_state import ProgramStopped
from moto.stepfunctions.parser.asl.parse import preprocessor
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser
from moto.stepfunctions.parser.models import StepFunctionsParserBackend, stepfunctions_parser_backends

from tests.aws.bench.account import need_role
from tests.aws.bench.asl_check import check
from tests.aws.bench.call import Call, Document
from tests.aws.bench.errors import ACCOUNT, AwsError
from tests.aws.bench.events import emit
from tests.aws.bench.identities import SECRET
from tests.aws.bench.operations import before, operation
from tests.aws.bench.world import World

untyped: Any = boto3
PRINCIPAL = "states.amazonaws.com"
LOOK = 0.2
"""Seconds between two looks of a wait whether its execution was stopped."""


def start(world: World) -> None:
    """Mend moto's interpreter for *world*."""
    default_user_config["stepfunctions"] = {"execute_state_machine": True}
    evaluate_jsonata()
    keep_scopes_apart()
    shorten_waits(world)
    call_as_the_role(world)
    name_errors_of_sdk_calls()
    tell_the_end(world)
    name_executions()
    stay_stopped()
    world.on_reset.append(stop_all)


def evaluate_jsonata() -> None:
    """moto leaves the evaluation of JSONata out: every expression is a TypeError there (FACTS §2)."""
    cast("Any", expressions)._eval_jsonata = lambda text: jsonata.Jsonata(text).evaluate(None)


def keep_scopes_apart() -> None:
    """moto keeps the query languages in a list of the class: one rejected JSONata definition spoils all later ones."""
    patched: Any = preprocessor.Preprocessor
    original = patched.__init__

    def initialise(self: Any, *given: Any, **named: Any) -> None:
        original(self, *given, **named)
        self._query_language_per_scope = []

    patched.__init__ = initialise


def shorten_waits(world: World) -> None:
    """A wait of n seconds, and an interval between attempts, takes n times the factor of the settings.

    moto's wait hears of a stop only when it comes in the middle of it: one that came just before is slept over.
    """
    wait: Any = WaitFunction

    def interval(self: Any, env: Any, wait_seconds: float) -> None:
        del self
        end = time.monotonic() + wait_seconds * world.settings.wait_factor
        while env.is_running() and (left := end - time.monotonic()) > 0:
            env.program_state_event.wait(min(left, LOOK))

    wait._wait_interval = interval

    def sleep(seconds: float) -> None:
        time.sleep(seconds * world.settings.wait_factor)

    cast("Any", retries).time = SimpleNamespace(sleep=sleep)


def call_as_the_role(world: World) -> None:
    """moto's interpreter calls with keys of nobody; here it has those of the state machine's role."""
    cached: dict[tuple[str, str, str], Any] = {}

    def client_for(region: str, service: str, state_credentials: Any = None) -> Any:
        role = state_credentials.role_arn if state_credentials is not None else ""
        place = (region, service, role)
        if place not in cached:
            cached[place] = untyped.client(
                service,
                endpoint_url=world.address,
                region_name=region,
                aws_access_key_id=world.identities.key_of(role),
                aws_secret_access_key=SECRET,
                config=Config(parameter_validation=False, retries={"total_max_attempts": 1}, read_timeout=900),
            )
        world.identities.key_of(role)
        return cached[place]

    for name, module in list(sys.modules.items()):
        if name.startswith("moto.stepfunctions.parser") and hasattr(module, "boto_client_for"):
            cast("Any", module).boto_client_for = client_for


def name_errors_of_sdk_calls() -> None:
    """Without these names an error of a call is `s3.NoSuchKeyException`, which no Catch has (FACTS §2)."""
    names = {"s3": "S3", "sagemaker": "SageMaker", "sns": "Sns", "lambda": "Lambda", "sqs": "Sqs"}
    cast("Any", sdk)._SERVICE_ERROR_NAMES.update(names)


def tell_the_end(world: World) -> None:
    """Send 'Step Functions Execution Status Change' (Step Functions guide, "EventBridge for execution events")."""
    communication: Any = executions.BaseExecutionWorkerCommunication
    original = communication.terminated

    def terminated(self: Any) -> None:
        original(self)
        if is_known(self.execution):
            tell(world, self.execution)

    communication.terminated = terminated


def is_known(execution: Any) -> bool:
    """Return whether no reset has forgotten the execution meanwhile."""
    backend = cast("Any", stepfunctions_parser_backends)[ACCOUNT][execution.region_name]
    return any(execution is each for machine in backend.state_machines for each in machine.executions)


def tell(world: World, execution: Any) -> None:
    stopped = execution.stop_date
    detail = {
        "executionArn": execution.exec_arn,
        "stateMachineArn": execution.state_machine.arn,
        "name": execution.name,
        "status": execution.status,
        "startDate": int(execution.start_date.timestamp() * 1000),
        "stopDate": int(stopped.timestamp() * 1000) if stopped else None,
        "input": json.dumps(execution.input_data),
        "output": json.dumps(execution.output) if execution.status == "SUCCEEDED" else None,
        "error": execution.error,
        "cause": execution.cause,
    }
    kind = "Step Functions Execution Status Change"
    emit(world, execution.region_name, "aws.states", kind, detail, [execution.exec_arn])


def name_executions() -> None:
    """An execution without a name has one that AWS chose; moto leaves `$states.context.Execution.Name` null."""
    backend: Any = StepFunctionsParserBackend
    original = backend.start_execution

    def start_execution(self: Any, state_machine_arn: str, name: str | None = None, *given: Any, **named: Any) -> Any:
        return original(self, state_machine_arn, name or str(uuid.uuid4()), *given, **named)

    backend.start_execution = start_execution


def stay_stopped() -> None:
    """An execution that is stopped in the middle of a call is aborted; in moto the next state's name fails it then."""
    running: Any = Environment
    original = running.set_error

    def set_error(self: Any, error: Any) -> None:
        if not isinstance(self.program_state(), ProgramStopped):
            original(self, error=error)

    running.set_error = set_error


def stop_all() -> None:
    """End what still runs, so that it calls nobody after a reset."""
    moment = datetime.datetime.now(datetime.UTC)
    for backend in list(cast("Any", stepfunctions_parser_backends)[ACCOUNT].values()):
        for machine in backend.state_machines:
            for execution in machine.executions:
                if execution.status == "RUNNING" and execution.exec_worker.env is not None:
                    execution.stop(stop_date=moment, error=None, cause=None)


@before("stepfunctions", "CreateStateMachine", "UpdateStateMachine")
def check_machine(world: World, call: Call) -> None:
    """Refuse a role that Step Functions cannot assume, and a definition that it would not accept."""
    del world
    if "roleArn" in call.params:
        need_role(call.params["roleArn"], PRINCIPAL)
    if "definition" in call.params:
        found = problems(call.params["definition"])
        if found:
            raise AwsError("InvalidDefinition", "Invalid State Machine Definition: " + "; ".join(found))


def problems(definition: str) -> list[str]:
    """Return what is wrong: by the checks of the bench, else by the grammar of moto's interpreter."""
    try:
        found = list(check(json.loads(definition)))
    except ValueError as error:
        return [f"SCHEMA_VALIDATION_FAILED: not JSON: {error}"]
    return found or rejections(definition)


def rejections(definition: str) -> list[str]:
    """Return what the interpreter cannot read; its own error answer would have no code."""
    try:
        AmazonStateLanguageParser.parse(definition)
    except Exception as error:  # noqa: BLE001 - the parser raises whatever it meets
        return [f"SCHEMA_VALIDATION_FAILED: {error}"]
    return []


@operation("stepfunctions", "ValidateStateMachineDefinition")
def validate(world: World, call: Call) -> Document:
    del world
    found = problems(call.params["definition"])
    told = [{"severity": "ERROR", "code": "SCHEMA_VALIDATION_FAILED", "message": problem} for problem in found]
    return {"result": "FAIL" if found else "OK", "diagnostics": told, "truncated": False}
