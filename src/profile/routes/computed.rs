//! Profiles that are not stored, from the day's bars: through the cache, computed away from the threads that answer.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::bars::record::{BARS, rows};
use crate::bars::stored::in_ticks;
use crate::http::context::Context;
use crate::http::problem::{Problem, ProblemType};
use crate::http::stored::rows_of;
use crate::lake::layout::{PartitionId, config_key};
use crate::market::{Instrument, Session};
use crate::profile::compute::{Question, Shape, profile};
use crate::profile::computed::Source;
use crate::profile::record::ValueAreaMethod;
use crate::profile::session_record::SessionRecord;
use crate::profile::settings::Settings;
use crate::profile::settings_file;
use crate::{Error, ErrorKind};

/// How it differs from what is stored.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    pub session: Session,
    pub method: Option<ValueAreaMethod>,
    pub row_ticks: Option<u32>,
    pub at: Option<DateTime<Utc>>,
}

/// Computes a profile. `stands` says whether the old archive has the session, for the refusal when there are no bars.
///
/// # Errors
/// 404 when the lake has no bars of the day, or none in the session so far; 400 for bars or rows that allow none.
pub async fn compute(
    context: &Context,
    instrument: &Arc<Instrument>,
    wanted: Wanted,
    is_original: bool,
) -> Result<SessionRecord, Problem> {
    let (date, symbol) = (wanted.session.date, &instrument.symbol);
    let id = PartitionId::day(BARS, symbol, date);
    let ready = context.partitions.open(&id, context.freshness(instrument, date)).await.map_err(|error| {
        if error.kind() != ErrorKind::NotFound {
            return error.into();
        }
        let why = if is_original {
            "; its session is one of the old archive, which cannot be computed anew: leave out method, row_ticks and at"
        } else {
            ""
        };
        let detail = format!("the lake has no bars of {symbol} for {date}{why}; `pitlake ingest bars` brings some in");
        Problem::new(ProblemType::MissingDay, detail)
    })?;
    let batch = rows_of(context, ready.file()).await?;
    let settings = settings(context).await?;
    let source = Source {
        revision: ready.head.revision,
        sha256: ready.file().sha256().to_owned(),
        condition: ready.head.condition,
        reasons: ready.head.content.reasons.iter().map(|reason| reason.code.clone()).collect(),
    };
    let instrument = Arc::clone(instrument);
    let work = tokio::task::spawn_blocking(move || {
        let bars = in_ticks(&rows(&batch)?, &instrument)?;
        let own = Shape::of(&instrument, &settings);
        let shape = Shape {
            row_ticks: wanted.row_ticks.unwrap_or(own.row_ticks),
            method: wanted.method.unwrap_or(own.method),
            share: own.share,
        };
        let question =
            Question { instrument: &instrument, session: wanted.session, shape, settings: &settings, until: wanted.at };
        let made = profile(&question, &bars)?;
        Ok::<_, Error>(made.map(|made| SessionRecord {
            settings: Some(settings.fingerprint_with(&instrument)),
            ..made.into_record(&source)
        }))
    });
    let made = work.await.map_err(|error| Error::internal("computing a profile stopped").caused_by(error))?;
    made.map_err(refused)?.ok_or_else(|| {
        let until = if wanted.at.is_some() { " that had ended by then" } else { "" };
        let kind = wanted.session.kind;
        let detail = format!("the lake's bars of {symbol} for {date} have none in the {kind} session{until}");
        Problem::new(ProblemType::MissingDay, detail)
    })
}

/// What the engine refuses is either the rows asked for or the bars that are stored.
fn refused(error: Error) -> Problem {
    if error.kind() == ErrorKind::Invalid && error.detail().starts_with("too_many_rows") {
        return Problem::parameter("row_ticks", format!("{}; give more ticks a row", error.detail()));
    }
    error.into()
}

/// The lake's own thresholds, from memory most of the time.
async fn settings(context: &Context) -> Result<Settings, Error> {
    use crate::lake::cache::Freshness;
    let key = config_key(settings_file::FILE);
    match context.cache.small(&key, Freshness::Settled).await {
        Ok(object) => {
            let text = std::str::from_utf8(&object.bytes);
            // A fault of the lake's own file is not the caller's.
            let text = text.map_err(|_| Error::corrupt(format!("{key} is not UTF-8 text")))?;
            Settings::parse(text, &key).map_err(|error| Error::corrupt(error.detail().to_owned()))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Settings::default()),
        Err(error) => Err(error),
    }
}
