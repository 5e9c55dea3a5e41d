"""The Terraform module is valid, and plans what it says, by Terraform's own test without an account.

Needs Terraform 1.7 and the AWS provider in a folder of this machine; nothing is fetched.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

MODULE = Path(__file__).parents[3] / "packaging" / "terraform" / "everfit"
MIRRORS = ("/usr/local/share", "/usr/share", "/opt", str(Path.home() / ".terraform.d"))
"""Where packages and people put providers; each holds ``<any name>/registry.terraform.io``."""


@pytest.fixture(scope="module")
def plugins() -> Path:
    """Return the folder of the providers."""
    if shutil.which("terraform") is None:
        pytest.skip("Terraform is not installed")
    named = [Path(os.environ["EVERFIT_TERRAFORM_PLUGINS"])] if "EVERFIT_TERRAFORM_PLUGINS" in os.environ else []
    found = [*named, *(folder for place in MIRRORS for folder in sorted(Path(place).glob("*")))]
    usable = next((each for each in found if any(each.glob("registry.terraform.io/hashicorp/aws/*/*"))), None)
    if usable is None:
        pytest.skip("the AWS provider of Terraform is in no folder here; EVERFIT_TERRAFORM_PLUGINS can name one")
    return usable


def terraform(folder: Path, *arguments: str) -> str:
    """Call Terraform without the settings of whoever runs the tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TF_", "AWS_"))}
    done = subprocess.run(
        ["terraform", f"-chdir={folder}", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**kept, "TF_CLI_CONFIG_FILE": os.devnull, "CHECKPOINT_DISABLE": "1", "AWS_EC2_METADATA_DISABLED": "true"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory, plugins: Path) -> Path:
    """Return a copy of the module that is ready to be used, with templates to try it on."""
    folder = tmp_path_factory.mktemp("terraform") / "everfit"
    shutil.copytree(MODULE, folder, ignore=shutil.ignore_patterns(".terraform*"))
    queue = {"Type": "AWS::SQS::Queue", "Metadata": {"words": ""}}
    (folder / "tests" / "small.json").write_text(json.dumps({"Resources": {"Queue": queue}}))
    large = {**queue, "Metadata": {"words": "x" * 60_000}}
    (folder / "tests" / "large.json").write_text(json.dumps({"Resources": {"Queue": large}}))
    terraform(folder, "init", "-backend=false", "-input=false", f"-plugin-dir={plugins}")
    return folder


def test_the_module_is_written_as_terraform_formats_it() -> None:
    if shutil.which("terraform") is None:
        pytest.skip("Terraform is not installed")
    assert terraform(MODULE, "fmt", "-check", "-recursive", "-list=true") == ""


def test_the_module_plans_what_it_says(module: Path) -> None:
    said = terraform(module, "test", "-no-color")
    assert "Success! 4 passed, 0 failed." in said
