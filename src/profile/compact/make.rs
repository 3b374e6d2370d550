//! The profiles of one date from its bars. Pure; the one way in which a stored record comes to be.

use crate::bars::stored::StoredDay;
use crate::market::{Instrument, SessionKind, TradingDate};
use crate::profile::compute::{Question, Shape, profile};
use crate::profile::computed::Source;
use crate::profile::session_record::SessionRecord;
use crate::profile::settings::Settings;
use crate::{Error, Result};

/// What became of one session of a date.
#[derive(Debug)]
pub enum Made {
    Record(Box<SessionRecord>),
    /// No bar lies in it, or the calendar has no such session that day.
    Nothing(SessionKind),
    /// The bars do not allow a profile; the detail begins with a name.
    Refused(SessionKind, Error),
}

/// Every session that the instrument has, by its own rows and the lake's settings, as it is stored.
///
/// # Errors
/// Faults of the program; what the bars do not allow is told by session.
pub fn of_day(
    instrument: &Instrument,
    settings: &Settings,
    date: TradingDate,
    stored: &StoredDay,
) -> Result<Vec<Made>> {
    let source = Source {
        revision: stored.revision,
        sha256: stored.sha256.clone(),
        condition: stored.condition,
        reasons: stored.reasons.iter().map(|reason| reason.code.clone()).collect(),
    };
    let fingerprint = settings.fingerprint_with(instrument);
    let mut made = Vec::new();
    for kind in SessionKind::ALL.into_iter().filter(|kind| instrument.hours(*kind).is_some()) {
        let Some(session) = instrument.session_of_kind(date, kind) else {
            made.push(Made::Nothing(kind));
            continue;
        };
        let question = Question { instrument, session, shape: Shape::of(instrument, settings), settings, until: None };
        made.push(match profile(&question, &stored.bars) {
            Ok(Some(computed)) => {
                let mut record = computed.into_record(&source);
                record.settings = Some(fingerprint.clone());
                Made::Record(Box::new(record))
            }
            Ok(None) => Made::Nothing(kind),
            Err(error) if error.kind() == crate::ErrorKind::Invalid => Made::Refused(kind, error),
            Err(error) => return Err(error.while_doing(format_args!("{} {date} {kind}", instrument.symbol))),
        });
    }
    Ok(made)
}
