"""One module a step of the loop."""
