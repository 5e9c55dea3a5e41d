"""The lease table; every write under a claim asks it in the write's own transaction."""

from collections.abc import Mapping
from datetime import datetime

from everfit.adapters.sql.database import Statements
from everfit.application.ports import Claim
from everfit.domain.errors import FencedError
from everfit.domain.lease import Lease, lost_message
from everfit.domain.record import instant


def lease_of(rows: Statements, model: str, environment: str) -> Lease | None:
    """Return the lease, or None when it was never taken."""
    row = rows.one(
        "select * from lease where model = :model and environment = :environment",
        {"model": model, "environment": environment},
    )
    if row is None:
        return None
    return Lease(
        owner=row["owner"],
        fence=row["fence"],
        run=row["run"],
        since=datetime.fromisoformat(row["since"]),
        renewed=datetime.fromisoformat(row["renewed"]),
        expires=datetime.fromisoformat(row["expires"]),
    )


def keep_lease(rows: Statements, model: str, environment: str, lease: Lease) -> None:
    """Write the lease as it stands now."""
    rows.write(
        "insert into lease (model, environment, owner, fence, run, since, renewed, expires)"
        " values (:model, :environment, :owner, :fence, :run, :since, :renewed, :expires)"
        " on conflict (model, environment) do update set owner = excluded.owner, fence = excluded.fence,"
        " run = excluded.run, since = excluded.since, renewed = excluded.renewed, expires = excluded.expires",
        {"model": model, "environment": environment, **lease_values(lease)},
    )


def lease_values(lease: Lease) -> Mapping[str, object]:
    """Return the columns of a lease."""
    return {
        "owner": lease.owner,
        "fence": lease.fence,
        "run": lease.run,
        "since": instant(lease.since),
        "renewed": instant(lease.renewed),
        "expires": instant(lease.expires),
    }


def held(rows: Statements, claim: Claim) -> Lease:
    """Return the lease when *claim* still holds it, else raise ``FencedError``."""
    lease = lease_of(rows, claim.model, claim.environment)
    if lease is None or lease.owner != claim.owner or lease.fence != claim.fence:
        raise FencedError(lost_message(lease, claim.fence, claim.model, claim.environment))
    return lease
