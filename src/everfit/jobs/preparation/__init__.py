"""What the prepare job is made of: reading, measuring, splitting and profiling data."""
