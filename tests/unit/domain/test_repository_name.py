import pytest

from everfit.domain.errors import RuleError
from everfit.domain.repository_name import check_address, is_folder, repository_name, without_credentials


@pytest.mark.parametrize(
    "address",
    [
        "https://github.com/Octo/Hello-World.git",
        "https://github.com/Octo/Hello-World/",
        "https://x-access-token:secret@github.com:443/octo/hello-world",
        "HTTPS://GitHub.com/octo/hello-world.GIT",
        "git@github.com:octo/hello-world.git",
        "github.com:octo/hello-world",
        "ssh://git@github.com/octo/hello-world.git",
        "ssh://git@ssh.github.com:443/octo/hello-world.git",
        "git://github.com/octo/hello-world.git",
        "https://www.github.com/octo/hello-world",
    ],
)
def test_a_repository_has_one_name_however_its_address_is_written(address: str) -> None:
    assert repository_name(address) == "github.com/octo/hello-world"


def test_other_repositories_have_other_names() -> None:
    addresses = ["https://git.example.com/a/b", "https://git.example.com:8443/a/b", "https://git.example.com/a/bc"]
    assert len({repository_name(each) for each in addresses}) == 3


@pytest.mark.parametrize(
    "address", ["/srv/git/model.git", "file:///srv/git/model.git", "file://localhost/srv/git/model.git"]
)
def test_a_folder_keeps_its_path(address: str) -> None:
    assert is_folder(address)
    assert repository_name(address) == "/srv/git/model.git"


@pytest.mark.parametrize("address", ["--upload-pack=touch x", "ext::sh -c true", "a\nb", "\ud800"])
def test_an_address_that_git_would_not_take_for_one_is_refused(address: str) -> None:
    with pytest.raises(RuleError):
        check_address(address)
    assert check_address("git@github.com:octo/x") == "git@github.com:octo/x"


def test_no_password_is_shown() -> None:
    words = "fatal: Authentication failed for 'https://me:s3cret@example.com/x' and https://token@b/c"
    assert without_credentials(words) == "fatal: Authentication failed for 'https://example.com/x' and https://b/c"
