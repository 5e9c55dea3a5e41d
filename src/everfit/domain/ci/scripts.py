"""The shell scripts within workflows: no text of an event ever stands in one of them."""

from typing import Final

REFUSE_TAG: Final = """\
if ! [[ "$GITHUB_REF_NAME" =~ $VERSION_TAG ]]; then
  echo "::error title=No version in the tag::$GITHUB_REF_NAME starts nothing: its version must read like 0.1.2."
  exit 2
fi"""

_SAY: Final = """\
case "$code" in
  0) title="done" ;;
  3) title="rejected, what served keeps serving"
     echo "::error title=Rejected::The data or the model did not pass. What served keeps serving." ;;
  4) title="waits for approval"
     echo "::warning title=Needs approval::What served keeps serving until a person has decided."
     code=0 ;;
  *) title="failed"
     echo "::error title=Failed::What served keeps serving. The log says what happened." ;;
esac
{
  echo "### $PLACE: $title"
  echo
  sed 's/^/    /' "$RUNNER_TEMP/everfit.txt"
} >> "$GITHUB_STEP_SUMMARY"
exit "$code\""""

_WHY: Final = """\
case "$GITHUB_EVENT_NAME $GITHUB_REF_TYPE" in
  "push tag") set -- --because tag ;;
  "push branch") set -- --because push ;;
  schedule*) set -- --because schedule ;;
  repository_dispatch*) set -- --because data ;;
  *) set -- --because api ;;
esac
if [ "$FORCE" = true ]; then set -- "$@" --force; fi"""

_CONTROLLER: Final = """\
code=0
everfit run --env $ENVIRONMENT "$@" > "$RUNNER_TEMP/everfit.txt" || code=$?"""

_SERVERLESS: Final = """\
code=0
{
  everfit apply --env $ENVIRONMENT --yes &&
    everfit trigger --env $ENVIRONMENT --id "github-$GITHUB_RUN_ID-$GITHUB_RUN_ATTEMPT" "$@"
} > "$RUNNER_TEMP/everfit.txt" || code=$?"""


def run_script(model: str, environment: str, *, serverless: bool) -> str:
    """Return what the job does: retrain, and say what came of it.

    Rejected is a failure of the job, so that nobody takes the old model for the new one; waiting for a person is none.

    Args:
        model: a name of letters, digits and hyphens, and so is *environment*: neither needs quotes.
        serverless: whether the stack does the work, and this only updates it and asks for a run.
    """
    lines = (
        f'PLACE="{model} in {environment}"',
        _WHY,
        (_SERVERLESS if serverless else _CONTROLLER).replace("$ENVIRONMENT", environment),
        'cat "$RUNNER_TEMP/everfit.txt"',
        _SAY,
    )
    return "\n".join(lines)
