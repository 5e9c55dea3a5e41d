"""An installation on the bench on which nothing has happened yet, and what is there in the end."""

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.permissions import Role, role_name
from everfit.application.workspace import Workspace
from everfit.bootstrap import open_workspace
from everfit.bootstrap_aws.account import place_of
from everfit.settings import Settings
from tests.aws.bench.client import Bench
from tests.aws.endings import ENVIRONMENT
from tests.aws.mortal import about
from tests.aws.stages_made import SCRIPTS, project_text
from tests.aws.stories import Story
from tests.aws_bench import BUCKET

CHANGES = ("CreateEndpoint", "UpdateEndpoint", "CreateModelPackage", "CreateTrainingJob", "CreateProcessingJob")


def installed(bench: Bench, clients: Clients, folder: Path) -> tuple[Workspace, Settings]:
    """Make the project, its bucket and the role of its jobs, on a bench on which nothing has happened yet."""
    bench.reset()
    clients("s3").create_bucket(Bucket=BUCKET)
    folder.mkdir()
    (folder / "everfit.yaml").write_text(project_text(Story(chapters=()), on_aws=True))
    for name, content in SCRIPTS.items():
        (folder / name).write_text(content)
    settings = Settings(home=folder / ".everfit", port=None, variables={}, actor="tester")
    workspace = open_workspace(folder, settings)
    bench.role(role_name(place_of(workspace.project.environments[ENVIRONMENT]), Role.JOB))
    return workspace, settings


def done_in(bench: Bench) -> Mapping[str, int]:
    """Return how often each of the dear things was done, also when nobody heard that it was."""
    return Counter(
        call["operation"]
        for call in bench.calls("sagemaker")
        if call["operation"] in CHANGES and call["status"] is not None and call["status"] < 400
    )


def left(bench: Bench) -> Mapping[str, Any]:
    """Return what is there in the end, and what was done to get there."""
    sagemaker = bench.client("sagemaker")
    objects = bench.client("s3").list_objects_v2(Bucket=BUCKET)["Contents"]
    return {
        "done": done_in(bench),
        "models": len(sagemaker.list_models()["Models"]),
        "configs": len(sagemaker.list_endpoint_configs()["EndpointConfigs"]),
        "packages": [
            each["ModelApprovalStatus"]
            for each in sagemaker.list_model_packages(ModelPackageGroupName="line")["ModelPackageSummaryList"]
        ],
        # Whether the one who starts a job also says that it was accepted depends on when it dies.
        "objects": Counter(
            re.sub(r"\d+", "0", about(each["Key"])) for each in objects if not each["Key"].endswith("/started")
        ),
        "notes": [note for note in bench.notes() if note["kind"] in ("config-in-use-deleted", "broken")],
    }
