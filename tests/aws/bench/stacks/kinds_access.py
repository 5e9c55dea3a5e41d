"""Roles and policies, queues and topics in stacks."""

import json

from tests.aws.bench.call import Document
from tests.aws.bench.errors import ACCOUNT
from tests.aws.bench.stacks.kinds import KINDS, Kind, Made, Place


def create_role(place: Place, given: Document) -> Made:
    iam, name = place.client("iam"), str(given.get("RoleName") or place.name(64))
    boundary = {"PermissionsBoundary": given["PermissionsBoundary"]} if "PermissionsBoundary" in given else {}
    limits = {"MaxSessionDuration": int(given["MaxSessionDuration"])} if "MaxSessionDuration" in given else {}
    made = iam.create_role(
        RoleName=name,
        Path=given.get("Path", "/"),
        AssumeRolePolicyDocument=json.dumps(given["AssumeRolePolicyDocument"]),
        Description=given.get("Description", ""),
        Tags=place.all_tags(given),
        **boundary,
        **limits,
    )["Role"]
    put_role_policies(place, name, {}, given)
    return name, {"Arn": made["Arn"], "RoleId": made["RoleId"]}


def put_role_policies(place: Place, name: str, old: Document, new: Document) -> None:
    """Put what is new and take away what is not any more, inline and attached."""
    iam = place.client("iam")
    before = {policy["PolicyName"] for policy in old.get("Policies", [])}
    for policy in new.get("Policies", []):
        document = json.dumps(policy["PolicyDocument"])
        iam.put_role_policy(RoleName=name, PolicyName=policy["PolicyName"], PolicyDocument=document)
        before.discard(policy["PolicyName"])
    for left in sorted(before):
        iam.delete_role_policy(RoleName=name, PolicyName=left)
    was, wanted = set(old.get("ManagedPolicyArns", [])), set(new.get("ManagedPolicyArns", []))
    for arn in sorted(wanted - was):
        iam.attach_role_policy(RoleName=name, PolicyArn=arn)
    for arn in sorted(was - wanted):
        iam.detach_role_policy(RoleName=name, PolicyArn=arn)


def update_role(place: Place, name: str, old: Document, new: Document) -> Made:
    iam = place.client("iam")
    if old["AssumeRolePolicyDocument"] != new["AssumeRolePolicyDocument"]:
        document = json.dumps(new["AssumeRolePolicyDocument"])
        iam.update_assume_role_policy(RoleName=name, PolicyDocument=document)
    if "PermissionsBoundary" in new and old.get("PermissionsBoundary") != new["PermissionsBoundary"]:
        iam.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=new["PermissionsBoundary"])
    put_role_policies(place, name, old, new)
    made = iam.get_role(RoleName=name)["Role"]
    return name, {"Arn": made["Arn"], "RoleId": made["RoleId"]}


def delete_role(place: Place, name: str, given: Document) -> None:
    """A role that still has policies cannot be deleted (API reference, DeleteRole: DeleteConflict)."""
    put_role_policies(place, name, given, {})
    place.client("iam").delete_role(RoleName=name)


def read_role(place: Place, name: str) -> Document:
    return {"AssumeRolePolicyDocument": place.client("iam").get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]}


def create_policy(place: Place, given: Document) -> Made:
    name = str(given["PolicyName"])
    for role in given.get("Roles", []):
        document = json.dumps(given["PolicyDocument"])
        place.client("iam").put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=document)
    return name, {"Id": name}


def update_policy(place: Place, name: str, old: Document, new: Document) -> Made:
    delete_policy(place, name, {**old, "Roles": [role for role in old["Roles"] if role not in new.get("Roles", [])]})
    return create_policy(place, new)


def delete_policy(place: Place, name: str, given: Document) -> None:
    for role in given.get("Roles", []):
        place.client("iam").delete_role_policy(RoleName=role, PolicyName=name)


