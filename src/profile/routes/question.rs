//! What a question about one session may say. Everything that cannot be answered is refused here, by parameter.

use axum::http::HeaderMap;
use axum::http::header::ACCEPT;
use chrono::{DateTime, NaiveTime, Utc};

use crate::http::format::Encoding;
use crate::http::params::Params;
use crate::http::problem::{Problem, ProblemType};
use crate::market::{Instrument, Session, SessionKind, TradingDate};
use crate::profile::record::{LEGACY, ValueAreaMethod, number};
use crate::profile::session_record::SessionRecord;

/// Rows of more ticks than this show nothing of any session.
const MOST_ROW_TICKS: u32 = 10_000;

/// How one session is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Json,
    /// Drawn with letters.
    Text,
}

impl Form {
    pub fn name(self) -> &'static str {
        match self {
            Form::Json => "json",
            Form::Text => "text",
        }
    }

    /// `?format=` if given, else what `Accept` names first, else JSON.
    fn wanted(params: &Params, headers: &HeaderMap) -> Result<Self, Problem> {
        if let Some(form) = params.one_of("format", &[("json", Form::Json), ("text", Form::Text)])? {
            return Ok(form);
        }
        let accept: Vec<&str> = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
        let accept = accept.join(",").to_ascii_lowercase();
        let named = accept.split(',').filter(|range| !range.contains("q=0") || range.contains("q=0."));
        let mut forms = named.filter_map(|range| match range.split(';').next().unwrap_or_default().trim() {
            "" | "*/*" | "application/*" | "application/json" => Some(Form::Json),
            "text/*" | "text/plain" => Some(Form::Text),
            _ => None,
        });
        forms.next().ok_or_else(|| {
            let detail = "Accept admits neither application/json nor text/plain; or use ?format=";
            Problem::new(ProblemType::NotAcceptable, detail)
        })
    }
}

/// A profile that was stored under a version, current or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    pub name: String,
    /// Of the bars it was made from.
    pub revision: Option<u32>,
    /// Fingerprint of the settings.
    pub settings: Option<String>,
}

impl Version {
    fn is_of(&self, record: &SessionRecord) -> bool {
        record.calculation_version == self.name
            && self.revision.is_none_or(|revision| record.revision == revision)
            && (self.settings.is_none() || self.settings == record.settings)
    }

    /// Of one session's rows that which is meant: the current one if it is of this version, else what was made from the latest
    /// bars.
    ///
    /// # Errors
    /// 400 where the same bars gave several by other settings.
    pub fn pick<'r>(
        &self,
        current: Option<&'r SessionRecord>,
        history: impl Iterator<Item = &'r SessionRecord>,
    ) -> Result<Option<&'r SessionRecord>, Problem> {
        if let Some(record) = current.filter(|record| self.is_of(record)) {
            return Ok(Some(record));
        }
        let past: Vec<&SessionRecord> = history.filter(|record| self.is_of(record)).collect();
        let latest = past.iter().map(|record| record.revision).max();
        let latest: Vec<&SessionRecord> = past.into_iter().filter(|record| Some(record.revision) == latest).collect();
        match latest.as_slice() {
            [] => Ok(None),
            [record] => Ok(Some(record)),
            [first, ..] => {
                let settings: Vec<&str> = latest.iter().filter_map(|record| record.settings.as_deref()).collect();
                let detail = format!(
                    "of the {} session of {} several {} profiles are stored; say which by settings: {}",
                    first.session,
                    first.date,
                    self.name,
                    settings.join(", ")
                );
                Err(Problem::parameter("settings", detail).with("allowed", settings))
            }
        }
    }
}

/// What was asked of a session.
#[derive(Debug, Clone)]
pub struct Question {
    pub session: SessionKind,
    pub method: Option<ValueAreaMethod>,
    pub row_ticks: Option<u32>,
    /// Developing: up to this time of the exchange's clock.
    pub at: Option<NaiveTime>,
    pub version: Option<Version>,
    pub form: Form,
    pub encoding: Encoding,
}

impl Question {
    /// The parameters of a day's route.
    pub const ALLOWED: [&str; 8] =
        ["session", "method", "row_ticks", "at", "version", "revision", "settings", "format"];
    /// Those of the newest session's.
    pub const OF_LATEST: [&str; 5] = ["session", "method", "row_ticks", "at", "format"];

    /// Reads the shape of the answer, before the symbol is known.
    ///
    /// # Errors
    /// 400 by parameter, 406.
    pub fn form(params: &Params, headers: &HeaderMap) -> Result<(Form, Encoding), Problem> {
        Ok((Form::wanted(params, headers)?, Encoding::wanted(headers)))
    }

    /// Reads the rest.
    ///
    /// # Errors
    /// 400 by parameter.
    pub fn of(
        params: &Params,
        instrument: &Instrument,
        (form, encoding): (Form, Encoding),
        has_versions: bool,
    ) -> Result<Self, Problem> {
        let question = Self {
            session: session(params, instrument)?,
            method: method(params)?,
            row_ticks: row_ticks(params)?,
            at: params.time("at")?,
            version: if has_versions { version(params)? } else { None },
            form,
            encoding,
        };
        if question.version.is_some() {
            let others = [
                ("method", question.method.is_some()),
                ("row_ticks", question.row_ticks.is_some()),
                ("at", question.at.is_some()),
            ];
            if let Some((name, _)) = others.into_iter().find(|(_, given)| *given) {
                let detail = format!("a version is answered as it was stored; leave out {name}, or version");
                return Err(Problem::parameter(name, detail));
            }
        }
        Ok(question)
    }

