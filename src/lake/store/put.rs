//! The one way to write: a put that says what it expects to find. [`crate::lake`]'s journal, publisher and configuration
//! call it.
//!
//! A put whose answer was lost looks like a failure although it worked, and the client's own retry then meets the object
//! it wrote. So before a put fails, it looks: bytes equal to ours mean that the wish is fulfilled, whoever fulfilled it.

use std::path::Path;

use bytes::Bytes;
use object_store::{PutMode, PutOptions, PutPayload, UpdateVersion};

use super::explain::may_have_happened;
use super::{Object, Store, key};
use crate::{Error, ErrorKind, Result};

/// S3's limit for one put, in bytes.
const LARGEST: u64 = 5 << 30;
/// Tries of a put that meets a conflict with an object that is then not there (S3 answers 409 to simultaneous puts).
const TRIES: usize = 3;

/// What must be true of the key for a put to happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PutWhen {
    /// No object has the key yet.
    Absent,
    /// The object is still the one with this ETag.
    Matches(String),
}

impl Store {
    /// Writes the object if what `when` says is true, and returns its new ETag.
    ///
    /// If the key already holds exactly these bytes, that is success too, and the ETag is that object's: a lost answer
    /// cannot be told from a writer of the same bytes.
    ///
    /// # Errors
    /// `Conflict` when the key holds something else than expected, or nothing where something was.
    pub async fn put(&self, key: &str, bytes: Bytes, when: PutWhen) -> Result<String> {
        let path = key::path(key)?;
        let mode = match when {
            PutWhen::Absent => PutMode::Create,
            PutWhen::Matches(etag) => PutMode::Update(UpdateVersion { e_tag: Some(etag), version: None }),
        };
        let mut tries = 1;
        loop {
            let payload = PutPayload::from_bytes(bytes.clone());
            let options = PutOptions::from(mode.clone());
            let error = match self.inner.put_opts(&path, payload, options).await {
                Ok(put) => return self.place.etag(key, put.e_tag),
                Err(error) => error,
            };
            let ambiguous = may_have_happened(&error);
            let error = self.place.explain("writing", key, error);
            if error.kind() != ErrorKind::Conflict && !ambiguous {
                return Err(error);
            }
            match self.get(key).await {
                Ok(Object { bytes: there, etag, .. }) if there == bytes => return Ok(etag),
                Err(missing)
                    if missing.kind() == ErrorKind::NotFound
                        && error.kind() == ErrorKind::Conflict
                        && mode == PutMode::Create
                        && tries < TRIES =>
                {
                    tries += 1;
                }
                _ => return Err(error),
            }
        }
    }

    /// [`Store::put`] with the bytes of a file on this machine, which stays where it is.
    ///
    /// A local lake copies it in constant memory. An S3 lake sends it as one put, which holds it in memory meanwhile:
    /// multipart uploads, as `object_store` offers them, cannot be made conditional.
    ///
    /// # Errors
    /// As [`Store::put`], and `Invalid` for a file that cannot be read or is beyond S3's 5 GiB.
    pub async fn put_file(&self, key: &str, file: &Path, when: PutWhen) -> Result<String> {
        let path = key::path(key)?;
        let unreadable = |error: std::io::Error| {
            Error::invalid(format!("{} cannot be read to put it at {key}: {error}", file.display())).caused_by(error)
        };
        if let Some(disk) = self.disk.clone() {
            let mut source = tokio::fs::File::open(file).await.map_err(unreadable)?.into_std().await;
            let put = tokio::task::spawn_blocking(move || disk.put_file(&path, &mut source, &when)).await;
            return match put {
                Ok(put) => put.map_err(|error| self.place.explain("writing", key, error)),
                Err(panic) => Err(Error::internal(format!("writing {key} failed")).caused_by(panic)),
            };
        }
        let size = tokio::fs::metadata(file).await.map_err(unreadable)?.len();
        if size > LARGEST {
            return Err(Error::invalid(format!("{} has {size} bytes; one object takes 5 GiB at most", file.display())));
        }
        let bytes = tokio::fs::read(file).await.map_err(unreadable)?;
        self.put(key, bytes.into(), when).await
    }
}
