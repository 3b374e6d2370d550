//! The profile engine: bars in, one session's profile out. Pure: the same question and the same bars give the same profile, in
//! whatever order the bars come. Called by compaction, by the API for what is not stored, by audits and by tests.

use chrono::{DateTime, Utc};

use super::computed::{Levels, Profile};
use super::extremes::{Run, counted, endings, single_prints};
use super::periods::{Ends, Gathered, Period, Window, ends, gather};
use super::record::ValueAreaMethod;
use super::rows::{RowGrid, TpoRows, VolumeRows};
use super::session_shape::{Measured, Range, bias, rotation_factor, session_type};
use super::settings::Settings;
use super::share::Share;
use super::value_area::{ValueArea, point_of_control, value_area};
use crate::bars::Bar;
use crate::market::{Grid, Instrument, Session, SessionKind};
use crate::{Error, Result};

/// How a profile is cut into rows and how its value area grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Ticks in one row.
    pub row_ticks: u32,
    pub method: ValueAreaMethod,
    /// The part of all TPOs (or volume) that the value area must hold.
    pub share: Share,
}

impl Shape {
    /// What is stored: the instrument's own rows, the lake's own method and share.
    pub fn of(instrument: &Instrument, settings: &Settings) -> Self {
        Self { row_ticks: instrument.row_ticks, method: settings.value_area_method, share: settings.value_area_share }
    }
}

/// Which profile is wanted.
#[derive(Debug, Clone, Copy)]
pub struct Question<'q> {
    pub instrument: &'q Instrument,
    pub session: Session,
    pub shape: Shape,
    pub settings: &'q Settings,
    /// A developing profile: only bars that end by then count. `None` is the whole session.
    pub until: Option<DateTime<Utc>>,
}

/// The profile of one session, `None` when no bar lies in it.
///
/// Bars may be of several lengths and lie outside the session; those are passed over. A `full` session's cash return is read
/// off the bars of the regular hours among them.
///
/// # Errors
/// `Invalid`, with a detail that begins with a name: `bars_too_coarse` when a bar reaches over the session's edge or from one
/// period into another, `bars_overlap` when two bars tell of the same minute, `bars_malformed`, `too_many_rows` beyond 100,000
/// rows, `volume_too_large` beyond 10^15.
pub fn profile(question: &Question<'_>, bars: &[Bar]) -> Result<Option<Profile>> {
    let Question { instrument, session, shape, settings, .. } = *question;
    if shape.row_ticks == 0 || shape.share.is_zero() {
        return Err(Error::invalid("a row needs at least one tick, and a value area a share above 0"));
    }
    let until = question.until.filter(|&until| until < session.close);
    let window = Window::new(session, instrument.tpo_period_minutes, until);
    let Some(gathered) = gather(bars, window)? else { return Ok(None) };
    let Gathered { bars: inside, periods, ends: session_ends, minutes_seen } = gathered;

    let range = span(&periods);
    let grid = RowGrid::over(range.low, range.high, shape.row_ticks)?;
    let rows = TpoRows::of(&periods, grid);
    let poc = point_of_control(&rows.counts).ok_or_else(|| Error::internal("a profile without a TPO"))?;
    let area = value_area(&rows.counts, poc, shape.share, shape.method);
    let volume = VolumeRows::of(inside.iter().copied(), grid)?;

    let initial_balance = initial_balance(&periods, instrument.tpo_period_minutes, settings);
    let last_period = periods.last().map_or(0, |period| period.at);
    let (top, bottom) = endings(&rows, last_period, settings);
    let rotation = rotation_factor(&periods);
    let measured = Measured {
        range,
        initial_balance,
        ends: session_ends,
        own_row: i64::from(instrument.row_ticks),
        periods: periods.len(),
        counts: &rows.counts,
        open_row: grid.row_of(session_ends.open),
        close_row: grid.row_of(session_ends.close),
        rotation,
    };
    let kind = session_type(&measured, settings);
    let bias = bias(&measured, kind, settings);
    let levels = |area: ValueArea, poc: usize| Levels {
        poc: grid.price(poc),
        high: grid.price(area.high),
        low: grid.price(area.low),
    };
    let volume_levels = point_of_control(&volume.parts)
        .map(|poc| levels(value_area(&volume.parts, poc, shape.share, shape.method), poc));
    let counted = counted(&rows, poc, area, (top, bottom), settings);
    Ok(Some(Profile {
        symbol: instrument.symbol.clone(),
        session,
        grid: Grid::of(instrument),
        shape,
        period_minutes: instrument.tpo_period_minutes,
        at: until,
        session_type: kind,
        bias,
        levels: levels(area, poc),
        range,
        ends: session_ends,
        initial_balance,
        initial_balance_is_late: periods.first().is_some_and(|period| period.at > 0),
        single_prints: single_prints(&rows, settings).into_iter().map(|run| prices(run, grid)).collect(),
        poor_high: top.poor,
        poor_low: bottom.poor,
        tail_high: top.tail.map(|run| prices(run, grid)),
        tail_low: bottom.tail.map(|run| prices(run, grid)),
        tpo_counts: counted,
        rotation_factor: rotation,
        volume: volume.total(),
        volume_levels,
        cash: cash(question, bars, session_ends, until),
        minutes_expected: window.minutes(),
        minutes_seen,
        lowest_row: grid.price(0),
        row_tpos: rows.counts,
        row_volumes: volume.parts,
        periods,
    }))
}

fn span(periods: &[Period]) -> Range {
    let low = periods.iter().map(|period| period.low).min().unwrap_or_default();
    let high = periods.iter().map(|period| period.high).max().unwrap_or_default();
    Range { low, high }
}

/// The range of the periods that begin in the first minutes, counted from the period that traded first.
fn initial_balance(periods: &[Period], period_minutes: u32, settings: &Settings) -> Range {
    let count = settings.initial_balance_minutes.div_ceil(period_minutes.max(1)) as usize;
    let first = periods.first().map_or(0, |period| period.at);
    let within = periods.iter().take_while(|period| period.at < first + count).count();
    span(&periods[..within])
}

fn prices(run: Run, grid: RowGrid) -> Range {
    Range { low: grid.price(run.low), high: grid.price(run.high) }
}

/// First and last price of the regular hours, as far as this session has them.
fn cash(question: &Question<'_>, bars: &[Bar], own: Ends, until: Option<DateTime<Utc>>) -> Option<Ends> {
    let session = question.session;
    match session.kind {
        SessionKind::Rth => Some(own),
        SessionKind::Overnight => None,
        SessionKind::Full => {
            let regular = question.instrument.session_of_kind(session.date, SessionKind::Rth)?;
            ends(bars, Window::new(regular, question.instrument.tpo_period_minutes, until))
        }
    }
}
