"""AWS: S3, SageMaker, Lambda, CloudWatch, SNS, EventBridge and Step Functions, by boto3 alone."""
