"""Rules and scores in, a verdict out, bound to the bytes, the data and the policy it is about."""

from everfit.application.step import Answer, Context, Done
from everfit.domain.gate import Subject, judge, scores_from_json, verdict_of, verdict_to_json


def gate(context: Context) -> Answer:
    """Judge the challenger by this environment's own rules."""
    evaluated, trained = context.result("evaluate"), context.result("train")
    rules = context.project.rules_in(context.environment)
    claims = {name: float(value) for name, value in trained.mapping("claims").items() if isinstance(value, (int, float))}
    scores = scores_from_json(evaluated.mapping("evaluation"), trained.whole("size"), claims)
    subject = Subject(
        artifact=trained.text("artifact"),
        snapshot=context.result("snapshot").text("snapshot"),
        champion=evaluated.whole_or_none("champion"),
    )
    verdict = verdict_of(judge(rules, scores), rules, context.environment.approval, scores, subject)
    return Done(result={"verdict": verdict_to_json(verdict)})
