"""A storm of trigger events in full, while the service is killed again and again.

Run: python benchmarks/chaos.py [--events 10000] [--models 50] [--kills 50] [--seed 1]

It is ``everfit doctor --chaos`` at another scale: every event is delivered 1 to 10 times over HTTP, all in random
order, by eight senders that try again until they are told that it is accepted. At moments drawn by chance the service
is killed with -9 and started again, a fifth of the times after the last delivery, while the last runs are under way.
Every model gets new data once in the storm, so that it is trained and deployed again. Training, scoring and serving
are real, of a model that computes nothing. Afterwards the database is read with SQL that the service has no part in,
and every endpoint is asked which version answers. Exit code 1 when any promise was broken.
"""

import argparse
import sys

from everfit.interfaces.chaos.plan import Scale
from everfit.interfaces.cli.chaos import prove


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--models", type=int, default=50)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    scale = Scale(events=given.events, models=given.models, kills=given.kills, seed=given.seed)
    return prove(scale, as_json=given.json)


if __name__ == "__main__":
    sys.exit(main())
