//! Lists a lake's folder as an object store lists a bucket: files only, in the order of their keys, no hidden names, and a
//! folder only where it holds an object. [`super::LocalDisk`] calls it.

use std::fs;
use std::io;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use object_store::path::Path;
use object_store::{ListResult, ObjectMeta, Result};

use super::{describe, failed};

enum Entry {
    Object(ObjectMeta),
    Folder(Path),
}

/// Every object under the folder `prefix` whose key comes after `after`; one folder at a time is read, on the blocking pool,
/// and none whose objects all come before.
pub(super) fn all(root: Arc<PathBuf>, prefix: Path, after: Option<Path>) -> BoxStream<'static, Result<ObjectMeta>> {
    stream::try_unfold(vec![Entry::Folder(prefix)], move |mut left| {
        let (root, after) = (Arc::clone(&root), after.clone());
        async move {
            loop {
                match left.pop() {
                    None => return Ok(None),
                    Some(Entry::Object(meta)) if after.as_ref().is_some_and(|after| meta.location <= *after) => {}
                    Some(Entry::Object(meta)) => return Ok(Some((meta, left))),
                    Some(Entry::Folder(folder)) if after.as_ref().is_some_and(|after| is_before(&folder, after)) => {}
                    Some(Entry::Folder(folder)) => {
                        let root = Arc::clone(&root);
                        let inside = tokio::task::spawn_blocking(move || read(&root, &folder)).await??;
                        left.extend(inside.into_iter().rev());
                    }
                }
            }
        }
    })
    .boxed()
}

/// Whether every key in `folder` comes before `after`.
fn is_before(folder: &Path, after: &Path) -> bool {
    let keys = format!("{folder}/");
    !folder.as_ref().is_empty() && !after.as_ref().starts_with(&keys) && keys.as_str() < after.as_ref()
}

/// The objects directly in the folder `prefix`, and the folders in it that hold any.
pub(super) fn level(root: &FilePath, prefix: &Path) -> Result<ListResult> {
    let mut found = ListResult { common_prefixes: Vec::new(), objects: Vec::new(), extensions: Default::default() };
    for entry in read(root, prefix)? {
        match entry {
            Entry::Object(meta) => found.objects.push(meta),
            Entry::Folder(folder) => {
                if holds_objects(root, &folder)? {
                    found.common_prefixes.push(folder);
                }
            }
        }
    }
    Ok(found)
}

fn holds_objects(root: &FilePath, folder: &Path) -> Result<bool> {
    for entry in read(root, folder)? {
        if match entry {
            Entry::Object(_) => true,
            Entry::Folder(folder) => holds_objects(root, &folder)?,
        } {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What is directly in a folder, in the order that their keys have on S3: a folder sorts with its slash.
fn read(root: &FilePath, folder: &Path) -> Result<Vec<Entry>> {
    let mut entries = match fs::read_dir(root.join(folder.as_ref())) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        listed => {
            let named =
                listed.and_then(|entries| entries.map(|entry| named(entry?, folder)).collect::<io::Result<Vec<_>>>());
            named.map_err(|error| failed(folder, error))?.into_iter().flatten().collect::<Vec<_>>()
        }
    };
    entries.sort_unstable_by(|(left, _), (right, _)| left.cmp(right));
    Ok(entries.into_iter().map(|(_, entry)| entry).collect())
}

/// `None` for what is no object: hidden, gone again, or with a name that no key can have.
fn named(entry: fs::DirEntry, folder: &Path) -> io::Result<Option<(String, Entry)>> {
    let name = entry.file_name();
    let Some(name) = name.to_str() else {
        tracing::warn!(path = %entry.path().display(), "not listed: its name is not UTF-8");
        return Ok(None);
    };
    if name.starts_with('.') {
        return Ok(None);
    }
    let key = if folder.as_ref().is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
    let Ok(key) = Path::parse(&key) else {
        tracing::warn!(path = %entry.path().display(), "not listed: no object can have this name");
        return Ok(None);
    };
    // Through links: a dataset may live on another disk.
    match fs::metadata(entry.path()) {
        Ok(metadata) if metadata.is_dir() => Ok(Some((format!("{name}/"), Entry::Folder(key)))),
        Ok(metadata) if metadata.is_file() => Ok(Some((name.to_owned(), Entry::Object(describe(key, &metadata)?)))),
        Ok(_) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
