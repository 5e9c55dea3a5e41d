"""The keys of the project file that say how a model is trained and served on SageMaker."""

from typing import Final

from everfit.domain import plain_values as plain
from everfit.domain.value import Key, Section

INSTANCE: Final = plain.text("an instance type such as ml.m5.large", r"^ml\.[a-z0-9-]+\.[a-z0-9]+$")

_INSTANCE_KEYS: Final = (
    Key(name="instance", kind=INSTANCE, doc="Instance type.", default="ml.m5.large"),
    Key(name="count", kind=plain.whole(1, 1000), doc="Number of instances.", default="1"),
    Key(name="image", kind=plain.TEXT, doc="URI of a container image in ECR, instead of a framework."),
    Key(
        name="framework",
        kind=plain.word("sklearn", "xgboost", "pytorch", "tensorflow", "huggingface"),
        doc="Framework whose container image is used.",
    ),
    Key(name="version", kind=plain.TEXT, doc="Version of that container image, in quotes, such as 1.4-2."),
)

TRAIN_SAGEMAKER: Final = Section(
    keys=(
        *_INSTANCE_KEYS,
        Key(name="spot", kind=plain.FLAG, doc="Whether spot instances are used.", default="false"),
        Key(name="max_wait", kind=plain.SOME_TIME, doc="How long a spot training may wait and run altogether."),
        Key(name="volume", kind=plain.SIZE, doc="Disk of each instance.", default="30GB"),
    ),
    at_most_one=("image", "framework"),
    needs={"version": "framework"},
)

SERVE_SAGEMAKER: Final = Section(
    keys=(
        *_INSTANCE_KEYS,
        Key(
            name="autoscale",
            kind=Section(
                keys=(
                    Key(name="min", kind=plain.whole(1, 1000), doc="Fewest instances.", default="count"),
                    Key(name="max", kind=plain.whole(1, 1000), doc="Most instances.", is_required=True),
                    Key(
                        name="invocations_per_instance",
                        kind=plain.whole(1, 1_000_000),
                        doc="Requests a minute and instance that scaling aims at.",
                        default="500",
                    ),
                )
            ),
            doc="Grows and shrinks the number of instances with the traffic.",
        ),
    ),
    at_most_one=("image", "framework"),
    needs={"version": "framework"},
)
