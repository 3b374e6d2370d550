//! `POST /capture/v1/greeks`: takes documents, answers when they are on disk. Put behind keys by the capture server; it writes
//! to nothing but the spool.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderName, header};
use axum::response::{IntoResponse, Response};
use axum::{BoxError, Json};
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::Serialize;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Error;
use crate::greeks::post::{self, BODY_BYTES, KEPT_BYTES, MOST_HOMES, MOST_REFUSED, PLAIN_BYTES, Unread};
use crate::greeks::record::GREEKS;
use crate::http::auth::Access;
use crate::http::keys::Scope;
use crate::http::params::Params;
use crate::http::problem::{Problem, ProblemDocument, ProblemType};
use crate::lake::spool::{Post, PostKey, Receipt, Room, Spool, Unwritten};
use crate::market::{Instruments, SharedClock, Symbol};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const LONGEST_KEY: usize = 255;
/// A client that takes longer to send a body is not sending.
const SENDING: Duration = Duration::from_secs(60);
/// Asked for when a body does not say its length.
const FIRST_ROOM: u64 = 64 << 10;

/// What the route works with.
#[derive(Clone)]
pub struct Intake {
    pub spool: Spool,
    pub instruments: Arc<Instruments>,
    pub clock: SharedClock,
}

/// This room's capture routes.
pub fn router() -> OpenApiRouter<Intake> {
    OpenApiRouter::new().routes(routes!(take))
}

/// What became of a post.
#[derive(Debug, Serialize, ToSchema)]
pub struct Taken {
    /// Always 0: captures are made of all posts of a minute.
    pub captures: u64,
    /// Documents taken, those that were there already among them.
    pub documents: u64,
    /// Rows newly written down.
    pub rows: u64,
    /// Rows of documents that were there already.
    pub duplicates: u64,
    /// Documents refused.
    pub refused: u64,
    /// Why: the first ten.
    pub reasons: Vec<Reason>,
}

/// Why a document was refused.
#[derive(Debug, Serialize, ToSchema)]
pub struct Reason {
    /// A stable name of the fault, such as `strike_not_positive`.
    pub code: String,
    /// Document and line in the body.
    pub place: String,
    /// The field to blame, when there is one.
    pub field: Option<String>,
    /// What is wrong and what to do.
    pub reason: String,
}

impl Taken {
    fn of(receipt: &Receipt) -> Self {
        let counts = receipt.counts;
        let reasons = receipt.reasons.iter().map(|note| Reason {
            code: note.code.clone(),
            place: note.place.clone(),
            field: note.field.clone(),
            reason: note.reason.clone(),
        });
        Self {
            captures: counts.captures,
            documents: counts.documents,
            rows: counts.rows,
            duplicates: counts.duplicates,
            refused: counts.refused,
            reasons: reasons.collect(),
        }
    }
}

