"""The pipeline of GitLab CI: one job for each environment on AWS."""

from collections.abc import Mapping, Sequence
from shlex import quote
from typing import Final

from everfit.domain.ci.generated import GeneratedFile, signed
from everfit.domain.ci.options import CiOptions, Credentials, check_options
from everfit.domain.ci.patterns import path_filters, tag_expression
from everfit.domain.ci.project import CiEnvironment, CiProject
from everfit.domain.ci.yaml_text import Value, yaml_text
from everfit.domain.errors import RequestError
from everfit.domain.trigger import TriggerKind

IMAGE: Final = "python:3.12-slim"
SIGN_IN: Final = "/tmp/aws-id-token"  # noqa: S108 - of a container that is gone after the job
CHOSEN: Final = "EVERFIT_ENVIRONMENT"
"""A variable of a schedule or a trigger that says which environment is meant; without it, all are."""


def gitlab_pipeline(project: CiProject, options: CiOptions) -> GeneratedFile:
    """Return the pipeline.

    Raises:
        RequestError: an option or a branch cannot stand in a pipeline.
    """
    check_options(options, project.variables)
    branches = [push.branch for environment in project.environments for push in environment.pushes]
    wrong = next((branch for branch in branches if '"' in branch or "$" in branch), None)
    if wrong is not None:
        raise RequestError(f"everfit.yaml: no rule of GitLab can name the branch {wrong}.")
    jobs: dict[str, Value] = {
        f"{options.name}-{environment.name}": _job(project, environment, options)
        for environment in project.environments
    }
    where = f" in {project.folder}" if project.folder else ""
    text = signed(yaml_text(jobs, apart=True), maker="everfit ci gitlab", about=f"{project.model}{where}")
    return GeneratedFile(path=options.file, text=text)


def _job(project: CiProject, environment: CiEnvironment, options: CiOptions) -> Mapping[str, Value]:
    variables: dict[str, Value] = {
        "EVERFIT_PACKAGE": options.package,
        "EVERFIT_ACTOR": "gitlab:$GITLAB_USER_LOGIN",
        **options.defaults,
    }
    if not environment.region.startswith("${"):
        variables["AWS_REGION"] = environment.region
    token: dict[str, Value] = {}
    if options.credentials is Credentials.OIDC:
        # boto3 takes both and signs in anew by itself (credentials, "Assume role with web identity provider").
        variables |= {"AWS_WEB_IDENTITY_TOKEN_FILE": SIGN_IN, "AWS_ROLE_SESSION_NAME": "everfit-$CI_PIPELINE_ID"}
        token = {"id_tokens": {"AWS_ID_TOKEN": {"aud": options.audience}}}
    return {
        # One of those that a pipeline has by itself, so that the file can be included in another one.
        "stage": "deploy",
        "image": IMAGE,
        "environment": {"name": environment.name},
        # One after the other: what waits is not lost.
        "resource_group": f"everfit-{project.model}-{environment.name}",
        "interruptible": False,
        "timeout": "6 hours",
        **token,
        "variables": variables,
        "rules": _rules(project, environment, options),
        "script": _script(project, environment, options),
        # A job that waits for a person is shown with a warning; one whose model was rejected (3) has failed.
        "allow_failure": {"exit_codes": [4]},
    }


def _script(project: CiProject, environment: CiEnvironment, options: CiOptions) -> Sequence[Value]:
    lines: list[Value] = ['python -m pip install --quiet "$EVERFIT_PACKAGE"']
    if options.credentials is Credentials.OIDC:
        lines.append(f'(umask 077 && printf "%s" "$AWS_ID_TOKEN" > {SIGN_IN})')
    if project.folder:
        lines.append(f"cd {quote(project.folder)}")
    if options.serverless:
        lines.append(f"everfit apply --env {environment.name} --yes")
        lines.append(f'everfit trigger --env {environment.name} --id "gitlab-$CI_JOB_ID" --because "$BECAUSE"')
    else:
        lines.append(f'everfit run --env {environment.name} --because "$BECAUSE"')
    return lines


def _rules(project: CiProject, environment: CiEnvironment, options: CiOptions) -> Sequence[Value]:
    rules: list[Value] = []
    for push in environment.pushes:
        rule = _rule(f'$CI_PIPELINE_SOURCE == "push" && $CI_COMMIT_BRANCH == "{push.branch}"', TriggerKind.PUSH)
        paths = [_changes(path) for path in path_filters(push.paths, project.folder)]
        rules.append({**rule, **({"changes": paths} if paths else {})})
    if environment.tags:
        expression = tag_expression(environment.tags).replace("/", r"\/")
        rules.append(_rule(f"$CI_COMMIT_TAG =~ /{expression}/", TriggerKind.TAG))
    meant = f'(${CHOSEN} == null || ${CHOSEN} == "{environment.name}")'
    if environment.schedules and not options.serverless:
        rules.append(_rule(f'$CI_PIPELINE_SOURCE == "schedule" && {meant}', TriggerKind.SCHEDULE))
    if environment.takes_data and not options.serverless:
        rules.append(_rule(f'$CI_PIPELINE_SOURCE == "trigger" && {meant}', TriggerKind.DATA))
    by_hand = '($CI_PIPELINE_SOURCE == "web" || $CI_PIPELINE_SOURCE == "api")'
    rules.append(_rule(f"{by_hand} && {meant}", TriggerKind.API))
    return rules


def _rule(condition: str, because: TriggerKind) -> Mapping[str, Value]:
    return {"if": condition, "variables": {"BECAUSE": because.value}}


def _changes(path: str) -> str:
    """Return a filter of GitHub for GitLab, where ``**`` alone stands for folders only ("rules:changes")."""
    return f"{path}/*" if path.endswith("/**") else path
