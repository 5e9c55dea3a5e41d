"""Keep the challenger as a numbered version with its verdict, whatever the verdict is."""

from everfit.application.facts import Facts
from everfit.application.step import Answer, Context, Done, End
from everfit.application.steps.prepare import SEED, reference
from everfit.domain.gate import VerdictOutcome, verdict_from_json
from everfit.domain.run import Outcome
from everfit.domain.secret import without_secrets
from everfit.domain.version import FIRST_STANDING, Placement, Version


def register(context: Context) -> Answer:
    """Write version and verdict in one go; a rejected version ends the run."""
    verdict = verdict_from_json(context.result("gate").mapping("verdict"))
    placement = Placement(
        model=context.project.model,
        environment=context.environment.name,
        version=context.run.promote or 0,
        standing=FIRST_STANDING[verdict.outcome],
        verdict=verdict,
    )
    registry = context.ports.registry
    if context.run.promote is None:
        number = registry.register(context.claim, _version(context), placement).number
    else:
        number = context.run.promote
        registry.place(context.claim, placement)
    context.ports.store.note_version(context.claim, number)
    result = {"version": number, "standing": placement.standing.value}
    if verdict.outcome is VerdictOutcome.REJECTED:
        serving = registry.champion(context.project.model, context.environment.name)
        still = "nothing serves yet" if serving is None else f"version {serving} keeps serving"
        reason = f"version {number} was rejected: {verdict.reason}; {still}"
        return End(outcome=Outcome.REJECTED, reason=reason, result=result)
    return Done(result=result)


def _version(context: Context) -> Version:
    frozen, trained = context.result("snapshot"), context.result("train")
    report = context.result("prepare").below("report")
    return Version(
        model=context.project.model,
        number=0,
        artifact=trained.text("artifact"),
        size=trained.whole("size"),
        run=context.run.id,
        snapshot=frozen.text("snapshot"),
        code=frozen.text("code"),
        config=frozen.text("config"),
        created=context.ports.clock.now(),
        lineage={
            "commit": frozen.text_or_none("commit"),
            "dirty": frozen.flag("dirty"),
            "release": context.run.release,
            "seed": SEED,
            "hyperparameters": without_secrets(context.project.train.hyperparameters, context.project.secrets),
            "python": trained.text("python"),
            "python_version": trained.text_or_none("python_version"),
            "packages": trained.mapping("packages"),
            "script": trained.text_or_none("script"),
            "cutoff": report.text_or_none("cutoff"),
            "rows": report.mapping("rows"),
            "data": reference(context) or _shape(report),
        },
        metrics=context.result("evaluate").below("evaluation").mapping("challenger"),
        claims=trained.mapping("claims"),
    )


def _shape(report: Facts) -> dict[str, object]:
    return {"columns": report.items("columns"), "labels": report.items("labels") or None}
