# Run by `terraform test`, without an account.

mock_provider "aws" {
  mock_data "aws_region" {
    defaults = {
      name = "eu-west-1"
    }
  }

  mock_data "aws_partition" {
    defaults = {
      dns_suffix = "amazonaws.com"
    }
  }
}

variables {
  name     = "everfit-tickets-production"
  template = "tests/small.json"
}

run "a_small_template_is_sent_as_it_is" {
  command = plan

  assert {
    condition     = aws_cloudformation_stack.everfit.template_body == file("tests/small.json")
    error_message = "The template is not the one that was printed."
  }

  assert {
    condition     = length(aws_s3_object.template) == 0
    error_message = "A small template needs no object."
  }

  assert {
    condition     = aws_cloudformation_stack.everfit.capabilities == toset(["CAPABILITY_NAMED_IAM"])
    error_message = "The stack makes roles with names."
  }
}

run "a_large_template_lies_in_the_bucket" {
  command = plan

  variables {
    template = "tests/large.json"
    bucket   = "tickets-lake"
    prefix   = "everfit"
  }

  assert {
    condition     = startswith(aws_cloudformation_stack.everfit.template_url, "https://tickets-lake.s3.eu-west-1.amazonaws.com/everfit/packages/templates/")
    error_message = "The stack does not look where the template lies."
  }

  assert {
    condition     = aws_s3_object.template[0].bucket == "tickets-lake"
    error_message = "The template is not put into the bucket."
  }
}

run "a_large_template_without_a_bucket_is_refused" {
  command = plan

  variables {
    template = "tests/large.json"
  }

  expect_failures = [aws_s3_object.template]
}

run "a_wrong_name_is_refused" {
  command = plan

  variables {
    name = "everfit_tickets"
  }

  expect_failures = [var.name]
}
