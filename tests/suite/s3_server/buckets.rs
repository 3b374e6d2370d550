//! The objects, in memory, under one lock: a condition and the put that it guards are one step.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use parking_lot::Mutex;
use s3s::dto::{ETag, ETagCondition};
use s3s::{S3Result, s3_error};
use sha2::{Digest, Sha256};

/// 2025-01-15T00:00:00Z, in seconds since 1970; each put is a second younger than the one before.
const FIRST_PUT: u64 = 1_736_899_200;
/// S3's own limit of a listing.
const PAGE: usize = 1000;

/// One object as it was put.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) bytes: Bytes,
    /// Without quotes.
    pub(super) etag: String,
    pub(super) modified: SystemTime,
}

impl Stored {
    pub(super) fn etag(&self) -> ETag {
        ETag::Strong(self.etag.clone())
    }
}

/// One answer to a listing.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) objects: Vec<(String, Stored)>,
    pub(super) folders: Vec<String>,
    /// Where the next page begins: after this key or folder.
    pub(super) next: Option<String>,
}

/// What a put expects to find.
#[derive(Debug, Default)]
pub(super) struct Expected {
    pub(super) if_match: Option<ETagCondition>,
    pub(super) if_none_match: Option<ETagCondition>,
}

#[derive(Default)]
pub(super) struct Buckets {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    buckets: BTreeMap<String, BTreeMap<String, Stored>>,
    uploads: BTreeMap<String, BTreeMap<i32, Bytes>>,
    puts: u64,
    begun: u64,
    page: Option<usize>,
}

impl Buckets {
    pub(super) fn create(&self, bucket: &str) {
        self.inner.lock().buckets.entry(bucket.into()).or_default();
    }

    pub(super) fn exists(&self, bucket: &str) -> S3Result<()> {
        self.inner.lock().bucket(bucket).map(drop)
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.inner.lock().buckets.keys().cloned().collect()
    }

    pub(super) fn set_page_size(&self, keys: usize) {
        self.inner.lock().page = Some(keys);
    }

    pub(super) fn objects(&self, bucket: &str) -> Vec<(String, Bytes)> {
        let inner = self.inner.lock();
        let objects = inner.buckets.get(bucket).into_iter().flatten();
        objects.map(|(key, stored)| (key.clone(), stored.bytes.clone())).collect()
    }

    pub(super) fn plant(&self, bucket: &str, key: &str, bytes: Bytes) {
        let etag = digest(&bytes);
        self.inner.lock().store(bucket, key, bytes, etag).expect("the bucket exists");
    }

    pub(super) fn get(&self, bucket: &str, key: &str) -> S3Result<Stored> {
        let mut inner = self.inner.lock();
        inner.bucket(bucket)?.get(key).cloned().ok_or_else(|| s3_error!(NoSuchKey))
    }

    pub(super) fn put(&self, bucket: &str, key: &str, bytes: Bytes, expected: &Expected) -> S3Result<Stored> {
        // Long before the lock is taken, for it depends on the bytes alone.
        let etag = digest(&bytes);
        let mut inner = self.inner.lock();
        expected.check(inner.bucket(bucket)?.get(key))?;
        inner.store(bucket, key, bytes, etag)
    }

    pub(super) fn delete(&self, bucket: &str, key: &str) -> S3Result<()> {
        self.inner.lock().bucket(bucket)?.remove(key);
        Ok(())
    }

    pub(super) fn list(
        &self,
        bucket: &str,
        prefix: &str,
        delimiter: Option<&str>,
        after: &str,
        most: usize,
    ) -> S3Result<Page> {
        let mut inner = self.inner.lock();
        let most = most.min(inner.page.unwrap_or(PAGE));
        let mut page = Page::default();
        let mut folders = BTreeSet::new();
        let mut last = String::new();
        for (key, stored) in inner.bucket(bucket)?.iter().filter(|(key, _)| key.starts_with(prefix)) {
            let rest = &key[prefix.len()..];
            let folder = delimiter.and_then(|mark| rest.find(mark).map(|at| &key[..prefix.len() + at + mark.len()]));
            let name = folder.unwrap_or(key);
            if name <= after || folders.contains(name) {
                continue;
            }
            if page.objects.len() + folders.len() == most {
                page.next = Some(last);
                break;
            }
            name.clone_into(&mut last);
            match folder {
                Some(folder) => drop(folders.insert(folder.to_owned())),
                None => page.objects.push((key.clone(), stored.clone())),
            }
        }
        page.folders = folders.into_iter().collect();
        Ok(page)
    }

