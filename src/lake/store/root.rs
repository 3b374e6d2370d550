//! What a lake's root may look like: a folder or a bucket. Only [`super::Store::open`] calls it.

use std::path::PathBuf;

use url::Url;

use super::key;
use crate::{Error, Result};

/// Where a lake is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Root {
    /// An absolute path, if the working folder is known.
    Folder(PathBuf),
    /// `prefix` has no slash at either end and may be empty.
    Bucket { bucket: String, prefix: String },
}

impl Root {
    /// Reads `./lake`, `/data/lake`, `file:///data/lake` or `s3://bucket/prefix`.
    ///
    /// # Errors
    /// `Invalid`, with the forms that work, for anything else.
    pub(super) fn parse(root: &str) -> Result<Self> {
        let refuse = |why: String| {
            Error::invalid(format!(
                "{root:?} cannot be a lake's root: {why}; use a folder (./lake, file:///data/lake) or s3://bucket/prefix"
            ))
        };
        if root.trim().is_empty() {
            return Err(refuse("it is empty".into()));
        }
        let Some((scheme, rest)) = root.split_once("://") else {
            if root.starts_with("file:") || root.starts_with("s3:") {
                return Err(refuse("two slashes are missing after the colon".into()));
            }
            return Self::folder(PathBuf::from(root)).map_err(|error| refuse(error.to_string()));
        };
        match scheme {
            "file" => {
                let url = Url::parse(root).map_err(|error| refuse(error.to_string()))?;
                let path = url.to_file_path().map_err(|()| {
                    refuse("a file URL names an absolute path on this machine, with three slashes".into())
                })?;
                Self::folder(path).map_err(|error| refuse(error.to_string()))
            }
            "s3" => {
                let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
                let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
                if bucket.len() < 3 || bucket.len() > 63 || !bucket.chars().all(fits) {
                    let why = "a bucket's name is 3 to 63 lower-case letters, digits, dots and hyphens";
                    return Err(refuse(why.into()));
                }
                let prefix = prefix.trim_end_matches('/');
                if !prefix.is_empty() {
                    key::path(prefix).map_err(|error| refuse(error.to_string()))?;
                }
                Ok(Self::Bucket { bucket: bucket.into(), prefix: prefix.into() })
            }
            other => Err(refuse(format!("pitlake does not know {other}://"))),
        }
    }

    fn folder(path: PathBuf) -> std::io::Result<Self> {
        std::path::absolute(path).map(Self::Folder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_and_buckets_are_told_apart() {
        assert_eq!(Root::parse("/data/lake").expect("path"), Root::Folder("/data/lake".into()));
        assert_eq!(Root::parse("file:///data/my%20lake").expect("url"), Root::Folder("/data/my lake".into()));
        let here = std::env::current_dir().expect("a working folder");
        assert_eq!(Root::parse("./lake").expect("relative"), Root::Folder(here.join("lake")));
        let bucket = |prefix: &str| Root::Bucket { bucket: "prices".into(), prefix: prefix.into() };
        assert_eq!(Root::parse("s3://prices").expect("bucket"), bucket(""));
        assert_eq!(Root::parse("s3://prices/").expect("bucket"), bucket(""));
        assert_eq!(Root::parse("s3://prices/a/b/").expect("prefix"), bucket("a/b"));
    }

    #[test]
    fn anything_else_is_refused_with_the_forms_that_work() {
        for bad in [
            "",
            "http://x/y",
            "gs://bucket/x",
            "s3:/bucket",
            "s3://",
            "s3://Bad_Name/x",
            "s3://prices/../x",
            "file://host/x",
        ] {
            let error = Root::parse(bad).expect_err(bad);
            assert_eq!(error.kind(), crate::ErrorKind::Invalid, "{bad}");
            assert!(error.detail().contains("s3://bucket/prefix"), "{error}");
        }
    }
}
