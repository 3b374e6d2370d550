//! Every field computed again from bars and compared.

use super::super::code::{Code, Finding};
use super::super::field::Field;
use super::super::row_height::RowHeight;
use super::super::shapes::place;
use super::Subject;
use crate::Result;
use crate::market::{AssetClass, Instrument, Session, Ticks};
use crate::profile::Profile;

/// Bars of different vendors rarely agree on every contract.
const VOLUME_SHARE: f64 = 0.01;
/// Returns were written with four decimals.
const ROUNDING: f64 = 0.000_051;

/// A session computed again.
#[derive(Debug, Clone)]
pub struct Recomputed {
    pub profile: Profile,
    /// Why the day's bars are not to be trusted altogether.
    pub degraded: Option<String>,
    /// Ticks in its rows.
    pub row_ticks: u32,
}

/// What bars say of a session.
#[derive(Debug, Clone)]
pub enum Measure {
    /// There are none of it.
    Nothing,
    /// There are, and they allow no profile: why.
    Refused(String),
    Made(Box<Recomputed>),
}

/// Whoever can compute a session again.
pub trait Recompute: Sync {
    /// # Errors
    /// Those of the store.
    fn session(&self, instrument: &Instrument, session: Session) -> Result<Measure>;

    /// Of the archive.
    fn rows(&self) -> RowHeight;
}

/// Says whether the record was compared with anything.
pub(super) fn check(subject: &Subject<'_>, bars: &dyn Recompute, findings: &mut Vec<Finding>) -> Result<bool> {
    let Recomputed { profile, degraded, row_ticks } = match bars.session(subject.instrument, subject.session)? {
        Measure::Made(made) => *made,
        Measure::Nothing => return Ok(false),
        Measure::Refused(why) => {
            findings.push(Finding::new(Code::NotComparable, "", format!("with bars: {why}")));
            return Ok(false);
        }
    };
    if bars.rows().is_other(row_ticks) && !findings.iter().any(|finding| finding.code == Code::OtherRows) {
        findings.push(Finding::new(Code::OtherRows, "", format!("rows of {row_ticks} ticks")));
    }
    let why = degraded.as_deref().map_or(String::new(), |why| format!(" (bars: {why})"));
    let code = if degraded.is_some() { Code::DiffersFromDegradedBars } else { Code::DiffersFromBars };
    let mut differ = |code: Code, field: Field, said: String, made: String| {
        findings.push(Finding::new(code, field.name(), format!("{said}; bars make {made}{why}")));
    };
    let record = subject.record;
    let price = |ticks: Ticks| subject.grid.price(ticks);
    let levels = [
        (Field::SessionHigh, profile.range.high),
        (Field::SessionLow, profile.range.low),
        (Field::ValueAreaHigh, profile.levels.high),
        (Field::ValueAreaLow, profile.levels.low),
        (Field::Poc, profile.levels.poc),
        (Field::InitialBalanceHigh, profile.initial_balance.high),
        (Field::InitialBalanceLow, profile.initial_balance.low),
    ];
    for ((field, made), (_, said)) in levels.into_iter().zip(record.levels()) {
        if let Some(said) = said.filter(|said| *said != price(made)) {
            differ(code, field, said.to_string(), price(made).to_string());
        }
    }
    let flags = [
        (Field::PoorHigh, record.poor_high, profile.poor_high),
        (Field::PoorLow, record.poor_low, profile.poor_low),
        (Field::ExcessHigh, record.excess_high, profile.tail_high.is_some()),
        (Field::ExcessLow, record.excess_low, profile.tail_low.is_some()),
    ];
    for (field, said, made) in flags {
        if let Some(said) = said.filter(|said| *said != made) {
            differ(code, field, said.to_string(), made.to_string());
        }
    }
    if let Some(said) = &record.single_prints {
        let mut said: Vec<[f64; 2]> = said.clone();
        let mut made: Vec<[f64; 2]> =
            profile.single_prints.iter().map(|run| [price(run.low), price(run.high)]).collect();
        said.sort_by(|a, b| a[0].total_cmp(&b[0]));
        made.sort_by(|a, b| a[0].total_cmp(&b[0]));
        if said != made {
            differ(code, Field::SinglePrints, format!("{said:?}"), format!("{made:?}"));
        }
    }
    if let Some(said) = &record.tpo_structure {
        let made = profile.periods.iter().map(|period| (period.at, price(period.high), price(period.low)));
        let told = said.iter().map(|period| (place(&period.letter), period.high, period.low));
        let (made, told): (Vec<_>, Vec<_>) = (made.collect(), told.collect());
        let strange = told.iter().filter(|period| !made.contains(period));
        let lacking = made.iter().filter(|(at, ..)| !told.iter().any(|(told, ..)| told == at));
        let letters: Vec<String> =
            strange.chain(lacking).map(|(at, ..)| crate::profile::session_record::letter(*at)).collect();
        if !letters.is_empty() {
            differ(code, Field::TpoStructure, format!("periods {}", letters.join(", ")), "others".to_owned());
        }
    }
    // An index's volume is the vendor's choice, or none.
    if let Some(said) = record.volume
        && subject.instrument.asset_class != AssetClass::Index
        && (said - profile.volume).abs() > VOLUME_SHARE * profile.volume.max(1.0)
    {
        differ(code, Field::Volume, said.to_string(), profile.volume.to_string());
    }
    if let (Some(said), Some(made)) = (record.cash_session_return, profile.cash_session_return())
        && (said - made).abs() > ROUNDING
    {
        differ(code, Field::CashSessionReturn, said.to_string(), format!("{made:.6}"));
    }
    if let Some(said) = record.session_type.filter(|said| *said != profile.session_type) {
        differ(Code::ClassificationDiffers, Field::SessionType, said.to_string(), profile.session_type.to_string());
    }
    if let Some(said) = record.bias.filter(|said| *said != profile.bias) {
        differ(Code::ClassificationDiffers, Field::Bias, said.to_string(), profile.bias.to_string());
    }
    Ok(true)
}
