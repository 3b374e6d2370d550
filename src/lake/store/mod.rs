//! The lake's objects: one type, [`Store`], over a local folder or an S3 bucket. Everything in [`crate::lake`] that
//! reads or writes bytes of the lake goes through it; `cli` and `server` open it.
//!
//! Three promises hold on every backend, and the same conformance suite checks them: an object is seen whole or not at
//! all; a put says what it expects to find ([`PutWhen`]) and exactly one of two racing puts wins; an error says which
//! operation, which key, and what to check. There is no unconditional put, and must never be one.

mod credentials;
mod explain;
mod key;
mod local;
mod options;
mod put;
mod root;
mod s3;
mod signed_url;

pub use options::{StaticCredentials, StoreOptions};
pub use put::PutWhen;
pub use signed_url::{LONGEST_SIGNED, SignedUrl};

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use object_store::{GetOptions, GetResult, ObjectStore, ObjectStoreExt};

use crate::lake::layout::config_key;
use crate::{Error, Result};
use explain::Place;
use local::LocalDisk;
use root::Root;
use signed_url::UrlSigner;

/// A key that no one writes: asking for it tells whether the lake answers.
const PROBE: &str = "reachable";

/// One object, whole.
#[derive(Debug, Clone)]
pub struct Object {
    pub bytes: Bytes,
    /// Differs whenever the content was replaced; give it to [`PutWhen::Matches`] or [`Store::get_if_changed`].
    pub etag: String,
    pub last_modified: DateTime<Utc>,
    /// Bytes.
    pub size: u64,
}

/// What a store knows of an object without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectMeta {
    pub key: String,
    /// Bytes.
    pub size: u64,
    /// Always in double quotes, never weak.
    pub etag: String,
    pub last_modified: DateTime<Utc>,
}

/// The objects of one lake. Cloning is cheap; clones share connections and credentials.
#[derive(Clone)]
pub struct Store {
    inner: Arc<dyn ObjectStore>,
    signer: Option<Arc<UrlSigner>>,
    place: Arc<Place>,
    disk: Option<LocalDisk>,
    answered: Arc<AtomicBool>,
}

impl Store {
    /// Opens the lake at `root`: a folder (`./lake`, `/data/lake`, `file:///data/lake`) or `s3://bucket/prefix`.
    ///
    /// A folder is created by the first write, not here. For S3 the credentials are looked up here, so that their
    /// absence is told at once; no request is sent to the bucket ([`Store::check`] does that).
    ///
    /// # Errors
    /// `Invalid` for any other kind of root or for options that contradict each other, `Denied` when there are no
    /// credentials.
    pub async fn open(root: &str, options: &StoreOptions) -> Result<Self> {
        match Root::parse(root)? {
            Root::Folder(path) => {
                let place = Place::folder(&path);
                let disk = LocalDisk::new(path);
                Ok(Self::new(Arc::new(disk.clone()), None, place, Some(disk)))
            }
            Root::Bucket { bucket, prefix } => {
                let s3::Opened { objects, signer, place } = s3::open(&bucket, &prefix, options).await?;
                Ok(Self::new(objects, Some(Arc::new(signer)), place, None))
            }
        }
    }

    /// Wraps any object store, so that tests can put a decorator around a real one (see [`Store::object_store`]).
    /// `description` takes the root's place in messages. The inner store must support conditional puts.
    pub fn from_object_store(inner: Arc<dyn ObjectStore>, description: &str) -> Self {
        Self::new(inner, None, Place::other(description), None)
    }

    fn new(inner: Arc<dyn ObjectStore>, signer: Option<Arc<UrlSigner>>, place: Place, disk: Option<LocalDisk>) -> Self {
        Self { inner, signer, place: Arc::new(place), disk, answered: Arc::default() }
    }

    /// What [`Store::root`] would say of this root, without opening anything.
    ///
    /// # Errors
    /// `Invalid` for what cannot be a root.
    pub fn root_of(root: &str) -> Result<String> {
        let place = match Root::parse(root)? {
            Root::Folder(path) => Place::folder(&path),
            Root::Bucket { bucket, prefix } => Place::bucket(&bucket, &prefix, None, ""),
        };
        Ok(place.root().to_owned())
    }

    /// The root as a path or URL, for messages.
    pub fn root(&self) -> &str {
        self.place.root()
    }

