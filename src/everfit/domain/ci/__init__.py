"""Workflows for GitHub and GitLab as text, made from what a project says of its triggers."""
