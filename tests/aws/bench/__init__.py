"""A bench that stands in for AWS: a server process, and the client with which tests steer it.

The server is moto 5.2.5 behind a front of ours (``front``). The front reads every request by botocore's own model,
validates it strictly, records it, lets it meet the faults that a test asked for, and then answers it itself
(SageMaker, Lambda, EventBridge, Scheduler, CloudFormation) or has moto answer it (S3, SQS, SNS, IAM, KMS, Logs, …).
Jobs, endpoints and functions are real processes. Nothing waits for a real day: tests fire schedules and alarms.

Behaviour of AWS is cited where it is imitated: "API reference, X" is the page of the operation or type X in the AWS
documentation, "FACTS §n" the notes of this project about what was measured.
"""
