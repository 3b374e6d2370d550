//! Which strings may name an object. [`super::Store`] calls it before anything reaches a disk or a bucket, so that no key
//! can leave the lake's root. What the keys mean is [`crate::lake::layout`]'s business.

use object_store::path::Path;

use crate::{Error, Result};

/// S3's own limit, in bytes; most file systems allow more in total and 255 in each part.
const LONGEST: usize = 1024;

/// The path of an object's key.
///
/// # Errors
/// `Invalid` for an empty key, empty or dotted parts (`..`, `.hidden`), a leading or trailing slash, a backslash or a
/// control character.
pub(super) fn path(key: &str) -> Result<Path> {
    let refuse = |why: &str| Error::invalid(format!("{key:?} cannot be an object's key: {why}"));
    if key.is_empty() {
        return Err(refuse("it is empty"));
    }
    if key.len() > LONGEST {
        return Err(refuse("it is longer than 1024 bytes"));
    }
    if key.chars().any(|c| c == '\\' || c.is_control()) {
        return Err(refuse("it holds a backslash or a control character"));
    }
    for part in key.split('/') {
        if part.is_empty() {
            return Err(refuse("a part between slashes is empty"));
        }
        if part.starts_with('.') {
            return Err(refuse("a part begins with a dot"));
        }
    }
    Path::parse(key).map_err(|error| refuse("the store does not take it").caused_by(error))
}

/// The path of a folder to list: as [`path`], a trailing slash allowed, and `None` for the root.
pub(super) fn folder(prefix: &str) -> Result<Option<Path>> {
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    if prefix.is_empty() { Ok(None) } else { path(prefix).map(Some) }
}

/// Whether some part of the key begins with a dot: a temporary file, a lock, or a file manager's litter.
pub(super) fn is_hidden(key: &str) -> bool {
    key.split('/').any(|part| part.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_could_leave_the_root_or_hide_are_refused() {
        for bad in [
            "",
            "/etc/passwd",
            "a/../b",
            "..",
            "a/..",
            "a//b",
            "a/",
            ".tmp-1",
            "a/.locks/b",
            "a\\b",
            "a\nb",
            "a\0b",
            "./a",
        ] {
            let error = path(bad).expect_err(bad);
            assert_eq!(error.kind(), crate::ErrorKind::Invalid, "{bad:?}");
        }
        assert!(path(&"a".repeat(1025)).is_err());
    }

    #[test]
    fn the_layouts_keys_pass_unchanged() {
        for good in ["greeks/symbol=BTC-USD/date=2025-01-15/part-0.parquet", "_manifest/greeks/symbol=BRK.B/2025.json"]
        {
            assert_eq!(path(good).expect(good).as_ref(), good);
        }
    }

    #[test]
    fn the_root_folder_is_no_path() {
        assert!(folder("").expect("root").is_none());
        assert_eq!(folder("raw/").expect("raw").expect("a folder").as_ref(), "raw");
        assert!(folder("../x").is_err());
        assert!(folder("//").is_err());
    }
}
