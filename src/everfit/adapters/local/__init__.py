"""Ports on one machine: files, SQLite, subprocesses and the endpoint host."""
