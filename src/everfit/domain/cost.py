"""What an environment on AWS costs, a month and a run: from a list of prices, with every assumption said.

An estimate: what nobody can know beforehand, such as how long a training takes, is assumed and named.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

from everfit.domain.errors import RequestError
from everfit.domain.project import Environment, Hosting, Project
from everfit.domain.schedule import Timetable, times_of
from everfit.domain.scoring_instance import scoring_instance
from everfit.domain.triggers import Schedule, Trigger

HOURS: Final = 730
"""In a month, as AWS counts."""
_MINUTES: Final = HOURS * 60
_USUAL_INSTANCE: Final = "ml.m5.large"
_USUAL_VOLUME: Final = 30_000_000_000
_ANY_MONTH: Final = datetime(2026, 1, 1, tzinfo=UTC)
_MONTH: Final = timedelta(hours=HOURS)


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceList:
    """Prices without free tiers; ``regions`` says by how much one differs from that of the list.

    Args:
        as_of: when they were right, in words.
    """

    currency: str
    as_of: str
    note: str
    regions: Mapping[str, float]
    instance_hour: Mapping[str, float]
    disk_gb_month: float
    lambda_million_calls: float
    lambda_gb_second: float
    machine_thousand_transitions: float
    scheduler_million_calls: float
    s3_gb_month: float
    s3_thousand_writes: float
    s3_thousand_reads: float
    queue_million_calls: float
    alarm_month: float
    dashboard_month: float
    metric_month: float
    log_gb: float
    audit_hundred_thousand_events: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What is assumed of the use.

    Args:
        runs: a month; None counts what the schedules start, and takes one a week for other triggers.
        training: how long one takes.
        requests: to what serves, a month.
        stored: bytes in the bucket.
    """

    runs: float | None = None
    training: timedelta = timedelta(minutes=30)
    job: timedelta = timedelta(minutes=8)
    requests: float = 100_000
    stored: float = 10e9


