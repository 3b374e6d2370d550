variable "bucket_name" {
  description = "Name of the lake's bucket. Bucket names are shared by everybody on AWS, so choose one that is yours."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.bucket_name))
    error_message = "3 to 63 lower-case letters, digits and hyphens, beginning and ending with a letter or digit."
  }
}

variable "lake_prefix" {
  description = "Prefix of the lake within the bucket, without a slash at either end; empty when the bucket is the lake."
  type        = string
  default     = ""

  validation {
    condition     = var.lake_prefix == "" || can(regex("^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$", var.lake_prefix))
    error_message = "Path segments of letters, digits, dot, underscore and hyphen, with no slash at either end."
  }
}

variable "name" {
  description = "Start of the policies' names."
  type        = string
  default     = "pitlake"
}

variable "policy_path" {
  description = "IAM path of the policies."
  type        = string
  default     = "/pitlake/"
}

variable "researcher_datasets" {
  description = "Datasets that researchers may read. raw, _manifest and _config can never be among them."
  type        = set(string)
  default     = ["greeks", "greeks_by_minute", "greeks_by_day"]

  validation {
    condition = alltrue([
      for dataset in var.researcher_datasets : can(regex("^[a-z][a-z0-9_]*$", dataset)) && dataset != "raw"
    ])
    error_message = "A dataset is lower-case letters, digits and underscores, beginning with a letter, and is not raw."
  }
}

variable "raw_to_glacier_ir_after_days" {
  description = "Days after which captures move to Glacier Instant Retrieval: read at once, cheaper to keep, dearer to read. null keeps them in Standard."
  type        = number
  default     = 90
  nullable    = true

  validation {
    condition     = var.raw_to_glacier_ir_after_days == null ? true : var.raw_to_glacier_ir_after_days >= 1
    error_message = "At least 1 day, or null."
  }
}

variable "noncurrent_versions_kept_days" {
  description = "Days that a replaced or deleted object can still be brought back."
  type        = number
  default     = 30

  validation {
    condition     = var.noncurrent_versions_kept_days >= 1
    error_message = "At least 1 day."
  }
}

variable "noncurrent_partitions_kept_days" {
  description = "Days that replaced partitions and manifests are kept. Both can be made again from captures; an open day is replaced every minute."
  type        = number
  default     = 3

  validation {
    condition     = var.noncurrent_partitions_kept_days >= 1
    error_message = "At least 1 day."
  }
}

variable "kms_key_arn" {
  description = "KMS key that encrypts the bucket; null uses S3's own keys (SSE-S3), which cost nothing per request."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of everything made here."
  type        = map(string)
  default     = {}
}