    /// What is underneath, with keys counted from the lake's root, for a decorator to wrap.
    pub fn object_store(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.inner)
    }

    /// The whole object.
    ///
    /// # Errors
    /// `NotFound` when there is no such object, never for a missing bucket (`Unavailable`).
    pub async fn get(&self, key: &str) -> Result<Object> {
        let found = self.request("reading", key, GetOptions::new()).await?;
        self.whole(key, found).await
    }

    /// The object if its content is no longer the one `etag` names, by one conditional GET; `None` when it still is.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub async fn get_if_changed(&self, key: &str, etag: &str) -> Result<Option<Object>> {
        let options = GetOptions::new().with_if_none_match(Some(etag.to_owned()));
        let path = key::path(key)?;
        match self.inner.get_opts(&path, options).await {
            Ok(found) => self.whole(key, found).await.map(Some),
            Err(object_store::Error::NotModified { .. }) => {
                self.note_answer();
                Ok(None)
            }
            Err(error) => Err(self.place.explain("reading", key, error)),
        }
    }

    /// The object as a stream of pieces, in constant memory. All pieces are of the version that the metadata names; the
    /// stream ends with an error, not early, when that cannot be kept.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub async fn get_stream(&self, key: &str) -> Result<(ObjectMeta, BoxStream<'static, Result<Bytes>>)> {
        let found = self.request("reading", key, GetOptions::new()).await?;
        let meta = self.describe(found.meta.clone())?;
        let place = Arc::clone(&self.place);
        let key = key.to_owned();
        let pieces = found.into_stream().map_err(move |error| place.explain("reading", &key, error)).boxed();
        Ok((meta, pieces))
    }

    /// Size, ETag and age of the object, without its bytes.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub async fn head(&self, key: &str) -> Result<ObjectMeta> {
        let options = GetOptions::new().with_head(true);
        match self.request("looking up", key, options).await {
            Ok(found) => self.describe(found.meta),
            Err(error) if error.kind() == crate::ErrorKind::NotFound => {
                self.check_first_answer().await?;
                Err(error)
            }
            Err(error) => Err(error),
        }
    }

    /// All objects under the folder `prefix` (`""` for the whole lake), at any depth, in the order of their keys.
    /// Names that begin with a dot are not the lake's and are left out.
    pub fn list(&self, prefix: &str) -> BoxStream<'static, Result<ObjectMeta>> {
        self.list_from(prefix, None)
    }

    /// Those of them whose keys come after `after`. What comes before it costs nothing: a bucket starts there, a folder is
    /// not entered.
    pub fn list_after(&self, prefix: &str, after: &str) -> BoxStream<'static, Result<ObjectMeta>> {
        match key::path(after) {
            Ok(after) => self.list_from(prefix, Some(after)),
            Err(error) => stream::iter([Err(error)]).boxed(),
        }
    }

    fn list_from(
        &self,
        prefix: &str,
        after: Option<object_store::path::Path>,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let folder = match key::folder(prefix) {
            Ok(folder) => folder,
            Err(error) => return stream::iter([Err(error)]).boxed(),
        };
        let (store, prefix) = (self.clone(), prefix.to_owned());
        let last = self.clone();
        let listed = match &after {
            Some(after) => self.inner.list_with_offset(folder.as_ref(), after),
            None => self.inner.list(folder.as_ref()),
        };
        listed
            .map(move |found| match found {
                Ok(meta) => {
                    let hidden = key::is_hidden(meta.location.as_ref());
                    store.describe(meta).map(|meta| (!hidden).then_some(meta))
                }
                Err(error) => Err(store.place.explain("listing", &prefix, error)),
            })
            .chain(stream::once(async move { last.check_first_answer().await.map(|()| None) }))
            .try_filter_map(|meta| async move { Ok(meta) })
            .boxed()
    }

    /// Names of the folders directly under `prefix` that hold at least one object, sorted.
    ///
    /// # Errors
    /// `Denied` or `Unavailable`; a prefix with nothing under it is an empty list.
    pub async fn list_folders(&self, prefix: &str) -> Result<Vec<String>> {
        let folder = key::folder(prefix)?;
        let found = self
            .inner
            .list_with_delimiter(folder.as_ref())
            .await
            .map_err(|error| self.place.explain("listing", prefix, error))?;
        if found.common_prefixes.is_empty() && found.objects.is_empty() {
            self.check_first_answer().await?;
        } else {
            self.note_answer();
        }
        let names = found.common_prefixes.iter().filter_map(|path| path.filename());
        let mut names: Vec<String> = names.filter(|name| !name.starts_with('.')).map(str::to_owned).collect();
        names.sort_unstable();
        Ok(names)
    }

    /// Removes an object; one that is not there is no error. Only repair and tests may call it.
    ///
    /// # Errors
    /// `Denied` or `Unavailable`.
    pub async fn delete(&self, key: &str) -> Result<()> {
        let path = key::path(key)?;
        match self.inner.delete(&path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.place.explain("deleting", key, error)),
        }
    }

    /// Where the object is on this machine's disk, for a local lake: the cache links the file. It need not exist.
    pub fn local_path(&self, key: &str) -> Option<PathBuf> {
        let path = key::path(key).ok()?;
        self.disk.as_ref().map(|disk| disk.file(&path))
    }

    /// A URL under which anyone may GET the object, and it alone, until `expires_in` from `now` has passed or the
    /// credentials that sign it end, and for seven days at most; `None` for a lake that is not on S3. No request is sent.
    ///
    /// # Errors
    /// `Denied` when there are no credentials to sign with.
    pub async fn signed_url(&self, key: &str, expires_in: Duration, now: DateTime<Utc>) -> Result<Option<SignedUrl>> {
        let path = key::path(key)?;
        let Some(signer) = &self.signer else { return Ok(None) };
        let signed = signer.sign(&self.place.in_bucket(&path), expires_in, now).await;
        signed.map(Some).map_err(|error| self.place.explain("signing", key, error))
    }

    /// Whether the lake can be reached and accepts the credentials, by one cheap request. An empty lake is fine, and so
    /// is a local folder that the first write will create.
    ///
    /// # Errors
    /// `Denied` or `Unavailable`, with what to check.
    pub async fn check(&self) -> Result<()> {
        if let Some(disk) = self.disk.clone() {
            let looked = tokio::task::spawn_blocking(move || disk.check()).await;
            return match looked {
                Ok(Ok(())) => Ok(()),
                Ok(Err(error)) => Err(self.place.explain("reaching", "", error)),
                Err(panic) => Err(Error::internal("looking at the lake's folder failed").caused_by(panic)),
            };
        }
        match self.inner.get(&object_store::path::Path::from(config_key(PROBE))).await {
            Ok(found) => drop(self.describe(found.meta)?),
            Err(error @ object_store::Error::NotFound { .. }) => {
                let error = self.place.explain("reaching", "", error);
                if error.kind() != crate::ErrorKind::NotFound {
                    return Err(error);
                }
            }
            Err(error) => return Err(self.place.explain("reaching", "", error)),
        }
        self.note_answer();
        Ok(())
    }

    async fn request(&self, doing: &'static str, key: &str, options: GetOptions) -> Result<GetResult> {
        let path = key::path(key)?;
        self.inner.get_opts(&path, options).await.map_err(|error| self.place.explain(doing, key, error))
    }

    async fn whole(&self, key: &str, found: GetResult) -> Result<Object> {
        let ObjectMeta { size, etag, last_modified, .. } = self.describe(found.meta.clone())?;
        let bytes = found.bytes().await.map_err(|error| self.place.explain("reading", key, error))?;
        if bytes.len() as u64 != size {
            let detail = format!("reading {key} in {}: {} of {size} bytes came; try again", self.root(), bytes.len());
            return Err(Error::unavailable(detail));
        }
        Ok(Object { bytes, etag, last_modified, size })
    }

    fn describe(&self, meta: object_store::ObjectMeta) -> Result<ObjectMeta> {
        let key = String::from(meta.location);
        let etag = self.place.etag(&key, meta.e_tag)?;
        self.note_answer();
        Ok(ObjectMeta { key, size: meta.size, etag, last_modified: meta.last_modified })
    }

    /// Some answers prove nothing: a 404 to HEAD may mean the bucket, and any web page can be read as a listing without
    /// objects. Until the lake has given an answer that only a lake gives, such a one is followed by [`Store::check`].
    async fn check_first_answer(&self) -> Result<()> {
        if self.answered.load(Ordering::Relaxed) { Ok(()) } else { self.check().await }
    }

    fn note_answer(&self) {
        self.answered.store(true, Ordering::Relaxed);
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Store").field(&self.root()).finish()
    }
}
