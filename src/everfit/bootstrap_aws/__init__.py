"""Chooses the adapters of the AWS backend: of a run in ``ports``, of a stack in ``stack``."""
