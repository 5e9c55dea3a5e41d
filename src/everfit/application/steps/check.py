"""Turn the data away before money is spent on training."""

from everfit.application.step import Answer, Context, Done, End
from everfit.domain.run import Outcome


def check(context: Context) -> Answer:
    """End the run when a data rule does not pass, with the column and the figures."""
    report = context.result("prepare").below("report")
    broken = [finding for finding in report.objects("findings") if finding.text("result") != "pass"]
    if not broken:
        return Done(result={"rules": len(report.items("findings"))})
    reasons = "; ".join(f"{finding.text('rule')}: {finding.text('reason')}" for finding in broken[:5])
    more = f"; and {len(broken) - 5} more" if len(broken) > 5 else ""
    return End(
        outcome=Outcome.REJECTED,
        reason=f"the data was turned away before training: {reasons}{more}",
        result={"rules": len(report.items("findings")), "broken": len(broken)},
    )
