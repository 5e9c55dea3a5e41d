"""Six tasks that do nothing, with the server that Prefect starts. Run: pip install prefect "fastapi==0.139.*"."""

from prefect import flow, task


@task
def step(number):
    return number + 1


@flow
def six_steps():
    number = 0
    for _ in range(6):
        number = step(number)
    return number


if __name__ == "__main__":
    six_steps()
