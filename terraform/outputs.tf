output "lake_root" {
  description = "What to give as --lake or PITLAKE_LAKE."
  value       = var.lake_prefix == "" ? "s3://${aws_s3_bucket.lake.id}" : "s3://${aws_s3_bucket.lake.id}/${var.lake_prefix}"
}

output "bucket_arn" {
  description = "ARN of the bucket."
  value       = aws_s3_bucket.lake.arn
}

output "policy_arns" {
  description = "ARN of each policy: compactor, server, capture, researcher, administrator."
  value       = { for kind, policy in aws_iam_policy.lake : kind => policy.arn }
}
