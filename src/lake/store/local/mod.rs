//! A lake in a folder, as an object store with conditional puts. `object_store` has none for a disk, so this is our own:
//! a lock per key, compare, write aside, fsync, rename, fsync the folder. [`super::Store`] is its only caller; test
//! decorators wrap it through [`super::Store::object_store`].
//!
//! Names that begin with a dot are this module's own (`.locks/`, `.tmp-…`) and are never objects.

mod lock;
mod replace;
mod version;
mod walk;

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use replace::Writer;
use version::Version;

use super::PutWhen;

const STORE: &str = "local disk";

/// The objects under one folder. Clones share what they know of the folder.
#[derive(Debug, Clone)]
pub(super) struct LocalDisk {
    root: Arc<PathBuf>,
    writer: Arc<Writer>,
}

impl LocalDisk {
    /// Touches nothing; the folder is made by the first put.
    pub(super) fn new(root: PathBuf) -> Self {
        Self { writer: Arc::new(Writer::new(root.clone())), root: Arc::new(root) }
    }

    pub(super) fn file(&self, key: &Path) -> PathBuf {
        self.root.join(key.as_ref())
    }

    /// Copies the whole of `source` to the key, in constant memory. Blocks. A key that holds the very same bytes is
    /// success.
    pub(super) fn put_file(&self, key: &Path, source: &mut File, when: &PutWhen) -> Result<String> {
        let put = self.writer.put(key, when, |staged| io::copy(source, staged).map(drop));
        match put {
            Err(error @ (Error::AlreadyExists { .. } | Error::Precondition { .. })) => {
                match self.same_bytes(key, source).map_err(|error| generic(Box::new(error)))? {
                    Some(version) => Ok(version.etag()),
                    None => Err(error),
                }
            }
            put => put.map(|version| version.etag()),
        }
    }

    /// Whether the root is a folder that can be read, or could be made. Blocks.
    pub(super) fn check(&self) -> Result<()> {
        let root = self.root.as_path();
        let problem = match fs::read_dir(root) {
            Ok(_) => return Ok(()),
            Err(error) => error,
        };
        let could_be_made = root.parent().is_some_and(FilePath::is_dir);
        match problem.kind() {
            io::ErrorKind::NotFound if could_be_made => Ok(()),
            io::ErrorKind::NotFound => {
                let text = format!("neither {} nor the folder above it exists", root.display());
                Err(generic(Box::new(io::Error::other(text))))
            }
            _ => Err(generic(Box::new(problem))),
        }
    }

    /// The version of the key's object if its bytes are those of `source`.
    fn same_bytes(&self, key: &Path, source: &mut File) -> io::Result<Option<Version>> {
        let mut there = match File::open(self.file(key)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        let version = Version::of(&there.metadata()?)?;
        if source.metadata()?.len() != version.size() {
            return Ok(None);
        }
        source.rewind()?;
        let (mut ours, mut theirs) = (vec![0; 1 << 16], vec![0; 1 << 16]);
        loop {
            let count = source.read(&mut ours)?;
            if count == 0 {
                return Ok(Some(version));
            }
            there.read_exact(&mut theirs[..count])?;
            if ours[..count] != theirs[..count] {
                return Ok(None);
            }
        }
    }

    fn open(&self, key: &Path, options: &GetOptions) -> Result<GetResult> {
        let path = self.file(key);
        let file = File::open(&path).map_err(|error| failed(key, error))?;
        let metadata = file.metadata().map_err(|error| failed(key, error))?;
        if !metadata.is_file() {
            return Err(failed(key, io::ErrorKind::NotFound.into()));
        }
        let meta = describe(key.clone(), &metadata).map_err(|error| failed(key, error))?;
        options.check_preconditions(&meta)?;
        let range = match &options.range {
            Some(range) => range.as_range(meta.size).map_err(|error| generic(Box::new(error)))?,
            None => 0..meta.size,
        };
        let payload = GetResultPayload::File(file, path);
        Ok(GetResult { payload, meta, range, attributes: Default::default(), extensions: Default::default() })
    }
}

#[async_trait]
impl ObjectStore for LocalDisk {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let when = match options.mode {
            PutMode::Create => PutWhen::Absent,
            PutMode::Update(version) => PutWhen::Matches(version.e_tag.unwrap_or_default()),
            PutMode::Overwrite => return Err(cannot("a put without a condition")),
        };
        let (disk, key) = (self.clone(), location.clone());
        let put = tokio::task::spawn_blocking(move || {
            disk.writer.put(&key, &when, |staged| payload.iter().try_for_each(|piece| staged.write_all(piece)))
        });
        let version = put.await??;
        Ok(PutResult { e_tag: Some(version.etag()), version: None, extensions: Default::default() })
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        Err(cannot("a multipart upload, which has no condition"))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let (disk, key) = (self.clone(), location.clone());
        tokio::task::spawn_blocking(move || disk.open(&key, &options)).await?
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let disk = self.clone();
        locations
            .then(move |key| {
                let disk = disk.clone();
                async move {
                    let key = key?;
                    tokio::task::spawn_blocking(move || disk.writer.delete(&key).map(|()| key)).await?
                }
            })
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        walk::all(Arc::clone(&self.root), prefix.cloned().unwrap_or_default(), None)
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        walk::all(Arc::clone(&self.root), prefix.cloned().unwrap_or_default(), Some(offset.clone()))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let (root, prefix) = (Arc::clone(&self.root), prefix.cloned().unwrap_or_default());
        tokio::task::spawn_blocking(move || walk::level(&root, &prefix)).await?
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        Err(cannot("a copy"))
    }
}

impl fmt::Display for LocalDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.root.display())
    }
}

fn describe(key: Path, metadata: &fs::Metadata) -> io::Result<ObjectMeta> {
    let version = Version::of(metadata)?;
    Ok(ObjectMeta {
        location: key,
        last_modified: metadata.modified()?.into(),
        size: version.size(),
        e_tag: Some(version.etag()),
        version: None,
    })
}

fn failed(key: &Path, error: io::Error) -> Error {
    match error.kind() {
        // A file where the key has a folder: there is no such object, as on S3.
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            Error::NotFound { path: key.to_string(), source: Box::new(io::Error::from(io::ErrorKind::NotFound)) }
        }
        _ => generic(Box::new(error)),
    }
}

fn generic(source: Box<dyn std::error::Error + Send + Sync>) -> Error {
    Error::Generic { store: STORE, source }
}

fn cannot(operation: &str) -> Error {
    Error::NotImplemented { operation: operation.into(), implementer: STORE.into() }
}

#[cfg(test)]
mod tests;
