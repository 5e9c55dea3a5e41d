"""Chooses what brings alerts to AWS, and what else is told there."""

from collections.abc import Callable, Mapping
from functools import lru_cache, partial

from everfit.adapters.aws.channels import RoutedChannels, Sender
from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.last_trained import LastTrainedSender
from everfit.adapters.aws.metrics_channel import MetricsSender
from everfit.adapters.aws.package_mirror import PackageMirror
from everfit.adapters.aws.registry import ModelRegistry
from everfit.adapters.aws.sns_channel import SnsSender
from everfit.application.evidence import evidence_of
from everfit.application.ports import Channels, Registry
from everfit.application.ports.run_store import RunStore
from everfit.bootstrap_aws.account import place_of
from everfit.domain.alert import ChannelKind
from everfit.domain.project import Project


def with_packages(inner: Registry, clients: Clients, project: Project) -> ModelRegistry:
    """Return the registry with a model package for each version; every environment of the project is on AWS."""
    place = place_of(next(iter(project.environments.values())))
    return ModelRegistry(inner, PackageMirror(inner, clients, place, project))


def channels_on_aws(
    usual: Channels, clients: Clients, project: Project, registry: Registry, store: RunStore
) -> Channels:
    """Return the channels of an installation on AWS.

    Args:
        usual: mail, chats and webhooks.
    """
    clients_in = _by_region(clients)
    evidence = partial(evidence_of, registry=registry, store=store)
    senders: Mapping[ChannelKind, Sender] = {
        ChannelKind.SNS: SnsSender(clients_in),
        ChannelKind.TOPIC: SnsSender(clients_in),
        ChannelKind.METRICS: MetricsSender(clients_in, project, evidence),
        ChannelKind.LAST_TRAINED: LastTrainedSender(clients_in, project, evidence),
    }
    return RoutedChannels(usual, senders)


def sns_sender() -> Sender:
    """Return what sends to topics from an installation elsewhere."""
    return SnsSender(_by_region(None))


def _by_region(known: Clients | None) -> Callable[[str], Clients]:
    @lru_cache
    def clients_in(region: str) -> Clients:
        return known if known is not None and known.region == region else Clients(region)

    return clients_in
