"""Examples of answers, for the OpenAPI document."""

from typing import Any, Final

EVENT: Final = {
    "id": "api:nightly-7",
    "place": 1042,
    "kind": "api",
    "trigger": "api",
    "model": "solar",
    "environment": "production",
    "actor": "airflow",
    "subject": "new prices",
    "at": "2026-11-21T11:02:29.000000+00:00",
    "accepted": "2026-11-21T11:02:29.004000+00:00",
    "end": "ran",
    "run": "20261121-110229-30bc18da",
    "reason": "version 2 of solar passed its gate and took over from version 1 behind solar",
    "ended": "2026-11-21T11:04:02.000000+00:00",
}
EVENTS: Final = {"triggers": [EVENT], "next": 1042}
RUN: Final = {
    "run": "20261121-110229-30bc18da",
    "model": "solar",
    "environment": "production",
    "outcome": "deployed",
    "version": 2,
    "started": "2026-11-21T11:02:29+00:00",
    "ended": "2026-11-21T11:04:02+00:00",
    "waits_for": None,
    "reason": "version 2 of solar passed its gate and took over from version 1 behind solar",
}
RUNS: Final = {"runs": [RUN], "next": None}
STEP: Final = {"name": "train", "outcome": "done", "seconds": 71.2, "attempt": 1}
STEPS: Final = {"steps": [STEP]}
RULE: Final = {"rule": "mape < 20", "result": "pass", "reason": "mape is 12.1, the limit 20", "about": "model"}
REPORT: Final = {
    "run": "20261121-110229-30bc18da",
    "model": "solar",
    "environment": "production",
    "outcome": "deployed",
    "reason": "version 2 of solar passed its gate and took over from version 1 behind solar",
    "version": 2,
    "champion_before": 1,
    "champion_after": 2,
    "verdict": "approved",
    "rules": [RULE],
    "metrics": {"challenger": {"mape": 12.1}, "champion": {"mape": 14.0}, "difference": {}},
    "snapshot": "blake3:0f1e2d",
    "change": {"new_rows": 480},
    "endpoint": {"name": "solar", "url": "http://127.0.0.1:8080/endpoints/solar/invocations"},
    "steps": [STEP],
    "error": None,
}
PROJECTS: Final = {
    "projects": [
        {
            "model": "solar",
            "task": "regression",
            "environments": [{"environment": "production", "endpoint": "solar", "promote_from": None}],
            "triggers": [{"trigger": "data", "environments": ["production"]}],
        }
    ],
    "troubles": [],
}
PAUSE: Final = {
    "model": "solar",
    "environment": None,
    "actor": "ada",
    "reason": "the sensor is being moved",
    "since": "2026-11-21T11:02:29+00:00",
}
PAUSES: Final = {"pauses": [PAUSE]}
RESUMED: Final = {"model": "solar", "environment": None, "was_paused": True}
STATUS: Final[dict[str, Any]] = {
    "model": "solar",
    "environments": [
        {
            "environment": "production",
            "champion": 2,
            "endpoint": {"name": "solar", "url": None, "weights": {"2": 1.0}, "trouble": None},
            "last_run": RUN,
            "waits_for_approval": [],
            "unfinished": None,
        }
    ],
    "pauses": [],
}
VERSIONS: Final[dict[str, Any]] = {
    "versions": [
        {
            "model": "solar",
            "version": 2,
            "artifact": "sha256:9c1d",
            "size": 48210,
            "run": "20261121-110229-30bc18da",
            "snapshot": "blake3:0f1e2d",
            "created": "2026-11-21T11:03:40+00:00",
        }
    ],
    "next": None,
}
SERVED: Final = {
    "version": 2,
    "environment": "production",
    "from": "2026-11-21T11:04:02+00:00",
    "to": None,
    "reason": "version 2 of solar passed its gate",
    "actor": "airflow",
    "run": "20261121-110229-30bc18da",
}
HISTORY: Final = {"history": [SERVED]}
DECISION: Final = {
    "model": "solar",
    "environment": "production",
    "version": 2,
    "standing": "needs approval",
    "verdict": "sha256:77aa",
    "reason": "every rule passed; approval: manual",
}
VERSION: Final = {
    **VERSIONS["versions"][0],
    "code": "blake3:aa01",
    "lineage": {"commit": "abc1234"},
    "metrics": {"mape": {"value": 12.1}},
    "claims": {},
    "environments": [
        {
            "environment": "production",
            "standing": "serving",
            "verdict": "approved",
            "reason": "every rule passed",
            "champion": 1,
            "rules": [RULE],
            "approval": None,
        }
    ],
    "served": [SERVED],
}
WAITING: Final = {"approvals": [{**DECISION, "run": "20261121-110229-30bc18da", "champion": 1}]}
DECIDED: Final = {**DECISION, "standing": "approved", "run": "20261121-110229-30bc18da", "warning": None}
ROLLED_BACK: Final = {"model": "solar", "environment": "production", "endpoint": "solar", "to": 1}
ROLLOUT: Final[dict[str, Any]] = {
    "model": "solar",
    "environment": "production",
    "rollout": {
        "run": "20261121-110229-30bc18da",
        "champion": 1,
        "challenger": 2,
        "strategy": "canary",
        "state": "under way",
        "step": 1,
        "steps": 3,
        "share": 0.1,
        "is_shadow": False,
        "words": "step 1 of 3: 10% for 4m, 6m left, 212 of 100 requests, no worse",
    },
}
ENDPOINT: Final = {
    "model": "solar",
    "environment": "production",
    "endpoint": "solar",
    "status": "InService",
    "version": 2,
    "url": "http://127.0.0.1:8080/endpoints/solar/invocations",
    "weights": {"2": 1.0},
    "last_modified_time": "2026-11-21T11:04:02+00:00",
    "message": "version 2 serves since 2026-11-21T11:04:02+00:00",
}
ENDPOINTS: Final = {"endpoints": [ENDPOINT]}
JOB: Final = {
    "training_job_name": "solar.production.20261121-110229-30bc18da",
    "status": "InProgress",
    "model": "solar",
    "environment": "production",
    "auto_deploy": True,
    "outcome": None,
    "run": "20261121-110229-30bc18da",
    "version": None,
    "reason": None,
    "created": "2026-11-21T11:02:29+00:00",
}
DELIVERED: Final = {
    "accepted": 1,
    "known": 0,
    "refused": 0,
    "events": [{"model": "solar", "environment": "production", "id": "event:aws.glue:6a7e8feb"}],
    "note": None,
}
ALERT: Final = {
    "id": 12,
    "notice": "end:20261121-110229-30bc18da",
    "kind": "deployed",
    "model": "solar",
    "environment": "production",
    "run": "20261121-110229-30bc18da",
    "at": "2026-11-21T11:04:02+00:00",
    "channel": "slack",
    "state": "delivered",
    "attempts": 1,
    "due": None,
    "error": None,
    "ended": "2026-11-21T11:04:03+00:00",
    "more": 0,
    "since": None,
}
ALERTS: Final = {"alerts": [ALERT], "next": None}
TESTED: Final = {"ok": True, "channels": [{"channel": "slack", "delivered": True, "error": None}]}
TOKENS: Final = {
    "tokens": [
        {
            "id": "4be1a9c07d12",
            "name": "airflow",
            "role": "trigger",
            "created": "2026-11-21T11:02:29+00:00",
            "expires": None,
            "revoked": None,
            "used": None,
        }
    ]
}
CLOUD_EVENT: Final = {
    "specversion": "1.0",
    "id": "42",
    "source": "warehouse",
    "type": "load.finished",
    "time": "2026-11-21T11:02:29Z",
}
EVENTBRIDGE: Final = {
    "version": "0",
    "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718",
    "detail-type": "Glue Job State Change",
    "source": "aws.glue",
    "time": "2026-11-21T11:02:29Z",
    "detail": {"state": "SUCCEEDED"},
}