/// Takes documents of dealer exposures. A 200 means that they are on disk, synced, and will be in the lake, each once.
///
/// Both shapes, as JSON lines, pretty-printed, in one array, or as CSV; plain, gzip or zstd. Documents are taken one by one:
/// `refused` counts those that were not, and 422 is the answer when none was. Asking again is safe: a document that is
/// there already is counted among `duplicates`, and with the same `Idempotency-Key` the answer is the same as before. A 429
/// or 503 means that nothing was taken; ask again after `Retry-After` seconds.
#[utoipa::path(
    post, path = "/capture/v1/greeks", tag = "capture",
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a retry known: the same key with the same body gets the same answer for 24 hours")),
    request_body(content(
        ("application/x-ndjson"), ("application/json"), ("text/csv"),
    ), description = "At most 32 MiB as sent and 256 MiB unpacked; a key needs the scope `capture` and every symbol in it"),
    responses(
        (status = 200, body = Taken),
        (status = 400, body = ProblemDocument, description = "The body cannot be read at all"),
        (status = 401, body = ProblemDocument),
        (status = 403, body = ProblemDocument, description = "The key lacks the scope or a symbol; nothing was taken"),
        (status = 413, body = ProblemDocument, description = "Too large, or of more than 1,000 days (each symbol's by itself): send it in several posts; nothing was taken"),
        (status = 415, body = ProblemDocument),
        (status = 422, body = ProblemDocument, description = "No document was taken, with counts and reasons, or because more than 10,000 were refused; or the Idempotency-Key came before with another body"),
        (status = 429, body = ProblemDocument, description = "As much waits as may wait; nothing was taken"),
        (status = 503, body = ProblemDocument, description = "Cannot be written down now; nothing was taken"),
    )
)]
async fn take(
    State(intake): State<Intake>,
    access: Access,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    Params::parse(query.as_deref(), &[])?;
    access.require_dataset(Scope::Capture, GREEKS)?;
    let key = idempotency_key(&headers)?;
    let announced = content_length(&headers);
    if announced.is_some_and(|length| length > BODY_BYTES as u64) {
        return Err(too_large("as sent", BODY_BYTES as u64));
    }
    let mut room = intake.spool.room(announced.unwrap_or(FIRST_ROOM)).ok_or_else(busy)?;
    let body = received(body, &mut room).await?;
    check_encoding(&headers, &body)?;
    let key_id = key.map(|key| key_id(&access, &key));
    let (post, room) = read(&intake, body, key_id, room).await?;
    for symbol in symbols(&post) {
        access.require(Scope::Capture, GREEKS, &symbol)?;
    }
    if post.documents.is_empty() && post.refused.is_empty() {
        return Err(Problem::new(ProblemType::NothingTaken, "there is no document in the body; send at least one"));
    }
    let receipt = intake.spool.write_down(post, room).await.map_err(|unwritten| problem(unwritten, &intake.spool))?;
    let taken = Taken::of(&receipt);
    if taken.documents > 0 {
        return Ok(Json(taken).into_response());
    }
    let first = taken.reasons.first().map(|first| format!(", the first ({}): {}", first.place, first.reason));
    let detail = format!(
        "all {} documents were refused{}; mend them and send them again",
        taken.refused,
        first.unwrap_or_default()
    );
    let mut refusal = Problem::new(ProblemType::NothingTaken, detail);
    if let Ok(serde_json::Value::Object(members)) = serde_json::to_value(taken) {
        for (member, value) in members {
            refusal = refusal.with(&member, value);
        }
    }
    Err(refusal)
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(first) = values.next() else { return Ok(None) };
    let text = first.to_str().ok().filter(|text| (1..=LONGEST_KEY).contains(&text.len()));
    match (text, values.next()) {
        (Some(text), None) => Ok(Some(text.to_owned())),
        _ => Err(Problem::new(
            ProblemType::InvalidHeader,
            "Idempotency-Key is sent once, with 1 to 255 characters of ASCII",
        )),
    }
}

/// Whose key it is, so that two clients that choose the same one do not meet.
fn key_id(access: &Access, key: &str) -> [u8; 32] {
    let client = access.key_id().unwrap_or("this machine");
    Sha256::digest(format!("{GREEKS}\n{client}\n{key}")).into()
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The whole body. `room` grows with it, so that one that did not say its length is held to what there is.
async fn received(body: Body, room: &mut Room) -> Result<Bytes, Problem> {
    let whole = async {
        let mut body = Limited::new(body, BODY_BYTES);
        let mut whole = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(broken)?.into_data() else { continue };
            if !room.grow_to((whole.len() + data.len()) as u64) {
                return Err(busy());
            }
            whole.extend_from_slice(&data);
        }
        Ok(whole.freeze())
    };
    tokio::time::timeout(SENDING, whole).await.unwrap_or_else(|_| {
        Err(Problem::new(
            ProblemType::DeadlineExceeded,
            "the body was not sent within a minute, nothing of it was taken; send less at once",
        ))
    })
}

fn broken(error: BoxError) -> Problem {
    if error.is::<LengthLimitError>() {
        return too_large("as sent", BODY_BYTES as u64);
    }
    Problem::new(ProblemType::InvalidRequest, "the body broke off before its end; send it again")
        .caused_by(Error::invalid("a body broke off").caused_by(error))
}

/// What the header says must be what the bytes are. Without it they are looked at, as in a file.
fn check_encoding(headers: &HeaderMap, body: &[u8]) -> Result<(), Problem> {
    let Some(named) = headers.get(header::CONTENT_ENCODING) else { return Ok(()) };
    let named = named.to_str().unwrap_or_default().trim().to_ascii_lowercase();
    let start: &[u8] = match named.as_str() {
        "" | "identity" => return Ok(()),
        "gzip" | "x-gzip" => &[0x1f, 0x8b],
        "zstd" => &[0x28, 0xb5, 0x2f, 0xfd],
        _ => {
            return Err(Problem::new(
                ProblemType::UnsupportedEncoding,
                "this Content-Encoding is not read; send gzip, zstd, or the body as it is",
            )
            .with("allowed", serde_json::json!(["gzip", "zstd", "identity"])));
        }
    };
    if body.starts_with(start) {
        return Ok(());
    }
    Err(Problem::new(
        ProblemType::InvalidRequest,
        format!("Content-Encoding says {named} and the body is not; leave the header out or pack the body"),
    ))
}

