"""What notices reasons to retrain, one kind each."""
