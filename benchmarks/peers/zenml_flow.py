"""Six steps that do nothing, on the local stack, without its cache. Run: pip install "zenml[local]"."""

from zenml import pipeline, step


@step(enable_cache=False)
def first() -> int:
    return 0


@step(enable_cache=False)
def following(number: int) -> int:
    return number + 1


@pipeline(enable_cache=False)
def six_steps():
    number = first()
    for place in range(5):
        number = following(number, id=f"step_{place}")


if __name__ == "__main__":
    six_steps()
