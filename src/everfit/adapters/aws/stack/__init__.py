"""The CloudFormation stacks: what lives in them, what a change of them would do, and how they are changed."""