    pub(super) fn begin_upload(&self, bucket: &str) -> S3Result<String> {
        let mut inner = self.inner.lock();
        inner.bucket(bucket)?;
        inner.begun += 1;
        let id = format!("upload-{}", inner.begun);
        inner.uploads.insert(id.clone(), BTreeMap::new());
        Ok(id)
    }

    pub(super) fn put_part(&self, upload: &str, number: i32, bytes: Bytes) -> S3Result<ETag> {
        let etag = digest(&bytes);
        let mut inner = self.inner.lock();
        inner.uploads.get_mut(upload).ok_or_else(|| s3_error!(NoSuchUpload))?.insert(number, bytes);
        Ok(ETag::Strong(etag))
    }

    /// Joins the named parts into an object; each must be there with the ETag that it was given.
    pub(super) fn complete_upload(
        &self,
        (bucket, key): (&str, &str),
        upload: &str,
        named: &[(i32, Option<ETag>)],
        expected: &Expected,
    ) -> S3Result<Stored> {
        let mut inner = self.inner.lock();
        let parts = inner.uploads.get(upload).ok_or_else(|| s3_error!(NoSuchUpload))?;
        let mut whole = Vec::new();
        for (number, etag) in named {
            let part = parts.get(number).ok_or_else(|| s3_error!(InvalidPart))?;
            if etag.as_ref().is_some_and(|etag| etag.value() != digest(part)) {
                return Err(s3_error!(InvalidPart));
            }
            whole.extend_from_slice(part);
        }
        expected.check(inner.bucket(bucket)?.get(key))?;
        let etag = format!("{}-{}", digest(&whole), named.len());
        inner.uploads.remove(upload);
        inner.store(bucket, key, whole.into(), etag)
    }

    pub(super) fn abort_upload(&self, upload: &str) -> S3Result<()> {
        self.inner.lock().uploads.remove(upload).map(drop).ok_or_else(|| s3_error!(NoSuchUpload))
    }
}

impl Inner {
    fn bucket(&mut self, bucket: &str) -> S3Result<&mut BTreeMap<String, Stored>> {
        self.buckets.get_mut(bucket).ok_or_else(|| s3_error!(NoSuchBucket, "The specified bucket does not exist"))
    }

    fn store(&mut self, bucket: &str, key: &str, bytes: Bytes, etag: String) -> S3Result<Stored> {
        self.puts += 1;
        let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(FIRST_PUT + self.puts);
        let stored = Stored { bytes, etag, modified };
        self.bucket(bucket)?.insert(key.into(), stored.clone());
        Ok(stored)
    }
}

impl Expected {
    /// As S3 answers: 412 for a condition that does not hold, 404 for `If-Match` on nothing.
    fn check(&self, there: Option<&Stored>) -> S3Result<()> {
        let same = |condition: &ETagCondition, there: &Stored| {
            condition.is_any() || condition.as_etag().is_some_and(|etag| etag.strong_cmp(&there.etag()))
        };
        match (&self.if_match, there) {
            (Some(_), None) => return Err(s3_error!(NoSuchKey)),
            (Some(condition), Some(there)) if !same(condition, there) => return Err(s3_error!(PreconditionFailed)),
            _ => {}
        }
        match (&self.if_none_match, there) {
            (Some(condition), Some(there)) if same(condition, there) => Err(s3_error!(PreconditionFailed)),
            _ => Ok(()),
        }
    }
}

/// An ETag by content, as S3's is: the same bytes put twice have the same one. (S3 takes MD5; no client may rely on it.)
fn digest(bytes: &[u8]) -> String {
    hex::encode(&Sha256::digest(bytes)[..16])
}
