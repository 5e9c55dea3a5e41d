"""Let a person have the last word where the verdict asks for it."""

from everfit.application.step import Answer, AwaitApproval, Context, Done, End
from everfit.domain.run import Outcome
from everfit.domain.version import Standing


def approve(context: Context) -> Answer:
    """Go on with a version that is approved; wait, as long as it takes, for one that is not yet."""
    number = context.result("register").whole("version")
    placement = context.ports.registry.placement(context.project.model, context.environment.name, number)
    approval = placement.approval
    match placement.standing:
        case Standing.PENDING:
            return AwaitApproval(version=number)
        case Standing.REJECTED:
            who = "" if approval is None else f" by {approval.actor}: {approval.reason}"
            return End(outcome=Outcome.REJECTED, reason=f"version {number} was rejected{who}")
        case Standing.APPROVED | Standing.SERVING | Standing.RETIRED | Standing.ROLLED_BACK:
            return Done(result={"by": "the gate" if approval is None else approval.actor})