def create_managed_policy(place: Place, given: Document) -> Made:
    iam, name = place.client("iam"), str(given.get("ManagedPolicyName") or place.name(128))
    document = json.dumps(given["PolicyDocument"])
    arn = str(iam.create_policy(PolicyName=name, PolicyDocument=document)["Policy"]["Arn"])
    for role in given.get("Roles", []):
        iam.attach_role_policy(RoleName=role, PolicyArn=arn)
    return arn, {"PolicyArn": arn}


def update_managed_policy(place: Place, name: str, old: Document, new: Document) -> Made:
    iam = place.client("iam")
    document = json.dumps(new["PolicyDocument"])
    iam.create_policy_version(PolicyArn=name, PolicyDocument=document, SetAsDefault=True)
    for role in set(new.get("Roles", [])) - set(old.get("Roles", [])):
        iam.attach_role_policy(RoleName=role, PolicyArn=name)
    for role in set(old.get("Roles", [])) - set(new.get("Roles", [])):
        iam.detach_role_policy(RoleName=role, PolicyArn=name)
    return name, {"PolicyArn": name}


def delete_managed_policy(place: Place, name: str, given: Document) -> None:
    iam = place.client("iam")
    for role in given.get("Roles", []):
        iam.detach_role_policy(RoleName=role, PolicyArn=name)
    for version in iam.list_policy_versions(PolicyArn=name)["Versions"]:
        if not version["IsDefaultVersion"]:
            iam.delete_policy_version(PolicyArn=name, VersionId=version["VersionId"])
    iam.delete_policy(PolicyArn=name)


QUEUE_SETTINGS = (
    "VisibilityTimeout", "MessageRetentionPeriod", "DelaySeconds", "ReceiveMessageWaitTimeSeconds", "KmsMasterKeyId",
    "KmsDataKeyReusePeriodSeconds", "SqsManagedSseEnabled", "RedrivePolicy", "RedriveAllowPolicy", "FifoQueue",
    "ContentBasedDeduplication", "MaximumMessageSize",
)  # fmt: skip


def queue_settings(given: Document) -> dict[str, str]:
    made: dict[str, str] = {}
    for name in QUEUE_SETTINGS:
        if name in given:
            value = given[name]
            is_plain = isinstance(value, (str, int)) and not isinstance(value, bool)
            made[name] = str(value) if is_plain else json.dumps(value)
    return made


def queue_made(place: Place, url: str) -> Made:
    name = url.rpartition("/")[2]
    arn = f"arn:aws:sqs:{place.region}:{ACCOUNT}:{name}"
    return url, {"Arn": arn, "QueueName": name, "QueueUrl": url}


def create_queue(place: Place, given: Document) -> Made:
    name = str(given.get("QueueName") or place.name(75))
    tags = {tag["Key"]: tag["Value"] for tag in place.all_tags(given)}
    queues = place.client("sqs")
    return queue_made(
        place, queues.create_queue(QueueName=name, Attributes=queue_settings(given), tags=tags)["QueueUrl"]
    )


def update_queue(place: Place, url: str, old: Document, new: Document) -> Made:
    del old
    settings = queue_settings(new)
    if settings:
        place.client("sqs").set_queue_attributes(QueueUrl=url, Attributes=settings)
    return queue_made(place, url)


def delete_queue(place: Place, url: str, given: Document) -> None:
    del given
    place.client("sqs").delete_queue(QueueUrl=url)


def create_queue_policy(place: Place, given: Document) -> Made:
    for url in given["Queues"]:
        policy = {"Policy": json.dumps(given["PolicyDocument"])}
        place.client("sqs").set_queue_attributes(QueueUrl=url, Attributes=policy)
    name = place.name()
    return name, {"Id": name}


def update_queue_policy(place: Place, name: str, old: Document, new: Document) -> Made:
    del old
    create_queue_policy(place, new)
    return name, {"Id": name}


def delete_queue_policy(place: Place, name: str, given: Document) -> None:
    del name
    for url in given["Queues"]:
        place.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": ""})


def topic_made(arn: str) -> Made:
    return arn, {"TopicArn": arn, "TopicName": arn.rpartition(":")[2]}


