//! The files that the SQL reads, as witnesses: each with the digest of its bytes, held against its manifest. A lake on disk is
//! read where it is; files in a bucket are brought into a folder under the same paths.

use std::io::Write;
use std::path::{Path, PathBuf};

use futures::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::lake::layout::PartitionId;
use crate::lake::manifest::Condition;
use crate::lake::publish;
use crate::lake::store::Store;
use crate::{Error, Result};

/// Files brought at once.
const AT_ONCE: usize = 8;
/// How often a file is read again that is not the one of its manifest.
const ATTEMPTS: u32 = 4;

/// One file that the SQL reads.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Witness {
    pub path: String,
    pub bytes: u64,
    pub revision: u32,
    pub condition: Condition,
    pub sha256: String,
    #[serde(skip)]
    etag: String,
}

/// Brings the files near, in the order of `ids`. `copies` gets them, unless the lake is a folder.
///
/// # Errors
/// `Corrupt` when a file is not that of its manifest, those of the store.
pub async fn bring(store: &Store, ids: Vec<PartitionId>, copies: &Path) -> Result<Vec<Witness>> {
    stream::iter(ids).map(|id| one(store, id, copies)).buffered(AT_ONCE).try_collect().await
}

/// Whether none of them was replaced since.
///
/// # Errors
/// Those of the store.
pub async fn unchanged(store: &Store, files: &[Witness]) -> Result<bool> {
    let heads = files.iter().map(|file| async { Ok(store.head(&file.path).await?.etag == file.etag) });
    stream::iter(heads).buffered(AT_ONCE).try_all(|same| async move { same }).await
}

async fn one(store: &Store, id: PartitionId, copies: &Path) -> Result<Witness> {
    let key = id.data_key();
    for _ in 0..ATTEMPTS {
        let copy = store.local_path(&key).is_none().then(|| copies.join(&key));
        let (bytes, sha256, etag) = read(store, &key, copy).await?;
        let manifest = publish::manifest(store, &id).await?;
        if manifest.sha256 == sha256 {
            let (revision, condition) = (manifest.revision, manifest.content.condition);
            return Ok(Witness { path: key, bytes, revision, condition, sha256, etag });
        }
    }
    Err(Error::corrupt(format!("{key} is not the file of its manifest; run `pitlake verify`")))
}

async fn read(store: &Store, key: &str, copy: Option<PathBuf>) -> Result<(u64, String, String)> {
    let disk = |error: std::io::Error| {
        Error::unavailable(format!("a copy of {key} cannot be written ({error})")).caused_by(error)
    };
    let (meta, mut pieces) = store.get_stream(key).await?;
    let mut file = match copy {
        Some(path) => {
            std::fs::create_dir_all(path.parent().unwrap_or(&path)).map_err(disk)?;
            Some(std::fs::File::create(path).map_err(disk)?)
        }
        None => None,
    };
    let mut digest = Sha256::new();
    while let Some(piece) = pieces.try_next().await? {
        digest.update(&piece);
        if let Some(file) = &mut file {
            file.write_all(&piece).map_err(disk)?;
        }
    }
    Ok((meta.size, hex::encode(digest.finalize()), meta.etag))
}
