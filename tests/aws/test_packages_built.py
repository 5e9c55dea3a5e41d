"""The package of the functions and the wheels of the jobs: whole, small, and the same wherever they are built."""

import ast
import importlib.metadata
import io
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from everfit import __version__
from everfit.adapters.aws.packages import HANDLERS, LARGEST, Package, build_package, own_files
from everfit.adapters.aws.wheels import (
    OF_JOBS,
    DownloadedPackages,
    InstalledPackages,
    Target,
    digest_of,
    everfit_files,
    everfit_wheel,
    job_wheels,
    pinned,
    zipped,
)
from everfit.domain.errors import BackendError, RequestError

RUNTIME = ("boto3", "botocore", "s3transfer", "urllib3", "jmespath", "dateutil", "six")
"""What Lambda's own runtime brings (Lambda Developer Guide, "Runtime dependencies in Python")."""
HERE = Target(python=f"{sys.version_info[0]}.{sys.version_info[1]}")


@pytest.fixture(scope="module")
def package() -> Package:
    return build_package(InstalledPackages())


@pytest.fixture(scope="module")
def unpacked(package: Package, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("task")
    with zipfile.ZipFile(io.BytesIO(package.content)) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what a function finds beside its own code."""
    folder = tmp_path_factory.mktemp("runtime")
    for name in RUNTIME:
        module = importlib.import_module(name)
        place = Path(str(module.__file__))
        place = place.parent if place.name == "__init__.py" else place
        (folder / place.name).symlink_to(place)
    return folder


def imported(folders: Sequence[Path], statement: str) -> subprocess.CompletedProcess[str]:
    """Run a statement in an interpreter that knows of nothing but these folders."""
    program = f"import sys; sys.path[:0] = {[str(folder) for folder in folders]!r}; {statement}"
    return subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", program], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("role", HANDLERS)
def test_every_handler_and_all_that_it_opens_is_in_the_package(unpacked: Path, runtime: Path, role: str) -> None:
    module, _, name = HANDLERS[role].rpartition(".")
    statement = f"from {module} import {name} as handler; import everfit.bootstrap_aws.serverless; print(handler)"
    done = imported([unpacked, runtime], statement)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"<function {name}")


LATER = "everfit.adapters.aws.jobs, everfit.adapters.aws.endpoints, everfit.adapters.aws.functions"


def test_what_is_loaded_only_when_it_is_needed_is_in_the_package_as_well(unpacked: Path, runtime: Path) -> None:
    done = imported([unpacked, runtime], f"import {LATER}, everfit.adapters.local.project_file; print('whole')")
    assert done.stdout == "whole\n", done.stderr


NOT_CARRIED = {
    "everfit.adapters.aws.wheels": "wheels are made on a person's machine",
    "everfit.adapters.local.code": "code is frozen on a person's machine",
    "everfit.adapters.local.data_source": "data of a machine is uploaded by that machine",
    "everfit.adapters.local.listings": "data of a machine is watched by that machine",
}


def test_every_module_of_everfits_that_the_package_imports_anywhere_is_in_it() -> None:
    """Also within functions, where nobody would notice before it is called."""
    files = own_files(everfit_files())
    modules = {path.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for path in files}
    missing = {
        node.module
        for path, content in files.items()
        if path.endswith(".py")
        for node in ast.walk(ast.parse(content))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("everfit")
        if node.module not in modules
    }
    assert missing - NOT_CARRIED.keys() == set()


def test_a_package_that_lacks_a_module_would_be_found_out(unpacked: Path) -> None:
    done = imported([unpacked], "import everfit.interfaces.lambdas.step, boto3")
    assert "No module named 'boto3'" in done.stderr


def test_the_package_reads_project_files_and_knows_every_time_zone_by_itself(unpacked: Path, runtime: Path) -> None:
    statement = (
        "import zoneinfo; zoneinfo.reset_tzpath(to=[]); "
        "from everfit.adapters.local.yaml_document import yaml; from blake3 import blake3; "
        "print(yaml.safe_load('a: 1')['a'], zoneinfo.ZoneInfo('America/New_York'), blake3(b'').hexdigest()[:4])"
    )
    done = imported([unpacked, runtime], statement)
    assert done.stdout.split() == ["1", "America/New_York", "af13"], done.stderr


def test_the_package_is_small_and_holds_nothing_of_the_command_line_or_the_service(package: Package) -> None:
    with zipfile.ZipFile(io.BytesIO(package.content)) as archive:
        names = archive.namelist()
    assert len(package.content) < LARGEST / 5
    unwanted = ("everfit/interfaces/cli/", "everfit/interfaces/api/", "everfit/adapters/memory/", "yaml/_yaml", "tests")
    assert [name for name in names if name.startswith(unwanted) or "__pycache__" in name] == []
    assert [name for name in names if name.endswith("LICENSE")]


def test_the_same_code_has_the_same_digest_and_other_code_another(package: Package) -> None:
    again = build_package(InstalledPackages())
    assert (again.digest, again.content) == (package.digest, package.content)
    files = dict(everfit_files())
    assert digest_of(files) == digest_of(dict(reversed(files.items())))
    files["everfit/settings.py"] += b"\n"
    assert digest_of(own_files(files)) != digest_of(own_files(everfit_files()))


def test_names_and_contents_cannot_be_taken_for_each_other() -> None:
    assert digest_of({"a": b"bc", "d": b""}) != digest_of({"a": b"b", "cd": b""})


def test_a_zip_holds_no_times_and_may_be_read_by_everybody() -> None:
    with zipfile.ZipFile(io.BytesIO(zipped({"b": b"2", "a": b"1"}))) as archive:
        entries = archive.infolist()
    assert [entry.filename for entry in entries] == ["a", "b"]
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert {entry.external_attr >> 16 for entry in entries} == {0o644}


# Wheels


def test_the_wheel_of_this_everfit_installs_and_is_this_everfit(tmp_path: Path) -> None:
    name, content = everfit_wheel()
    assert everfit_wheel() == (name, content)
    (tmp_path / name).write_bytes(content)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-compile"]
    subprocess.run(
        [*command, "--disable-pip-version-check", "--target", str(tmp_path / "site"), str(tmp_path / name)], check=True
    )
    done = imported([tmp_path / "site"], "import everfit; print(everfit.__version__, everfit.__file__)")
    assert done.stdout.split() == [__version__, str(tmp_path / "site" / "everfit" / "__init__.py")]


def test_what_is_sent_is_of_the_versions_that_are_installed_with_all_that_it_needs() -> None:
    found = pinned(["blake3", "PyYAML"], Target(python="3.11"))
    assert found["pyyaml"] == importlib.metadata.version("PyYAML")
    # On Python 3.12 blake3 does not need it (its own metadata).
    assert ("typing-extensions" in found, "typing-extensions" in pinned(["blake3"], Target(python="3.12"))) == (
        True,
        False,
    )


def test_a_package_that_is_not_installed_is_named_with_what_to_do() -> None:
    with pytest.raises(RequestError, match=r"no-such-package is not installed here: pip install 'everfit\[aws\]'"):
        pinned(["no-such-package"], HERE)


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes for the only index there is."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def a_wheel(folder: Path, name: str) -> None:
    """Write a wheel of the version that is installed here, which holds one file."""
    version = importlib.metadata.version(name)
    label = f"{name}-{version}"
    files = {
        f"{name}/__init__.py": b"",
        f"{label}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{label}.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{label}.dist-info/RECORD": b"",
    }
    (folder / f"{label}-py3-none-any.whl").write_bytes(zipped(files))


def test_a_wheel_is_downloaded_once_and_kept(index: Path, tmp_path: Path) -> None:
    a_wheel(index, "packaging")
    source = DownloadedPackages(tmp_path / "cache", HERE)
    first: Mapping[str, Path] = source.wheels(["packaging"])
    for path in index.iterdir():
        path.unlink()
    assert source.wheels(["packaging"]) == first
    assert "packaging/__init__.py" in source.files(["packaging"])


def test_an_index_that_does_not_have_it_is_a_sentence_with_the_package_and_the_python(
    index: Path, tmp_path: Path
) -> None:
    assert index.is_dir()
    version = importlib.metadata.version("packaging")
    with pytest.raises(BackendError, match=rf"packaging=={version} for Python 3.12 could not be downloaded"):
        DownloadedPackages(tmp_path / "cache", Target(python="3.12")).wheels(["packaging"])


def test_a_job_gets_everfit_and_everything_that_its_programs_import(index: Path, tmp_path: Path) -> None:
    for name in pinned(OF_JOBS, HERE):
        a_wheel(index, name.replace("-", "_"))
    found = job_wheels(tmp_path / "cache", HERE)
    names = {name.partition("-")[0].lower() for name in found}
    assert {"everfit", *(name.lower() for name in OF_JOBS)} <= names
    assert all(path.is_file() and path.name == name for name, path in found.items())