    /// The instant of `at` in `session`: the evening before counts where the session opened then, and so does the midnight at
    /// which it closes. At the opening nothing has traded, which is no profile.
    ///
    /// # Errors
    /// 400 that names the session's hours, or the exchange's time where `at` is later than `now`.
    pub fn instant(
        &self,
        instrument: &Instrument,
        session: &Session,
        now: DateTime<Utc>,
    ) -> Result<Option<DateTime<Utc>>, Problem> {
        let Some(time) = self.at else { return Ok(None) };
        let date = session.date;
        let mut found = None;
        for day in [date.prev_day(), date, date.next_day()] {
            let instant = instrument.local_to_utc(day, time)?;
            if session.open < instant && instant <= session.close {
                found = Some(instant);
                break;
            }
        }
        let local = |instant: DateTime<Utc>| instant.with_timezone(&instrument.time_zone).format("%H:%M on %Y-%m-%d");
        if let Some(instant) = found {
            if instant <= now {
                return Ok(Some(instant));
            }
            let detail = format!(
                "at={} of the {} session of {} {date} lies in the future: it is {} at the exchange ({}); without at the \
                 profile so far is answered",
                time.format("%H:%M"),
                session.kind,
                instrument.symbol,
                local(now),
                instrument.time_zone,
            );
            return Err(Problem::parameter("at", detail));
        }
        let detail = format!(
            "at={} is not within the {} session of {} {date}: give a time after {} and up to {} ({})",
            time.format("%H:%M"),
            session.kind,
            instrument.symbol,
            local(session.open),
            local(session.close),
            instrument.time_zone,
        );
        Err(Problem::parameter("at", detail))
    }
}

/// `session`, which the instrument must have.
///
/// # Errors
/// 400 that names the sessions it has.
pub fn session(params: &Params, instrument: &Instrument) -> Result<SessionKind, Problem> {
    let choices = SessionKind::ALL.map(|kind| (kind.as_str(), kind));
    let Some(kind) = params.one_of("session", &choices)? else { return Ok(instrument.default_session) };
    if instrument.hours(kind).is_some() {
        return Ok(kind);
    }
    let has: Vec<&str> = SessionKind::ALL
        .into_iter()
        .filter(|kind| instrument.hours(*kind).is_some())
        .map(SessionKind::as_str)
        .collect();
    let detail = format!("{} has no {kind} session; it has {}", instrument.symbol, has.join(", "));
    Err(Problem::parameter("session", detail).with("allowed", has))
}

/// # Errors
/// 400 that names the methods.
pub fn method(params: &Params) -> Result<Option<ValueAreaMethod>, Problem> {
    let choices: Vec<(&str, ValueAreaMethod)> =
        ValueAreaMethod::ALL.iter().map(|method| (method.as_str(), *method)).collect();
    params.one_of("method", &choices)
}

/// # Errors
/// 400 beyond 1 to 10,000.
pub fn row_ticks(params: &Params) -> Result<Option<u32>, Problem> {
    const EXPECTED: &str = "a whole number of ticks from 1 to 10000";
    match params.parsed::<u32>("row_ticks", EXPECTED)? {
        Some(ticks) if ticks == 0 || ticks > MOST_ROW_TICKS => {
            Err(Problem::parameter("row_ticks", format!("row_ticks={ticks} cannot be used: expected {EXPECTED}")))
        }
        ticks => Ok(ticks),
    }
}

/// `version`, with `revision` and `settings` to tell apart what was stored under it.
///
/// # Errors
/// 400 by parameter.
pub fn version(params: &Params) -> Result<Option<Version>, Problem> {
    let revision = params.parsed::<u32>("revision", "the revision of the bars, a whole number from 1 on")?;
    let settings = params.get("settings").map(str::to_owned);
    let Some(name) = params.get("version") else {
        if let Some((given, _)) =
            [("revision", revision.is_some()), ("settings", settings.is_some())].into_iter().find(|(_, given)| *given)
        {
            let detail = format!("{given} tells apart what is stored under a version; give version as well");
            return Err(Problem::parameter(given, detail));
        }
        return Ok(None);
    };
    if name != LEGACY && number(name).is_none() {
        let given = crate::http::problem::shortened(name, 40);
        let detail = format!("'{given}' is no version: give legacy, or a calculation such as tpo-1");
        return Err(Problem::parameter("version", detail));
    }
    Ok(Some(Version { name: name.to_owned(), revision, settings }))
}

/// The 404 for a date on which there is no such session, `None` when there is one.
pub fn closed(instrument: &Instrument, date: TradingDate, kind: SessionKind) -> Option<Problem> {
    /// No calendar is closed for longer.
    const LOOKED_AHEAD: usize = 40;
    if instrument.session_of_kind(date, kind).is_some() {
        return None;
    }
    let reason = instrument.closed_because(date).unwrap_or_else(|| format!("it has no {kind} session that day"));
    let mut dates = std::iter::successors(Some(date.next_day()), |date| Some(date.next_day())).take(LOOKED_AHEAD);
    let next = dates.find(|date| instrument.session_of_kind(*date, kind).is_some());
    let symbol = &instrument.symbol;
    let told = next.map_or_else(String::new, |next| format!("; the next one is {next}"));
    let problem =
        Problem::new(ProblemType::ClosedDay, format!("{symbol} has no {kind} session on {date} ({reason}){told}"));
    Some(match next {
        Some(next) => problem.with("next_session", next.to_string()),
        None => problem,
    })
}
