"""CloudFormation: templates are resolved, checked by their real schemas, and applied by calls against the bench."""
