variable "name" {
  description = "Name of the stack; the one that everfit.yaml says in aws.names.stack, or everfit-<model>-<environment>."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z][A-Za-z0-9-]{0,127}$", var.name))
    error_message = "A stack is named by at most 128 letters, digits and hyphens, beginning with a letter."
  }
}

variable "template" {
  description = "Path of the template, as Everfit has printed it."
  type        = string
}

variable "bucket" {
  description = "Bucket in which a template of more than 51,200 bytes can lie: aws.bucket of everfit.yaml."
  type        = string
  default     = null
}

variable "prefix" {
  description = "Prefix in that bucket: aws.prefix of everfit.yaml."
  type        = string
  default     = "everfit"
}

variable "role" {
  description = "ARN of the role that CloudFormation acts in; null takes the credentials of Terraform."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of the stack, besides those in the template."
  type        = map(string)
  default     = {}
}

variable "timeout" {
  description = "Minutes that making the stack may take."
  type        = number
  default     = 30
}
