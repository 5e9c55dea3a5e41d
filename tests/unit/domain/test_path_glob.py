import pytest
from hypothesis import given
from hypothesis import strategies as st

from everfit.domain.errors import RuleError
from everfit.domain.path_glob import check_glob, is_any_matched

NAMES = st.text("abc.[]*", min_size=1, max_size=4).filter(lambda name: name not in (".", ".."))


@pytest.mark.parametrize(
    ("glob", "path", "matches"),
    [
        ("train.py", "train.py", True),
        ("train.py", "src/train.py", False),
        ("train.py", "train_py", False),
        ("src/**", "src/a.py", True),
        ("src/**", "src/a/b.py", True),
        ("src/**", "src", False),
        ("src", "src/a/b.py", True),
        ("src/", "src/a.py", True),
        ("src/*.py", "src/a.py", True),
        ("src/*.py", "src/a/b.py", False),
        ("**/*.py", "a.py", True),
        ("**/*.py", "a/b/c.py", True),
        ("src/**/x.py", "src/x.py", True),
        ("src/**/x.py", "src/a/b/x.py", True),
        ("**", "anything/at/all", True),
        ("a?.py", "ab.py", True),
        ("a?.py", "a/.py", False),
        ("x**y", "xay", True),
        ("x**y", "xa/by", False),
        ("[a].py", "[a].py", True),
        ("[a].py", "a.py", False),
        ("a.py", "a.py\n", False),
    ],
)
def test_a_glob_matches_as_the_guide_says(glob: str, path: str, matches: bool) -> None:
    assert is_any_matched([glob], [path], "") is matches


def test_a_glob_is_read_from_the_project_folder_or_from_the_top() -> None:
    assert is_any_matched(["src/**"], ["models/a/src/x.py"], "models/a")
    assert not is_any_matched(["src/**"], ["src/x.py", "models/b/src/x.py"], "models/a")
    assert is_any_matched(["/shared/**"], ["shared/x.py"], "models/a")
    assert not is_any_matched(["**"], ["models/ab/x.py"], "models/a")


@given(st.lists(NAMES, min_size=1, max_size=4), st.lists(NAMES, max_size=3))
def test_every_folder_above_matches_what_lies_in_it(parts: list[str], more: list[str]) -> None:
    glob, path = "/".join(parts), "/".join([*parts, *more])
    assert is_any_matched([glob], [path], "")
    assert is_any_matched([f"/{glob}/**"], [f"{path}/file"], "folder")


@pytest.mark.parametrize("text", ["!src/**", "../shared", "./x", "a//b", "/", "a\\b", "x" * 600])
def test_what_no_path_can_match_is_refused(text: str) -> None:
    with pytest.raises(RuleError):
        check_glob(text)