def create_topic(place: Place, given: Document) -> Made:
    topics, name = place.client("sns"), str(given.get("TopicName") or place.name(250))
    arn = str(topics.create_topic(Name=name, Tags=place.all_tags(given))["TopicArn"])
    for member in ("KmsMasterKeyId", "DisplayName"):
        if member in given:
            topics.set_topic_attributes(TopicArn=arn, AttributeName=member, AttributeValue=given[member])
    for each in given.get("Subscription", []):
        topics.subscribe(TopicArn=arn, Protocol=each["Protocol"], Endpoint=each["Endpoint"])
    return topic_made(arn)


def update_topic(place: Place, arn: str, old: Document, new: Document) -> Made:
    topics = place.client("sns")
    for member in ("KmsMasterKeyId", "DisplayName"):
        if old.get(member) != new.get(member):
            topics.set_topic_attributes(TopicArn=arn, AttributeName=member, AttributeValue=new.get(member, ""))
    for each in new.get("Subscription", []):
        if each not in old.get("Subscription", []):
            topics.subscribe(TopicArn=arn, Protocol=each["Protocol"], Endpoint=each["Endpoint"])
    return topic_made(arn)


def delete_topic(place: Place, arn: str, given: Document) -> None:
    del given
    place.client("sns").delete_topic(TopicArn=arn)


def create_topic_policy(place: Place, given: Document) -> Made:
    for arn in given["Topics"]:
        policy = json.dumps(given["PolicyDocument"])
        place.client("sns").set_topic_attributes(TopicArn=arn, AttributeName="Policy", AttributeValue=policy)
    name = place.name()
    return name, {"Id": name}


def update_topic_policy(place: Place, name: str, old: Document, new: Document) -> Made:
    del old
    create_topic_policy(place, new)
    return name, {"Id": name}


def delete_topic_policy(place: Place, name: str, given: Document) -> None:
    """The policy of a topic goes with the topic; there is no call that takes it away."""
    del place, name, given


def create_subscription(place: Place, given: Document) -> Made:
    settings = {name: json.dumps(given[name]) for name in ("FilterPolicy", "RedrivePolicy") if name in given}
    arn = place.client("sns").subscribe(
        TopicArn=given["TopicArn"],
        Protocol=given["Protocol"],
        Endpoint=given.get("Endpoint", ""),
        Attributes=settings,
        ReturnSubscriptionArn=True,
    )["SubscriptionArn"]
    return arn, {"Arn": arn}


def update_subscription(place: Place, arn: str, old: Document, new: Document) -> Made:
    for name in ("FilterPolicy", "RedrivePolicy"):
        if old.get(name) != new.get(name):
            value = json.dumps(new.get(name, {}))
            place.client("sns").set_subscription_attributes(
                SubscriptionArn=arn, AttributeName=name, AttributeValue=value
            )
    return arn, {"Arn": arn}


def delete_subscription(place: Place, arn: str, given: Document) -> None:
    del given
    place.client("sns").unsubscribe(SubscriptionArn=arn)


KINDS |= {
    "AWS::IAM::Role": Kind(create=create_role, update=update_role, delete=delete_role, read=read_role),
    "AWS::IAM::Policy": Kind(create=create_policy, update=update_policy, delete=delete_policy),
    "AWS::IAM::ManagedPolicy": Kind(
        create=create_managed_policy, update=update_managed_policy, delete=delete_managed_policy
    ),
    "AWS::SQS::Queue": Kind(create=create_queue, update=update_queue, delete=delete_queue),
    "AWS::SQS::QueuePolicy": Kind(create=create_queue_policy, update=update_queue_policy, delete=delete_queue_policy),
    "AWS::SNS::Topic": Kind(create=create_topic, update=update_topic, delete=delete_topic),
    "AWS::SNS::TopicPolicy": Kind(create=create_topic_policy, update=update_topic_policy, delete=delete_topic_policy),
    "AWS::SNS::Subscription": Kind(create=create_subscription, update=update_subscription, delete=delete_subscription),
}
