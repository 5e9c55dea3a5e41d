"""Six ops that do nothing, in process, with its runs kept on disk. Run: pip install dagster."""

from dagster import DagsterInstance, job, op


@op
def first():
    return 0


@op
def step(number):
    return number + 1


@job
def six_steps():
    number = first()
    for place in range(5):
        number = step.alias(f"step_{place}")(number)


if __name__ == "__main__":
    with DagsterInstance.get() as instance:
        if not six_steps.execute_in_process(instance=instance).success:
            raise SystemExit(1)