@dataclass(frozen=True, slots=True, kw_only=True)
class CostLine:
    """What one thing costs.

    Args:
        amount: None when the price is not in the list.
    """

    what: str
    amount: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What an environment costs.

    Args:
        month: without runs.
        run: for each.
        longest_run: the most that a run can cost, when its training takes as long as it may.
        runs: a month.
    """

    currency: str
    month: tuple[CostLine, ...]
    run: tuple[CostLine, ...]
    runs: float
    longest_run: float | None
    assumptions: tuple[str, ...]

    @property
    def per_month(self) -> float | None:
        """The month with its runs; None when a price is missing."""
        fixed, each = total(self.month), total(self.run)
        return None if fixed is None or each is None else fixed + each * self.runs


def total(lines: Iterable[CostLine]) -> float | None:
    """Return the sum, or None when a price is missing."""
    amounts = [line.amount for line in lines]
    known = [amount for amount in amounts if amount is not None]
    return sum(known) if len(known) == len(amounts) else None


def read_prices(plain: object) -> PriceList:
    """Return the price list that JSON holds, or raise ``RequestError`` for the first thing wrong in it."""
    if not isinstance(plain, Mapping):
        raise RequestError("The price list is no JSON object.")
    given = cast("Mapping[str, Any]", plain)
    values: dict[str, Any] = {}
    for field in fields(PriceList):
        if field.name not in given:
            raise RequestError(f"The price list has no {field.name}.")
        values[field.name] = _price(field.name, given[field.name])
    return PriceList(**values)


def _price(name: str, value: object) -> object:
    if name in ("currency", "as_of", "note"):
        return str(value)
    if name in ("regions", "instance_hour"):
        if not isinstance(value, Mapping):
            raise RequestError(f"The price list has no names with numbers at {name}.")
        named = cast("Mapping[str, object]", value)
        return {key: _number(f"{name}.{key}", each) for key, each in named.items()}
    return _number(name, value)


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e9:
        raise RequestError(f"The price list has {value!r} at {name}, which is no price.")
    return float(value)


def runs_a_month(triggers: Iterable[Trigger]) -> tuple[float, str]:
    """Return how many runs the triggers start in a month, with words for what of it is assumed."""
    listed = list(triggers)
    schedules = [each for each in listed if isinstance(each, Schedule)]
    counted = float(sum(_ticks(each.expression) for each in schedules))
    if len(listed) > len(schedules) or not schedules:
        return counted + HOURS / (7 * 24), f"{counted:g} runs by schedule, and one a week for another reason"
    return counted, f"{counted:g} runs by schedule"


def _ticks(expression: str) -> int:
    timetable = Timetable(times=times_of(expression), zone=UTC, anchor=_ANY_MONTH)
    missed = timetable.missed(_ANY_MONTH, _ANY_MONTH + _MONTH)
    return 0 if missed is None else missed.count


def estimate(
    project: Project, environment: Environment, prices: PriceList, usage: Usage, *, alarms: int, memory: int
) -> Estimate:
    """Return what the environment costs.

    Args:
        alarms: how many it has.
        memory: MB of the function that looks every minute.
    """
    usage = replace(usage, training=min(usage.training, project.train.timeout))
    triggers = [each for each in project.triggers if environment.name in each.environments]
    counted, words = runs_a_month(triggers)
    runs = counted if usage.runs is None else usage.runs
    region = environment.aws.region if environment.aws is not None else ""
    priced = _Priced(prices=prices, factor=prices.regions.get(region, 1.0))
    run = _run(project, environment, priced, usage)
    longest = total(_run(project, environment, priced, replace(usage, training=project.train.timeout)))
    return Estimate(
        currency=prices.currency,
        month=(_serving(project, environment, priced, usage), *_house(environment, priced, usage, alarms, memory)),
        run=run,
        runs=runs,
        longest_run=longest,
        assumptions=(
            f"prices of {prices.as_of}, before free tiers and taxes"
            + ("" if region in prices.regions else f"; those of {region} are not in the list, taken as in us-east-1"),
            words if usage.runs is None else f"{runs:g} runs a month",
            f"a training takes {_minutes(usage.training)}, each of Everfit's own jobs {_minutes(usage.job)}",
            f"{usage.requests:,.0f} requests a month, {usage.stored / 1e9:g} GB in the bucket",
            *(["spot instances cost what others do; they are usually much cheaper"] if _is_spot(project) else []),
        ),
    )


def _minutes(time: timedelta) -> str:
    return f"{time / timedelta(minutes=1):g} min"


def _is_spot(project: Project) -> bool:
    return project.train.sagemaker.get("spot") is True


@dataclass(frozen=True, slots=True, kw_only=True)
class _Priced:
    prices: PriceList
    factor: float

    def instance(self, name: str, hours: float) -> float | None:
        price = self.prices.instance_hour.get(name)
        return None if price is None else price * self.factor * hours


def _serving(project: Project, environment: Environment, priced: _Priced, usage: Usage) -> CostLine:
    if environment.hosting is Hosting.FUNCTION:
        memory, prices = environment.function.memory / 1024, priced.prices
        calls = usage.requests / 1e6 * prices.lambda_million_calls
        # A tenth of a second for each.
        amount = calls + usage.requests * 0.1 * memory * prices.lambda_gb_second
        return CostLine(what=f"function {environment.endpoint}, {usage.requests:,.0f} requests", amount=amount)
    serving = project.serve.sagemaker
    name, count = str(serving.get("instance", _USUAL_INSTANCE)), int(str(serving.get("count", 1)))
    words = f"endpoint {environment.endpoint}, {count} × {name}"
    scaling = serving.get("autoscale")
    if isinstance(scaling, Mapping):
        words += f" (up to {cast('Mapping[str, object]', scaling).get('max')})"
    return CostLine(what=words, amount=priced.instance(name, HOURS * count))


def _house(environment: Environment, priced: _Priced, usage: Usage, alarms: int, memory: int) -> tuple[CostLine, ...]:
    prices = priced.prices
    # A look every minute takes about a third of a second, one read, and seldom a write with its lock.
    looks = (
        _MINUTES / 1e6 * (prices.lambda_million_calls + prices.scheduler_million_calls)
        + _MINUTES * 0.3 * memory / 1024 * prices.lambda_gb_second
        + _MINUTES / 1e3 * prices.s3_thousand_reads
        + _MINUTES / 10 * 3 / 1e3 * prices.s3_thousand_writes
    )
    lines = [
        CostLine(what="a look every minute", amount=looks),
        CostLine(what="storage", amount=usage.stored / 1e9 * prices.s3_gb_month * priced.factor),
        CostLine(
            what=f"{alarms} alarms, a dashboard, metrics and logs",
            amount=alarms * prices.alarm_month + prices.dashboard_month + 6 * prices.metric_month + prices.log_gb,
        ),
    ]
    if environment.aws is not None and environment.aws.audit:
        events = _MINUTES * 2
        lines.append(
            CostLine(what="record of every access", amount=events / 1e5 * prices.audit_hundred_thousand_events)
        )
    return tuple(lines)


def _run(project: Project, environment: Environment, priced: _Priced, usage: Usage) -> tuple[CostLine, ...]:
    prices, place = priced.prices, environment.aws
    training = project.train.sagemaker
    name, count = str(training.get("instance", _USUAL_INSTANCE)), int(str(training.get("count", 1)))
    own = _USUAL_INSTANCE if place is None else place.instance
    served = str(project.serve.sagemaker.get("instance", own))
    scorer = own if environment.hosting is Hosting.FUNCTION else scoring_instance(served)
    hours, each = usage.training / timedelta(hours=1), usage.job / timedelta(hours=1)
    volume = float(str(training.get("volume", _USUAL_VOLUME)))
    disk = volume / 1e9 * prices.disk_gb_month * hours / HOURS * count
    trained = priced.instance(name, hours * count)
    # Preparing and judging are Everfit's own; both versions are scored where they would serve.
    scoring, working = priced.instance(scorer, 2 * each), priced.instance(own, 2 * each)
    # A look a minute is three transitions and a second of the step function.
    looks = (hours + 4 * each) * 60
    steps = looks * 3 / 1e3 * prices.machine_thousand_transitions + looks * prices.lambda_gb_second
    return (
        CostLine(what=f"training, {count} × {name}", amount=None if trained is None else trained + disk),
        CostLine(what=f"preparing and judging, {own}", amount=working),
        CostLine(what=f"scoring two versions, {scorer}", amount=scoring),
        CostLine(what="steps", amount=steps),
    )
