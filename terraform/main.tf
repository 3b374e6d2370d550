# The bucket that is the lake's only state: versioned, private, encrypted, with old versions cleared away.

resource "aws_s3_bucket" "lake" {
  bucket = var.bucket_name
  tags   = var.tags
}

resource "aws_s3_bucket_public_access_block" "lake" {
  bucket                  = aws_s3_bucket.lake.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "lake" {
  bucket = aws_s3_bucket.lake.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

# A partition is replaced in place. The version it replaced stays readable for a while, so that a mistaken compaction or a
# deleted capture can be undone.
resource "aws_s3_bucket_versioning" "lake" {
  bucket = aws_s3_bucket.lake.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "lake" {
  bucket = aws_s3_bucket.lake.id

  rule {
    bucket_key_enabled = var.kms_key_arn != null

    apply_server_side_encryption_by_default {
      sse_algorithm     = var.kms_key_arn == null ? "AES256" : "aws:kms"
      kms_master_key_id = var.kms_key_arn
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "lake" {
  bucket = aws_s3_bucket.lake.id

  # Captures are written once and read again only by a new calculation version: cold after a while. Glacier Instant
  # Retrieval answers a GET like Standard does, so compaction needs no restore step. Partitions stay in Standard, and so
  # do captures below 128 KB, such as those of a minute: S3 does not move them, since they would cost more there.
  dynamic "rule" {
    for_each = var.raw_to_glacier_ir_after_days == null ? [] : [var.raw_to_glacier_ir_after_days]

    content {
      id     = "captures-to-glacier-instant-retrieval"
      status = "Enabled"

      filter {
        prefix = "${local.root}raw/"
      }

      transition {
        days          = rule.value
        storage_class = "GLACIER_IR"
      }
    }
  }

  rule {
    id     = "noncurrent-versions-expire"
    status = "Enabled"

    filter {}

    noncurrent_version_expiration {
      noncurrent_days = var.noncurrent_versions_kept_days
    }

    expiration {
      expired_object_delete_marker = true
    }
  }

  # An open day is replaced every minute: its old versions would soon weigh more than the lake. What is derived can be
  # made again from captures, so its old versions need not be kept as long as those of captures and settings.
  dynamic "rule" {
    for_each = toset(concat([for dataset in local.datasets : "${local.root}${dataset}/"], ["${local.root}_manifest/"]))

    content {
      id     = "noncurrent-versions-expire-${replace(trimsuffix(rule.value, "/"), "/", "-")}"
      status = "Enabled"

      filter {
        prefix = rule.value
      }

      noncurrent_version_expiration {
        noncurrent_days = var.noncurrent_partitions_kept_days
      }
    }
  }

  rule {
    id     = "unfinished-uploads-are-aborted"
    status = "Enabled"

    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 2
    }
  }

  depends_on = [aws_s3_bucket_versioning.lake]
}

# Nobody speaks to the bucket without TLS, whatever another policy grants.
data "aws_iam_policy_document" "bucket" {
  statement {
    sid       = "OnlyOverTls"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [aws_s3_bucket.lake.arn, "${aws_s3_bucket.lake.arn}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_s3_bucket_policy" "lake" {
  bucket     = aws_s3_bucket.lake.id
  policy     = data.aws_iam_policy_document.bucket.json
  depends_on = [aws_s3_bucket_public_access_block.lake]
}

locals {
  root    = var.lake_prefix == "" ? "" : "${var.lake_prefix}/"
  objects = "${aws_s3_bucket.lake.arn}/${local.root}"
}
