"""The outside world, one folder a backend, the same file name for the same port in each."""
