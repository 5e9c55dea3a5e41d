"""How fast the bench lives and what AWS would refuse; a test sets it, a reset sets it back."""

from dataclasses import dataclass, field


@dataclass(slots=True, kw_only=True)
class Settings:
    """What a test may set.

    Args:
        step: seconds that a job or endpoint stays in a state that it only passes through.
        bake: seconds that a new fleet bakes, whatever the request says.
        wait_factor: a ``Wait`` of n seconds in a state machine takes n times this.
        runtime_factor: a ``MaxRuntimeInSeconds`` of n allows n times this; so for timeouts of functions.
        grace: seconds between SIGTERM and SIGKILL (AWS: 120, API reference, StopTrainingJob).
        health: seconds within which a container must answer ``/ping`` (AWS: 4 minutes and more, FACTS §5).
        serving: ``none`` brings endpoints in service without a container, for tests that never ask one.
        spot_interruptions: how often the next spot jobs are interrupted, each at its first line of output.
        update_rollback: how the next rollbacks end: ``InService``, or ``UpdateRollbackFailed``.
        rollback_reason: whether an update that was rolled back tells why; AWS does not always.
        stack_failure: ``Type`` or ``LogicalId`` of a resource that cannot be created or updated in a stack.
        stack_rollback: ``fails`` makes the next rollback of an update end in ``UPDATE_ROLLBACK_FAILED``.
        duplicate_events: every event is delivered so many times.
        reorder_events: events are held back until so many came, then delivered in reverse.
        retry: seconds between attempts of an asynchronous invocation (AWS: 1 and 2 minutes).
        quotas: ``ml.m5.large for endpoint usage`` -> instances.
        images_missing: images that no repository has.
        denied_actions: actions such as ``sagemaker:Create*`` that IAM's simulation refuses.
        package_limit: bytes of a zip that may be sent directly.
    """

    step: float = 0.01
    bake: float = 0.05
    wait_factor: float = 0.01
    runtime_factor: float = 1.0
    grace: float = 2.0
    health: float = 10.0
    serving: str = "real"
    spot_interruptions: int = 0
    spot_capacity: bool = True
    update_rollback: str = "InService"
    rollback_reason: bool = True
    stack_failure: str = ""
    stack_rollback: str = ""
    duplicate_events: int = 1
    reorder_events: int = 0
    retry: float = 0.02
    quotas: dict[str, int] = field(default_factory=dict[str, int])
    images_missing: list[str] = field(default_factory=list[str])
    denied_actions: list[str] = field(default_factory=list[str])
    package_limit: int = 50 * 1024 * 1024
