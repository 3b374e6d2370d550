//! One session on the wire: the bare object, or a drawing of it, with its tag and what every answer says of its partition.

use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use sha2::{Digest, Sha256};

use super::question::{Form, Question};
use crate::http::etag::ETagBuilder;
use crate::http::format::document;
use crate::http::problem::Problem;
use crate::http::span::{CONDITION, REVISION};
use crate::market::Instrument;
use crate::profile::draw::{Drawing, draw};
use crate::profile::session_record::SessionRecord;
use crate::{Error, Result};

/// The answer, or 304 when the client has it.
///
/// # Errors
/// 500 when it cannot be written.
pub fn of_session(
    record: &SessionRecord,
    instrument: &Instrument,
    question: &Question,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let (content_type, body) = match question.form {
        Form::Json => ("application/json", json(record)?),
        Form::Text => {
            let drawing = Drawing { record, instrument, volumes: &[], split: false };
            ("text/plain; charset=utf-8", draw(&drawing)?.into_bytes())
        }
    };
    // A session is small: its bytes themselves say best whether the client has them.
    let tag = ETagBuilder::of_content(&hex::encode(Sha256::digest(&body)))
        .part("format", question.form.name())
        .part("encoding", question.encoding.name())
        .finish();
    let mut response =
        if tag.is_known_to(headers) { tag.not_modified() } else { document(content_type, body, question.encoding)? };
    tag.put_on(response.headers_mut());
    response.headers_mut().insert(CONDITION, HeaderValue::from_static(record.condition.as_str()));
    response.headers_mut().insert(REVISION, HeaderValue::from(record.revision));
    Ok(response)
}

/// The bare object and a line's end.
///
/// # Errors
/// `Internal`, never for a record.
pub fn json(record: &SessionRecord) -> Result<Vec<u8>> {
    let written = serde_json::to_vec(record);
    let mut body = written.map_err(|error| Error::internal("a session could not be written").caused_by(error))?;
    body.push(b'\n');
    Ok(body)
}
