"""Six steps that do nothing. Run: pip install metaflow; python metaflow_flow.py --quiet run."""

from metaflow import FlowSpec, step


class SixStepsFlow(FlowSpec):
    """start, four in between, end."""

    @step
    def start(self):
        self.next(self.second)

    @step
    def second(self):
        self.next(self.third)

    @step
    def third(self):
        self.next(self.fourth)

    @step
    def fourth(self):
        self.next(self.fifth)

    @step
    def fifth(self):
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    SixStepsFlow()
