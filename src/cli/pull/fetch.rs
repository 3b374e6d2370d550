//! Brings one file: continued where an earlier attempt broke off, checked before it takes its name, asked for anew when a
//! newer revision came between.

use std::time::Duration;

use futures::StreamExt;
use reqwest::Response;
use reqwest::header::{self, HeaderMap, HeaderValue};
use tokio::fs::File;
use tokio::io::AsyncWriteExt;

use super::Pull;
use super::folder::{Content, unusable};
use super::remote::{Listed, Source};
use crate::lake::records::Span;
use crate::market::TradingDate;
use crate::{Error, ErrorKind, Result};

/// Attempts in a row that bring nothing before a file is given up.
const ATTEMPTS: u32 = 7;
/// The pause after the first of them; it doubles. Together they outlast what a server repeats of its lists.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Why an attempt failed, by what to do next.
enum Setback {
    /// Try again; what has arrived stays.
    Passing(Error),
    /// The list is not true any more, or the URL has ended: ask for the file's line again.
    Outdated(Error),
    /// No other file will fare better.
    Fatal(Error),
}

/// What a file came to that was not brought.
pub enum Failed {
    This(Error),
    Everything(Error),
}

/// Brings the file; gives it as it was listed in the end.
///
/// # Errors
/// [`Failed::Everything`] for what stops the whole pull: a refused key, a disk that is full.
pub async fn fetch(pull: &Pull, source: &Source, file: Listed) -> std::result::Result<Listed, Failed> {
    let mut file = file;
    let mut attempts = 0;
    let mut etag = None;
    loop {
        let moved = pull.report.moved();
        let error = match attempt(pull, source, &file, &mut etag).await {
            Ok(()) => return Ok(file),
            Err(Setback::Fatal(error)) => return Err(Failed::Everything(error)),
            Err(Setback::Passing(error)) => {
                // Other files move bytes as well; a line that lets any through is worth waiting for.
                if pull.report.moved() > moved {
                    attempts = 0;
                }
                error
            }
            Err(Setback::Outdated(error)) => {
                etag = None;
                match relisted(pull, source, &file).await {
                    Ok(Some(now)) => file = now,
                    Ok(None) => return Err(Failed::This(error.while_doing("it is not listed any more"))),
                    Err(error) if error.kind() == ErrorKind::Denied => return Err(Failed::Everything(error)),
                    Err(_) => {}
                }
                error
            }
        };
        attempts += 1;
        if attempts == ATTEMPTS {
            return Err(Failed::This(error));
        }
        tracing::info!(path = %file.path, %error, attempts, "trying again");
        tokio::time::sleep(FIRST_PAUSE * 2_u32.pow(attempts - 1)).await;
    }
}

/// The file's line as it is now. A single day is listed from its own manifest.
async fn relisted(pull: &Pull, source: &Source, file: &Listed) -> Result<Option<Listed>> {
    let (start, end) = match file.id.period.day() {
        Some(date) => (Some(date), Some(date)),
        None => {
            let year = file.id.period.year();
            (TradingDate::from_ymd(year, 1, 1), TradingDate::from_ymd(year, 12, 31))
        }
    };
    let listing = pull.remote.files(source, Span { start, end }).await?;
    Ok(listing.files.into_iter().find(|listed| listed.path == file.path))
}

async fn attempt(
    pull: &Pull,
    source: &Source,
    file: &Listed,
    etag: &mut Option<HeaderValue>,
) -> std::result::Result<(), Setback> {
    let mut content = begun(pull, file).await?;
    if content.bytes < file.bytes {
        content = download(pull, source, file, content, etag).await?;
    }
    let sha256 = content.sha256();
    if sha256 != file.sha256 {
        forget(pull, file).await?;
        let detail = format!("{} arrived with the sha256 {sha256} where {} was listed", file.path, file.sha256);
        return Err(Setback::Outdated(Error::corrupt(detail)));
    }
    blocking(pull, file, |pull, file| pull.folder.settle(file)).await.map_err(Setback::Fatal)
}

/// What earlier attempts left of the file.
async fn begun(pull: &Pull, file: &Listed) -> std::result::Result<Content, Setback> {
    let begun = blocking(pull, file, |pull, file| {
        let path = pull.folder.partial(file);
        let mut content = Content::default();
        match std::fs::metadata(&path) {
            Ok(found) if found.len() > file.bytes => {
                std::fs::remove_file(&path).map_err(|error| unusable(&path, &error))?;
            }
            // What has no length is not read: a device would never end.
            Ok(found) if found.len() == 0 => {}
            Ok(_) => content.read(&path).map_err(|error| unusable(&path, &error))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(unusable(&path, &error)),
        }
        Ok(content)
    });
    begun.await.map_err(Setback::Fatal)
}

async fn forget(pull: &Pull, file: &Listed) -> std::result::Result<(), Setback> {
    let path = pull.folder.partial(file);
    match tokio::fs::remove_file(&path).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Setback::Fatal(unusable(&path, &error))),
        _ => Ok(()),
    }
}

