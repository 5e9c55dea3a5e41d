"""Rules and scores in, a verdict out, bound to the bytes, the data and the policy it is about."""

from everfit.application.step import Answer, Context, Done
from everfit.domain.gate import About, ApprovalPolicy, decide, policy_digest, scores_from_json, verdict_to_json


def gate(context: Context) -> Answer:
    """Judge the challenger by this environment's own rules."""
    evaluated, trained = context.result("evaluate"), context.result("train")
    rules = context.project.rules_in(context.environment)
    # Whoever asked for the run may have asked for a person's word as well.
    approval = ApprovalPolicy(mode="manual") if context.run.hold else context.environment.approval
    scores = scores_from_json(evaluated.mapping("evaluation"), trained.whole("size"), trained.numbers("claims"))
    about = About(
        artifact=trained.text("artifact"),
        snapshot=context.result("snapshot").text("snapshot"),
        policy=policy_digest(rules, approval),
        champion=evaluated.whole_or_none("champion"),
    )
    return Done(result={"verdict": verdict_to_json(decide(rules, approval, scores, about))})
