"""What comes in, typed: each request is checked against these."""

from typing import Annotated, Final

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field

from everfit.domain.rollout import OrderKind

MOST: Final = 1_000
LARGEST: Final = 2**53 - 1

Name = Annotated[str, Field(min_length=1, max_length=100)]
Reason = Annotated[str, Field(min_length=1, max_length=2_000, description="Why, for the records.")]

ModelPath = Annotated[str, Path(max_length=100, description="Name of a model.", examples=["solar"])]
RunPath = Annotated[str, Path(max_length=200, description="Id of a run.", examples=["20261121-110229-30bc18da"])]
VersionPath = Annotated[int, Path(ge=1, le=2**31 - 1, description="Number of a version.", examples=[7])]
EventPath = Annotated[str, Path(max_length=2_000, description="Id of a trigger event.", examples=["api:nightly-7"])]
JobPath = Annotated[
    str,
    Path(max_length=500, description="Name of a training job.", examples=["solar.production.20261121-110229-30bc18da"]),
]
ModelQuery = Annotated[str | None, Query(max_length=100, description="Only of this model.", examples=["solar"])]
EnvironmentQuery = Annotated[
    str | None, Query(max_length=100, description="Only in this environment.", examples=["production"])
]
Limit = Annotated[int, Query(ge=1, le=MOST, description="How many at most.")]
BeforePlace = Annotated[
    int | None, Query(ge=1, le=LARGEST, description="Only older ones: `next` of the page before.", examples=[1041])
]


class Given(BaseModel):
    """A body: what is not known in it is refused."""

    model_config = ConfigDict(extra="forbid", strict=True)


class TriggerRequest(Given):
    """What a program asks for."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"examples": [{"model": "solar", "reason": "new prices"}]},
    )
    model: Name
    environment: Name | None = Field(default=None, description="Default: the only one, or production.")
    reason: str = Field(default="", max_length=2_000, description="Why, for the records.")
    id: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,199}$",
        description="Yours; the same id is the same event. Default: made of the Idempotency-Key, or anew.",
    )
    force: bool = Field(default=False, description="Train even when there is nothing new to learn from.")
    accept_schema: bool = Field(default=False, description="Learn columns and labels anew.")
    hold: bool = Field(default=False, description="Wait for a person before the deployment.")


class ReasonGiven(Given):
    """Why something is done."""

    model_config = ConfigDict(
        extra="forbid", strict=True, json_schema_extra={"examples": [{"reason": "seen by the team"}]}
    )
    reason: Reason


class PlaceGiven(Given):
    """Why, and in which environment."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"examples": [{"environment": "production", "reason": "seen by the team"}]},
    )
    reason: Reason
    environment: Name | None = Field(default=None, description="Default: the only one, or production.")


class PauseGiven(Given):
    """Why, and in which environment."""

    model_config = ConfigDict(
        extra="forbid", strict=True, json_schema_extra={"examples": [{"reason": "the sensor is being moved"}]}
    )
    reason: Reason
    environment: Name | None = Field(default=None, description="Default: every environment.")


class RollbackGiven(PlaceGiven):
    """Why, where, and to which version."""

    to: int | None = Field(default=None, ge=1, le=2**31 - 1, description="Default: the last good one.")


class OrderGiven(PlaceGiven):
    """What is wanted of the rollout under way, where, and why."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"examples": [{"order": "pause", "environment": "production", "reason": "release freeze"}]},
    )
    order: OrderKind = Field(strict=False)


class PromoteGiven(Given):
    """To which environment."""

    model_config = ConfigDict(
        extra="forbid", strict=True, json_schema_extra={"examples": [{"environment": "production"}]}
    )
    environment: Name
    reason: str = Field(default="", max_length=2_000, description="Why, for the records.")
