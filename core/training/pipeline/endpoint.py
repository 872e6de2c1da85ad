"""Rollouts from the endpoint that a stage names."""

from __future__ import annotations

from pathlib import Path

from core.config import settings
from core.inference.remote import RemoteGenerator
from core.training.endpoint_sampler import EndpointSampler
from core.training.pipeline.recipe import EndpointChoice
from core.training.policy import Policy
from core.training.team import Team

ADAPTERS = "endpoint"
"""Where in a stage's folder the adapters are that the endpoint is to load."""


def endpoint_of(choice: EndpointChoice | None, policy: Policy, folder: Path, team: Team) -> EndpointSampler | None:
    """The sampler of a stage in `folder`; its key is the setting `endpoint_key`. None where the model itself draws.

    Raises:
        ConfigError: the address cannot be used.
        InputError: it is to be sent adapters, and all weights learn.
    """
    if choice is None:
        return None
    current = settings()
    generator = RemoteGenerator(
        choice.url,
        choice.model,
        current.endpoint_key,
        timeout_seconds=current.endpoint_timeout_seconds,
        logprobs=True,
    )
    sent = folder / ADAPTERS if choice.sync_every else None
    return EndpointSampler(generator, policy, folder=sent, sync_every=max(1, choice.sync_every), team=team)
