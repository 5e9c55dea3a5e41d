output "stack_id" {
  description = "ARN of the stack."
  value       = aws_cloudformation_stack.everfit.id
}

output "outputs" {
  description = "What the stack itself puts out, by name."
  value       = aws_cloudformation_stack.everfit.outputs
}
