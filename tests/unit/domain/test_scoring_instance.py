"""A version is scored on what will serve it, where that takes jobs."""

from typing import Any

import botocore.session
import pytest

from everfit.domain.scoring_instance import scoring_instance

MODEL: Any = botocore.session.get_session().get_service_model("sagemaker")
JOBS = set(MODEL.shape_for("ProcessingInstanceType").enum)


@pytest.mark.parametrize(
    ("serving", "scoring"),
    [
        ("ml.m5.large", "ml.m5.large"),
        ("ml.t2.medium", "ml.t3.medium"),
        ("ml.m5d.4xlarge", "ml.m5.4xlarge"),
        ("ml.c5.large", "ml.c5.xlarge"),
        ("ml.c5d.large", "ml.c5.xlarge"),
    ],
)
def test_an_instance_that_takes_no_jobs_is_stood_in_for_by_the_nearest(serving: str, scoring: str) -> None:
    assert scoring_instance(serving) == scoring
    assert scoring in JOBS


def test_an_instance_that_takes_jobs_is_taken_as_it_is() -> None:
    hosts = set(MODEL.shape_for("ProductionVariantInstanceType").enum)
    assert [each for each in sorted(hosts & JOBS) if scoring_instance(each) != each] == []
