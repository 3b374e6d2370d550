//! A partition's own file as the body of an answer, whole or one range of it. Called by every route that hands out files;
//! holds one piece in memory at a time.

use std::io::SeekFrom;
use std::ops::Range;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;
use futures::{Stream, TryStreamExt, stream};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;

use crate::http::format::Format;
use crate::http::problem::Problem;
use crate::lake::cache::{Cache, CachedFile};
use crate::{Error, ErrorKind, Result};

/// Files are sent in pieces of this size.
const PIECE_BYTES: usize = 256 << 10;

/// The whole file. Hashed on its way: the last piece goes out only when all of it is what the manifest says, so that a
/// disk's fault breaks the download off instead of completing it.
///
/// # Errors
/// `unavailable` when the file left the cache at this moment.
pub async fn whole(cache: &Cache, file: &Arc<CachedFile>) -> Result<Response, Problem> {
    let state = (Box::pin(pieces(file, 0..file.size()).await?), Sha256::new(), 0, Arc::clone(file));
    let checked = stream::try_unfold(state, |(mut pieces, mut hasher, mut sent, file)| async move {
        let Some(piece) = pieces.try_next().await? else {
            return if sent == file.size() { Ok(None) } else { Err(changed(&file)) };
        };
        hasher.update(&piece);
        sent += piece.len() as u64;
        if sent >= file.size() && hex::encode(hasher.clone().finalize()) != file.sha256() {
            return Err(changed(&file));
        }
        Ok(Some((piece, (pieces, hasher, sent, file))))
    });
    Ok(response(cache, file, file.size(), checked))
}

/// The bytes of a range that lies within the file. They are the ones that were checked when the file came into the cache;
/// who puts a file together from ranges compares its sha256.
///
/// # Errors
/// As [`whole`].
pub async fn part(cache: &Cache, file: &Arc<CachedFile>, range: Range<u64>) -> Result<Response, Problem> {
    let length = range.end - range.start;
    let state = (Box::pin(pieces(file, range).await?), length, Arc::clone(file));
    let counted = stream::try_unfold(state, |(mut pieces, left, file)| async move {
        match pieces.try_next().await? {
            None if left == 0 => Ok(None),
            None => Err(changed(&file)),
            Some(piece) => {
                let left = left.saturating_sub(piece.len() as u64);
                Ok(Some((piece, (pieces, left, file))))
            }
        }
    });
    Ok(response(cache, file, length, counted))
}

async fn pieces(
    file: &CachedFile,
    range: Range<u64>,
) -> Result<impl Stream<Item = Result<Bytes>> + Send + 'static + use<>> {
    let gone = |error: std::io::Error| {
        Error::unavailable(format!("{} left the cache just now; try again", file.key())).caused_by(error)
    };
    let mut source = tokio::fs::File::open(file.path()).await.map_err(gone)?;
    if range.start > 0 {
        source.seek(SeekFrom::Start(range.start)).await.map_err(gone)?;
    }
    let source = source.take(range.end - range.start);
    Ok(ReaderStream::with_capacity(source, PIECE_BYTES)
        .map_err(|error| Error::unavailable("a cached file cannot be read").caused_by(error)))
}

fn response(
    cache: &Cache,
    file: &Arc<CachedFile>,
    length: u64,
    pieces: impl Stream<Item = Result<Bytes>> + Send + 'static,
) -> Response {
    // Holding the file's Arc keeps the cache from deleting it while it is sent.
    let (cache, file) = (cache.clone(), Arc::clone(file));
    let watched = pieces.inspect_err(move |error| {
        if error.kind() == ErrorKind::Corrupt {
            cache.distrust(&file);
        }
    });
    let mut response = Response::new(Body::from_stream(watched));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(Format::Parquet.content_type()));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    response
}

fn changed(file: &CachedFile) -> Error {
    Error::corrupt(format!("the cached copy of {} changed on disk; ask again", file.key()))
}
