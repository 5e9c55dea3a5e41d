"""What is installed: the wheel holds everything that runs, and the core needs no package of an extra."""

import ast
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
SOURCE = ROOT / "src" / "everfit"
OF_THE_SERVICE = ("interfaces/api/", "interfaces/service/", "adapters/local/")
OF_AWS = ("adapters/aws/", "jobs/aws/")
WITH_BOTO3 = {"botocore"}
WITH_FASTAPI = {"pydantic", "starlette"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run(
        [*build, "--disable-pip-version-check", "--wheel-dir", str(folder), str(ROOT)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (made,) = folder.glob("*.whl")
    return made


def test_the_wheel_holds_every_file_of_the_package_and_nothing_else(wheel: Path) -> None:
    """Templates, migrations and the schema are read at run time: without them nothing starts."""
    source = {
        path.relative_to(SOURCE.parent).as_posix()
        for path in SOURCE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert any(name.endswith(".sql") for name in source)
    with zipfile.ZipFile(wheel) as archive:
        shipped = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert shipped == source


def test_the_command_works_from_the_wheel_without_the_packages_of_the_extras(wheel: Path, tmp_path: Path) -> None:
    """A fresh place with the wheel and its own dependencies alone: help, a new project, a check of its keys."""
    extras = WITH_FASTAPI.union(*map(names_of, EXTRAS.values()))
    forbidden = sorted(extras - names_of(PROJECT["dependencies"]) - {"everfit"})
    installed = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
    command = (
        f"import sys; sys.path.insert(0, {str(installed)!r}); "
        f"sys.modules.update(dict.fromkeys({forbidden!r})); "
        "import everfit; assert everfit.__file__.startswith(sys.path[0]); "
        "from everfit.interfaces.cli.main import main; main()"
    )
    for arguments in (["--help"], ["init", str(tmp_path / "line")], ["status", "-C", str(tmp_path / "line")]):
        done = subprocess.run(
            [sys.executable, "-c", command, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, (arguments, done.stderr)
    assert (tmp_path / "line" / "everfit.yaml").is_file()


def test_the_source_imports_nothing_but_the_standard_library_and_the_dependencies() -> None:
    core = {"everfit", *sys.stdlib_module_names, *names_of(PROJECT["dependencies"])}
    service = names_of([*EXTRAS["service"], *EXTRAS["postgres"]]) | WITH_FASTAPI
    aws = names_of(EXTRAS["aws"]) | WITH_BOTO3
    found = {
        (path.relative_to(SOURCE).as_posix(), name)
        for path in SOURCE.rglob("*.py")
        for name in imported(ast.parse(path.read_text()))
        if name not in core
    }
    assert {name for _, name in found} <= service | aws
    assert [path for path, name in found if name in service and not path.startswith(OF_THE_SERVICE)] == []
    assert [path for path, name in found if name in aws and not path.startswith(OF_AWS)] == []


def names_of(requirements: list[str]) -> set[str]:
    """Return the modules that the packages of *requirements* give."""
    wanted = {canonicalize_name(Requirement(each).name) for each in requirements}
    pairs = ((module, name) for module, names in packages_distributions().items() for name in names)
    return {module for module, name in pairs if canonicalize_name(name) in wanted}


def imported(tree: ast.Module) -> set[str]:
    nodes = list(ast.walk(tree))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module is not None}
    return {name.partition(".")[0] for name in names}
