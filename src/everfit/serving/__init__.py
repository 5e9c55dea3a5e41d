"""The data plane: the endpoint host and its workers; imports nothing of Everfit but the domain."""
