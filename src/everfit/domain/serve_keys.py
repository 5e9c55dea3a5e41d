"""The keys of the project file that say how a model answers."""

from typing import Final

from everfit.domain import plain_values as plain
from everfit.domain.sagemaker_keys import SERVE_SAGEMAKER
from everfit.domain.value import Either, Key, Section

SERVE: Final = Section(
    keys=(
        Key(
            name="script",
            kind=plain.PATH,
            doc="Defines model_fn, input_fn, predict_fn and output_fn, or some of them.",
            default="none; the handlers that fit the model's files are used",
        ),
        Key(
            name="content_type",
            kind=plain.word("application/json", "text/csv"),
            doc="What the evaluation sends to the handlers, as a client would.",
            default="application/json",
        ),
        Key(
            name="workers",
            kind=Either(
                single=plain.whole(1, 64),
                section=Section(
                    example="{min: 1, max: 4}",
                    keys=(
                        Key(name="min", kind=plain.whole(1, 64), doc="Processes that are always kept.", default="1"),
                        Key(
                            name="max",
                            kind=plain.whole(1, 64),
                            doc="Processes under load, on one machine.",
                            default="min",
                        ),
                    ),
                ),
            ),
            doc="Processes for each version that serves.",
            default="1",
        ),
        Key(
            name="batch",
            kind=Either(
                single=plain.whole(1, 4096),
                section=Section(
                    example="{size: 64, wait: 2ms}",
                    keys=(
                        Key(
                            name="size",
                            kind=plain.whole(1, 4096),
                            doc="Most requests that go into one call.",
                            default="64",
                        ),
                        Key(
                            name="wait",
                            kind=plain.SHORT_TIME,
                            doc="How long requests may wait for others that are on their way; a lone one never waits.",
                            default="2ms",
                        ),
                    ),
                ),
            ),
            doc="Requests that are put into one call of the model, on one machine; 1 asks it one by one.",
            default="64",
        ),
        Key(
            name="memory",
            kind=plain.SIZE,
            doc="What one process may hold, on one machine; another takes its place when it holds more.",
            default="none; there is no limit",
        ),
        Key(
            name="timeout",
            kind=plain.SHORT_TIME,
            doc="Time for an answer, on one machine; a process that takes longer is replaced.",
            default="60s",
        ),
        Key(
            name="queue",
            kind=plain.whole(1, 100_000),
            doc="Requests that may wait for a process, on one machine; more are turned away with 503.",
            default="1000",
        ),
        Key(name="sagemaker", kind=SERVE_SAGEMAKER, doc="How the model is served on SageMaker."),
    )
)
