"""People and programs: parse, call one use case, render."""
