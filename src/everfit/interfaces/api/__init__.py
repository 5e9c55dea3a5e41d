"""The service over HTTP: each route parses, calls one use case and renders."""
