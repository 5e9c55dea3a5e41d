"""Ports that forget everything when the process ends: for tests and dry runs."""
