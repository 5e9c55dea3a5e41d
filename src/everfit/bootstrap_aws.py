"""Chooses the adapters of the AWS backend."""
