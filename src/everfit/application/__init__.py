"""Use cases and the loop: ask, record, then act."""
