"""Programs that images have on board; each runs in a process of its own, with nothing but the standard library."""
