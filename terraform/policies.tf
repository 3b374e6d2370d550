# One managed policy per kind of user, each with the least that its work needs. Attach them to roles of your own.
#
#   compactor      pitlake compact, verify --repair      reads and writes the lake, not _config/keys.json
#   server         pitlake serve                         reads all of the lake (captures for `as_of`); writes nothing
#   capture        pitlake ingest, capture listen        adds captures; cannot change or delete one, reads no dataset
#                  (with --compact: the compactor's too)
#   researcher     DuckDB, Spark, Athena, pyarrow        reads the datasets named in var.researcher_datasets
#   administrator  pitlake keys, instruments             reads and writes _config/
#
# None may delete an object or a version: pitlake never does, and versioning plus this keeps mistakes undoable.
#
# Whoever reads a single object by key needs ListBucket on that key's prefix as well: without it S3 answers 403 rather than
# 404 for an object that is not there, and "no such day" would look like "not allowed".

locals {
  # Everything that compaction writes and the server reads, apart from captures and configuration.
  datasets = [
    "greeks", "greeks_by_minute", "greeks_by_day", "trades", "bars", "order_flow", "profiles", "profiles_history",
    "market_opens", "market_open_snapshots",
  ]

  # Prefixes that each kind of user may list.
  listable = {
    compactor     = ["${local.root}*"]
    server        = concat([for name in local.datasets : "${local.root}${name}/*"], ["${local.root}raw/*", "${local.root}_manifest/*", "${local.root}_config/*"])
    capture       = ["${local.root}raw/*", "${local.root}_config/*"]
    researcher    = sort(flatten([for name in var.researcher_datasets : ["${local.root}${name}", "${local.root}${name}/*"]]))
    administrator = ["${local.root}_config/*"]
  }
}

data "aws_iam_policy_document" "compactor" {
  statement {
    sid     = "ReadTheLake"
    actions = ["s3:GetObject"]
    resources = concat(
      [for name in local.datasets : "${local.objects}${name}/*"],
      ["${local.objects}raw/*", "${local.objects}_manifest/*"],
      # The second is never there: asking for it tells whether the lake answers.
      ["${local.objects}_config/instruments.toml", "${local.objects}_config/reachable"],
    )
  }

  statement {
    sid       = "PublishPartitions"
    actions   = ["s3:PutObject", "s3:AbortMultipartUpload"]
    resources = concat([for name in local.datasets : "${local.objects}${name}/*"], ["${local.objects}_manifest/*"])
  }

  statement {
    sid       = "ListTheLake"
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.lake.arn]

    # A lake that is the whole bucket is listed without a prefix.
    condition {
      test     = local.root == "" ? "StringLikeIfExists" : "StringLike"
      variable = "s3:prefix"
      values   = local.listable.compactor
    }
  }
}

data "aws_iam_policy_document" "server" {
  statement {
    sid     = "ReadWhatIsServed"
    actions = ["s3:GetObject"]
    resources = concat(
      [for name in local.datasets : "${local.objects}${name}/*"],
      ["${local.objects}raw/*", "${local.objects}_manifest/*", "${local.objects}_config/*"],
    )
  }

  statement {
    sid       = "TellMissingFromForbidden"
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.lake.arn]

    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = local.listable.server
    }
  }
}

data "aws_iam_policy_document" "capture" {
  # Reading captures is part of taking new ones: that is how a document said twice is counted as a duplicate.
  statement {
    sid       = "ReadCapturesInstrumentsAndKeys"
    actions   = ["s3:GetObject"]
    resources = concat(
      ["${local.objects}raw/*"],
      [for name in ["instruments.toml", "keys.json", "reachable"] : "${local.objects}_config/${name}"],
    )
  }

  statement {
    sid       = "ListCaptures"
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.lake.arn]

    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = local.listable.capture
    }
  }

  statement {
    sid       = "AddCaptures"
    actions   = ["s3:PutObject", "s3:AbortMultipartUpload"]
    resources = ["${local.objects}raw/*"]
  }

  # A capture is written once: a put without If-None-Match could replace one, so S3 refuses it. The parts of a multipart
  # upload carry no condition (they create no object); its completion does.
  statement {
    sid       = "NeverReplaceACapture"
    effect    = "Deny"
    actions   = ["s3:PutObject"]
    resources = ["${local.objects}raw/*"]

    condition {
      test     = "Null"
      variable = "s3:if-none-match"
      values   = ["true"]
    }

    condition {
      test     = "Bool"
      variable = "s3:ObjectCreationOperation"
      values   = ["true"]
    }
  }
}

data "aws_iam_policy_document" "researcher" {
  statement {
    sid     = "ReadDatasets"
    actions = ["s3:GetObject"]

    # The bare name is there for readers that first ask whether the folder itself is an object (pyarrow does).
    resources = sort(flatten([for name in var.researcher_datasets : ["${local.objects}${name}", "${local.objects}${name}/*"]]))
  }

  statement {
    sid       = "ListDatasets"
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.lake.arn]

    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = local.listable.researcher
    }
  }

  statement {
    sid       = "FindTheBucket"
    actions   = ["s3:GetBucketLocation"]
    resources = [aws_s3_bucket.lake.arn]
  }
}

data "aws_iam_policy_document" "administrator" {
  statement {
    sid       = "ManageConfiguration"
    actions   = ["s3:GetObject", "s3:PutObject"]
    resources = ["${local.objects}_config/*"]
  }

  statement {
    sid       = "ListConfiguration"
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.lake.arn]

    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = local.listable.administrator
    }
  }
}

# With a KMS key of one's own, reading needs Decrypt and writing GenerateDataKey as well.
data "aws_iam_policy_document" "with_key" {
  for_each = local.documents

  source_policy_documents = [each.value]

  dynamic "statement" {
    for_each = var.kms_key_arn == null ? [] : [var.kms_key_arn]

    content {
      sid       = "UseTheKey"
      actions   = contains(["server", "researcher"], each.key) ? ["kms:Decrypt"] : ["kms:Decrypt", "kms:GenerateDataKey"]
      resources = [statement.value]
    }
  }
}

locals {
  documents = {
    compactor     = data.aws_iam_policy_document.compactor.json
    server        = data.aws_iam_policy_document.server.json
    capture       = data.aws_iam_policy_document.capture.json
    researcher    = data.aws_iam_policy_document.researcher.json
    administrator = data.aws_iam_policy_document.administrator.json
  }

  about = {
    compactor     = "pitlake: read captures, publish partitions and manifests"
    server        = "pitlake: read what is served"
    capture       = "pitlake: add captures"
    researcher    = "pitlake: read datasets"
    administrator = "pitlake: manage keys and instruments"
  }
}

resource "aws_iam_policy" "lake" {
  for_each = local.about

  name        = "${var.name}-${each.key}"
  path        = var.policy_path
  description = each.value
  policy      = data.aws_iam_policy_document.with_key[each.key].json
  tags        = var.tags
}
