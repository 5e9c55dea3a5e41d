"""Service Quotas: the quotas that the settings name, and one for each instance type beside them."""

from tests.aws.bench.call import Call, Document
from tests.aws.bench.errors import ACCOUNT, AwsError
from tests.aws.bench.operations import operation
from tests.aws.bench.world import World

USES = ("training job usage", "spot training job usage", "processing job usage", "endpoint usage")
TYPES = ("ml.m5.large", "ml.m5.xlarge", "ml.m5.2xlarge", "ml.c5.large", "ml.c5.xlarge", "ml.g5.xlarge", "ml.t3.medium")
USUAL = 20
PAGE = 10


def quotas(world: World, call: Call) -> list[Document]:
    """Return every quota of SageMaker (Service Quotas API reference, ServiceQuota)."""
    values = {f"{kind} for {use}": USUAL for kind in TYPES for use in USES} | world.settings.quotas
    return [
        {
            "ServiceCode": "sagemaker",
            "ServiceName": "Amazon SageMaker",
            "QuotaName": name,
            "QuotaCode": f"L-{sum(name.encode()) * 7919 % 0xFFFFFFFF:08X}",
            "QuotaArn": f"arn:aws:servicequotas:{call.region}:{ACCOUNT}:sagemaker/{name.replace(' ', '-')}",
            "Value": float(value),
            "Unit": "None",
            "Adjustable": True,
            "GlobalQuota": False,
        }
        for name, value in sorted(values.items())
    ]


@operation("service-quotas", "ListServiceQuotas")
def list_quotas(world: World, call: Call) -> Document:
    """Pages are small, so that who reads only the first misses something."""
    if call.params["ServiceCode"] != "sagemaker":
        return {"Quotas": []}
    start = int(call.params.get("NextToken", 0))
    count = min(int(call.params.get("MaxResults", PAGE)), PAGE)
    found = quotas(world, call)
    answer: Document = {"Quotas": found[start : start + count]}
    return answer | ({"NextToken": str(start + count)} if len(found) > start + count else {})


@operation("service-quotas", "GetServiceQuota")
def get_quota(world: World, call: Call) -> Document:
    for quota in quotas(world, call):
        if quota["QuotaCode"] == call.params["QuotaCode"]:
            return {"Quota": quota}
    raise AwsError("NoSuchResourceException", "The request failed because the specified quota does not exist.")
