"""Writes what became of runs, and how good their models are, to CloudWatch."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.errors import explained
from everfit.application.ports.channels import Letter
from everfit.domain.alert import Channel
from everfit.domain.notice import NoticeKind
from everfit.domain.project import Project
from everfit.domain.told_figures import Evidence, Point, points

MOST: Final = 25
"""Metrics in a request. AWS takes 1,000 whose moments lie up to two weeks back (API reference, PutMetricData); a small
request is one that botocore does not compress, which not everything that stands in for AWS understands."""
EvidenceOf = Callable[[Mapping[str, object]], Evidence]


class MetricsSender:
    """Writes points for the environments of one project.

    A message that comes twice is counted twice: the run's own record is exact, a graph need not be.
    """

    def __init__(self, clients_in: Callable[[str], Clients], project: Project, evidence: EvidenceOf) -> None:
        self._clients_in = clients_in
        self._project = project
        self._evidence = evidence

    def send(self, letter: Letter) -> None:
        content = letter.message.content
        environment = self._project.environments.get(str(content.get("environment")))
        # A test of the channels has no figures, and a figure of a test would be one more that is not true.
        if environment is None or environment.aws is None or content["kind"] == NoticeKind.TEST.value:
            return
        found = points(content, self._evidence(content), environment.endpoint)
        at = datetime.fromisoformat(str(content["at"]))
        for start in range(0, len(found), MOST):
            data = [datum(point, at) for point in found[start : start + MOST]]
            with explained(f"write metrics to {environment.aws.namespace} in CloudWatch"):
                self._clients_in(environment.aws.region)("cloudwatch").put_metric_data(
                    Namespace=environment.aws.namespace, MetricData=data
                )

    def trouble(self, channel: Channel) -> str | None:
        del channel
        return None


def datum(point: Point, at: datetime) -> dict[str, Any]:
    """Return the point as CloudWatch takes it."""
    return {
        "MetricName": point.name,
        "Value": point.value,
        "Timestamp": at,
        "Unit": "Count" if point.is_count else "None",
        "Dimensions": [{"Name": name, "Value": value} for name, value in point.dimensions.items()],
    }
