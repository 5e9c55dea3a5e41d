"""What is tested against the bench that stands in for AWS."""
