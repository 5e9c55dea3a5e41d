"""The data plane: the endpoint host and its workers; imports nothing of the control plane but the domain."""
