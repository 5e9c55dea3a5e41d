"""Rollouts: a new version takes traffic step by step, and evidence decides each step; pure.

This is the door to the modules ``rollout_progress``, ``rollout_decision``, ``rollout_json`` and ``rollout_words``.
Whoever acts on a rollout does, at each look::

    decision = decide(progress, evidence, now)
    progress = advanced(progress, decision, evidence.observation, now)
    progress is kept
    if progress.ending is not None or progress.since is None:
        the endpoint is told shares_of(progress)
        progress = applied(progress, a new observation, now)
        progress is kept

It is kept before the endpoint is told, so that nothing gives more than was written down. A phase that has not taken
effect has no ``since``, and holds until ``applied``. Every part may be repeated after a kill at any point. A host that
gives other shares than ``shares_of`` says (``is_given``) may be told again.
"""

from everfit.domain.evidence import Comparison, Result
from everfit.domain.rollout_decision import advanced, alert_due, applied, comparisons_of, decide, told
from everfit.domain.rollout_json import from_json, to_json
from everfit.domain.rollout_progress import (
    Decision,
    Ending,
    Evidence,
    Order,
    OrderKind,
    Phase,
    Progress,
    Shares,
    Verdict,
    is_given,
    is_one_shift,
    is_paused,
    phases,
    phases_of,
    shares_of,
)
from everfit.domain.rollout_words import describe_plan, summary

__all__ = [
    "Comparison",
    "Decision",
    "Ending",
    "Evidence",
    "Order",
    "OrderKind",
    "Phase",
    "Progress",
    "Result",
    "Shares",
    "Verdict",
    "advanced",
    "alert_due",
    "applied",
    "comparisons_of",
    "decide",
    "describe_plan",
    "from_json",
    "is_given",
    "is_one_shift",
    "is_paused",
    "phases",
    "phases_of",
    "shares_of",
    "summary",
    "to_json",
    "told",
]
