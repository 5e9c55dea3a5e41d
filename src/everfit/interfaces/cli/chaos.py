"""What ``everfit doctor --chaos`` says about a storm."""

import statistics
import sys
from collections.abc import Mapping, Sequence
from typing import Final

from everfit.interfaces.chaos.plan import Scale
from everfit.interfaces.chaos.storm import Aftermath, storm
from everfit.interfaces.cli import exit_codes
from everfit.interfaces.cli.options import print_json
from everfit.settings import read_settings

MOST_SHOWN: Final = 10


def prove(scale: Scale, *, as_json: bool) -> int:
    """Let a storm loose on a service of its own and say which promises held; 1 when one did not."""
    print(
        f"{scale.events} events for {scale.models} models, each delivered 1 to 10 times, {scale.kills} kills, "
        f"seed {scale.seed}; this takes a while",
        file=sys.stderr,
    )
    aftermath = storm(scale, read_settings().variables, lambda words: print(words, file=sys.stderr, flush=True))
    if as_json:
        print_json({"ok": aftermath.is_well, **_report(scale, aftermath)})
    else:
        _show(aftermath)
    return exit_codes.OK if aftermath.is_well else exit_codes.FAILED


def _report(scale: Scale, aftermath: Aftermath) -> dict[str, object]:
    found = aftermath.findings
    return {
        "events": scale.events,
        "models": scale.models,
        "deliveries": aftermath.deliveries,
        "kills": aftermath.kills,
        "seed": scale.seed,
        "lost": list(found.lost),
        "doubled": list(found.doubled),
        "extra": list(found.extra),
        "unproved": list(found.unproved),
        "refused": list(aftermath.refused),
        "ends": dict(found.ends),
        "outcomes": dict(found.outcomes),
        "seconds_to_accepted": _figures(aftermath.times.whole),
        "seconds_of_accepted_request": _figures(aftermath.times.answered),
        "seconds_storming": round(aftermath.storming, 1),
        "seconds_settling": round(aftermath.settling, 1),
    }


def _figures(seconds: Sequence[float]) -> dict[str, float]:
    if len(seconds) < 2:
        return {}
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return {"median": round(cuts[49], 4), "p99": round(cuts[98], 4), "slowest": round(max(seconds), 4)}


def _show(aftermath: Aftermath) -> None:
    found = aftermath.findings
    for name, wrong in (
        ("lost", found.lost),
        ("doubled", found.doubled),
        ("extra", found.extra),
        ("unproved", found.unproved),
        ("refused", aftermath.refused),
    ):
        print(f"{name:<10} {len(wrong)}")
        for words in wrong[:MOST_SHOWN]:
            print(f"  {words}")
    print(f"{'events':<10} {_words(found.ends)}")
    print(f"{'runs':<10} {_words(found.outcomes)}")
    whole, answered = _figures(aftermath.times.whole), _figures(aftermath.times.answered)
    print(f"from the first try to accepted, with the kills: median {_ms(whole, 'median')}, p99 {_ms(whole, 'p99')}")
    print(f"of the request that was accepted: median {_ms(answered, 'median')}, p99 {_ms(answered, 'p99')}")
    print(f"{aftermath.deliveries} deliveries in {aftermath.storming:.1f} s; settled {aftermath.settling:.1f} s later")


def _words(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {word}" for word, count in sorted(counts.items()))


def _ms(figures: Mapping[str, float], name: str) -> str:
    return f"{figures[name] * 1000:.0f} ms" if name in figures else "unknown"