async fn read(intake: &Intake, body: Bytes, key_id: Option<[u8; 32]>, mut room: Room) -> Result<(Post, Room), Problem> {
    let (instruments, clock) = (Arc::clone(&intake.instruments), Arc::clone(&intake.clock));
    let read = tokio::task::spawn_blocking(move || {
        let key = key_id.map(|id| PostKey { id, body: Sha256::digest(&body).into() });
        let post = post::read(body, &instruments, clock.as_ref(), &mut room)?;
        Ok((Post { key, ..post }, room))
    });
    match read.await {
        Ok(read) => read.map_err(unread),
        Err(panic) => Err(Problem::from(Error::internal("reading a post failed").caused_by(panic))),
    }
}

fn unread(why: Unread) -> Problem {
    let too_many = |what: String| {
        Problem::new(ProblemType::TooLarge, format!("{what}; nothing of it was taken, send it in several posts"))
    };
    match why {
        Unread::TooLarge => too_large("unpacked", PLAIN_BYTES),
        Unread::TooManyDocuments => {
            too_many(format!("the post's documents take more than {} MiB of memory", KEPT_BYTES >> 20))
        }
        Unread::TooManyHomes => {
            too_many(format!("a post is of at most {MOST_HOMES} days, each symbol's counted by itself"))
                .with("max_days", MOST_HOMES)
        }
        Unread::TooManyRefused(first) => Problem::new(
            ProblemType::NothingTaken,
            format!(
                "more than {MOST_REFUSED} documents of the post were refused, so nothing of it was taken, the first ({}): {}; \
                 mend them or send the good ones alone",
                first.place, first.reason
            ),
        )
        .with("max_refused", MOST_REFUSED),
        Unread::Busy => busy(),
        Unread::Invalid(error) => Problem::from(error),
    }
}

fn symbols(post: &Post) -> BTreeSet<Symbol> {
    let documents = post.documents.iter().map(|document| &document.home.symbol);
    let refused = post.refused.iter().filter_map(|refused| Some(&refused.home.as_ref()?.0));
    let mut symbols = BTreeSet::new();
    for symbol in documents.chain(refused) {
        if !symbols.contains(symbol) {
            symbols.insert(symbol.clone());
        }
    }
    symbols
}

fn too_large(how: &str, most_bytes: u64) -> Problem {
    let detail = format!("a body has at most {} MiB {how}; send it in several posts", most_bytes >> 20);
    Problem::new(ProblemType::TooLarge, detail).with("max_bytes", most_bytes)
}

fn busy() -> Problem {
    Problem::new(
        ProblemType::Backlog,
        "as many posts are under way as fit into memory, nothing of this one was taken; send it again in a second",
    )
    .retry_after(1)
}

fn problem(unwritten: Unwritten, spool: &Spool) -> Problem {
    match unwritten {
        Unwritten::Full => {
            let backlog = spool.backlog();
            Problem::new(
                ProblemType::Backlog,
                "the spool is full because the lake's store has not taken what waits in it; nothing of this post was taken, send it again later",
            )
            .with("spool_bytes", backlog.bytes)
        }
        Unwritten::TooLarge { most_bytes } => Problem::new(
            ProblemType::TooLarge,
            format!("the post is more than the whole spool may hold ({} MiB); send it in several posts", most_bytes >> 20),
        )
        .with("max_bytes", most_bytes),
        Unwritten::KeyReused => Problem::new(
            ProblemType::KeyReused,
            "this Idempotency-Key came before with another body; give every new body a key of its own",
        ),
        Unwritten::Failed(why) => Problem::new(
            ProblemType::SpoolUnavailable,
            "the server's disk did not take the post (is it full?), nothing of it counts; send it again in a few seconds",
        )
        .caused_by(Error::unavailable(why)),
        Unwritten::Stopping => {
            Problem::new(ProblemType::SpoolUnavailable, "the server is stopping; send it again in a few seconds")
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn a_body_of_unknown_length_is_read_only_as_far_as_there_is_room() {
        let all = Arc::new(Semaphore::new(128));
        let mut room = Room::of(&all, 64);
        let (sent, counted) = std::sync::mpsc::channel();
        let frames = (0..1000).map(move |_| {
            let _ = sent.send(());
            Ok::<_, Infallible>(Bytes::from_static(&[b' '; 16 << 10]))
        });
        let body = Body::from_stream(futures::stream::iter(frames));
        let refused = received(body, &mut room).await.expect_err("15 MiB in 128 KiB");
        assert_eq!(refused.into_response().status().as_u16(), 429);
        assert_eq!(counted.try_iter().count(), 9, "eight frames of 16 KiB fit");
        drop(room);
        let mut room = Room::of(&all, 64);
        let body = Body::from_stream(futures::stream::iter((0..8).map(|at| Ok::<_, Infallible>(vec![at; 16 << 10]))));
        let whole = received(body, &mut room).await.expect("as much as there is");
        assert_eq!((whole.len(), whole[0], whole[(128 << 10) - 1]), (128 << 10, 0, 7));
        assert_eq!(room.bytes(), 128 << 10);
    }
}
