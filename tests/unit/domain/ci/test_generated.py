"""A file that a person has changed is told from one that only is older."""

import pytest

from everfit.domain.ci.generated import Standing, signed, standing_of


def written(body: str, about: str = "mask, staging") -> str:
    return signed(body, maker="everfit ci github", about=about)


@pytest.mark.parametrize(
    ("there", "standing"),
    [
        (None, Standing.NEW),
        (written("a: 1\n"), Standing.SAME),
        (written("a: 0\n"), Standing.OLDER),
        (written("a: 0\n") + "b: 2\n", Standing.CHANGED),
        (written("a: 1\n").replace("a: 1", "a: 2"), Standing.CHANGED),
        (written("a: 1\n", "plant-doctor, production"), Standing.FOREIGN),
        ("name: my own workflow\n", Standing.FOREIGN),
        ("", Standing.FOREIGN),
    ],
    ids=["nothing", "same", "older", "longer", "edited", "another project", "somebody's own", "empty"],
)
def test_how_a_file_stands_to_the_one_that_is_there(there: str | None, standing: Standing) -> None:
    assert standing_of(there, written("a: 1\n")) is standing


def test_the_same_body_is_written_the_same_each_time() -> None:
    assert written("a: 1\n") == written("a: 1\n")
