"""Kills a service of its own again and again while events storm in, and counts what was lost, doubled or extra."""
