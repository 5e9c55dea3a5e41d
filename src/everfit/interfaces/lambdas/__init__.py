"""The functions of a stack: each is no more than to parse an event, call one use case and render what came of it."""
