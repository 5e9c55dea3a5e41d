# Wraps the template that Everfit prints, so that a stack of Everfit stands among what Terraform manages.

terraform {
  required_version = ">= 1.5"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  template = file(var.template)
  # CloudFormation takes 51,200 bytes directly, and a larger template from S3 (CloudFormation quotas).
  is_large = length(local.template) > 51200
  key      = "${var.prefix}/packages/templates/${sha256(local.template)}.json"
}

resource "aws_s3_object" "template" {
  count = local.is_large ? 1 : 0

  bucket       = var.bucket
  key          = local.key
  content      = local.template
  content_type = "application/json"

  lifecycle {
    precondition {
      condition     = var.bucket != null
      error_message = "The template has more than 51,200 bytes: set bucket to the bucket in which it can lie."
    }
  }
}

resource "aws_cloudformation_stack" "everfit" {
  name               = var.name
  template_body      = local.is_large ? null : local.template
  template_url       = local.is_large ? "https://${var.bucket}.s3.${data.aws_region.current.name}.${data.aws_partition.current.dns_suffix}/${local.key}" : null
  capabilities       = ["CAPABILITY_NAMED_IAM"]
  iam_role_arn       = var.role
  tags               = var.tags
  timeout_in_minutes = var.timeout

  depends_on = [aws_s3_object.template]
}