async fn download(
    pull: &Pull,
    source: &Source,
    file: &Listed,
    mut content: Content,
    etag: &mut Option<HeaderValue>,
) -> std::result::Result<Content, Setback> {
    let mut headers = HeaderMap::new();
    if content.bytes > 0 {
        headers.extend(HeaderValue::try_from(format!("bytes={}-", content.bytes)).map(|value| (header::RANGE, value)));
    }
    // Our own server's tags are the sha256: what is not the listed file is not even sent.
    let own = pull.remote.is_own(&file.url);
    let wanted = if own { HeaderValue::try_from(format!("\"{}\"", file.sha256)).ok() } else { etag.clone() };
    headers.extend(wanted.map(|tag| (header::IF_MATCH, tag)));
    let answer = pull.remote.file(&file.url, headers).await;
    let answer = answer.map_err(|error| broken(file, error))?;
    let answer = accepted(pull, source, file, answer, own).await?;
    let continued = answer.status().as_u16() == 206;
    if continued && !continues(&answer, content.bytes, file.bytes) {
        forget(pull, file).await?;
        return Err(Setback::Outdated(other_length(file)));
    }
    if !continued {
        if answer.content_length().is_some_and(|length| length != file.bytes) {
            return Err(Setback::Outdated(other_length(file)));
        }
        content = Content::default();
    }
    *etag = answer.headers().get(header::ETAG).cloned();

    let path = pull.folder.partial(file);
    let disk = |error: std::io::Error| Setback::Fatal(unusable(&path, &error));
    if let Some(place) = path.parent() {
        tokio::fs::create_dir_all(place).await.map_err(disk)?;
    }
    let mut to = File::options().create(true).append(true).open(&path).await.map_err(disk)?;
    if !continued {
        // What is no plain file has no length to set, and writing will say what is wrong with it.
        to.set_len(0).await.ok();
    }
    let mut pieces = answer.bytes_stream();
    let ended = loop {
        match pieces.next().await {
            None => break Ok(()),
            Some(Err(error)) => break Err(broken(file, error)),
            Some(Ok(piece)) => {
                if content.bytes + piece.len() as u64 > file.bytes {
                    forget(pull, file).await?;
                    return Err(Setback::Outdated(other_length(file)));
                }
                to.write_all(&piece).await.map_err(disk)?;
                content.add(&piece);
                pull.report.received(piece.len() as u64);
            }
        }
    };
    to.flush().await.map_err(disk)?;
    ended?;
    if content.bytes < file.bytes {
        let detail = format!("{} broke off after {} of {} bytes", file.path, content.bytes, file.bytes);
        return Err(Setback::Passing(Error::unavailable(detail)));
    }
    Ok(content)
}

/// The answer when it holds bytes of the file.
async fn accepted(
    pull: &Pull,
    source: &Source,
    file: &Listed,
    answer: Response,
    own: bool,
) -> std::result::Result<Response, Setback> {
    let status = answer.status();
    match status.as_u16() {
        200 | 206 => Ok(answer),
        401 | 403 if own => Err(Setback::Fatal(pull.remote.refusal(answer, source).await)),
        429 | 500.. => Err(Setback::Passing(Error::unavailable(format!("{} was answered with {status}", file.path)))),
        416 => {
            forget(pull, file).await?;
            Err(Setback::Outdated(other_length(file)))
        }
        // 403 is how a store says that a presigned URL has ended.
        403 | 404 | 410 | 412 => {
            let host = file.url.host_str().unwrap_or_default();
            Err(Setback::Outdated(Error::unavailable(format!("{} was answered with {status} by {host}", file.path))))
        }
        _ => Err(Setback::Passing(Error::invalid(format!("{} was answered with {status}", file.path)))),
    }
}

/// Whether a 206 begins where we left off and is of a file of the listed length.
fn continues(answer: &Response, from: u64, size: u64) -> bool {
    let range = answer.headers().get(header::CONTENT_RANGE).and_then(|range| range.to_str().ok());
    range.is_some_and(|range| range.starts_with(&format!("bytes {from}-")) && range.ends_with(&format!("/{size}")))
}

fn other_length(file: &Listed) -> Error {
    Error::corrupt(format!("what came for {} is not {} bytes long", file.path, file.bytes))
}

fn broken(file: &Listed, error: reqwest::Error) -> Setback {
    // The URL of a presigned file is a key to it, and has no place in a message.
    let error = error.without_url();
    Setback::Passing(Error::unavailable(format!("the connection for {} broke", file.path)).caused_by(error))
}

async fn blocking<T: Send + 'static>(
    pull: &Pull,
    file: &Listed,
    work: impl FnOnce(&Pull, &Listed) -> Result<T> + Send + 'static,
) -> Result<T> {
    let (pull, file) = (pull.clone(), file.clone());
    tokio::task::spawn_blocking(move || work(&pull, &file))
        .await
        .map_err(|error| Error::internal("work on the disk stopped").caused_by(error))?
}
