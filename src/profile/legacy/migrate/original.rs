//! A record of the archive as a capture keeps it, and as the row that it may become. Pure.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::lake::journal::Note;
use crate::lake::manifest::Condition;
use crate::market::{AssetClass, Instrument};
use crate::profile::legacy::{Finding, Judged, Original};
use crate::profile::record::LEGACY;
use crate::profile::session_record::{Period, Periods, SessionRecord};
use crate::{Error, Result};

/// The reason of every row that was brought in: it passed what a record alone can be held against, nothing more.
pub const UNVERIFIED: &str = "legacy_unverified";

/// One line of a capture of dataset `legacy_tpo`.
#[derive(Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct CaptureDocument<'d> {
    /// Relative to the archive.
    pub file: std::borrow::Cow<'d, str>,
    /// Which record of the file, from 0.
    pub index: u32,
    /// Where it begins, from 1.
    pub line: u64,
    /// The record as it stands there, comments and all.
    pub text: std::borrow::Cow<'d, str>,
}

/// The line that a capture keeps: JSON without line breaks.
pub fn document(original: &Original) -> Result<Vec<u8>> {
    let document = CaptureDocument {
        file: original.file.as_ref().into(),
        index: original.index,
        line: original.line,
        text: original.text.as_str().into(),
    };
    serde_json::to_vec(&document)
        .map_err(|error| Error::internal("a record of the archive cannot be written down").caused_by(error))
}

/// Why a record was set aside: its gravest findings, or `otherwise` when there are none.
pub fn note(original: &Original, findings: &[Finding], otherwise: (&str, &str)) -> Note {
    let place = format!("{}[{}], line {}", original.file, original.index, original.line);
    let gravest = findings.first().map(Finding::severity);
    let told: Vec<&Finding> = findings
        .iter()
        .filter(|finding| Some(finding.severity()) == gravest)
        .filter(|finding| finding.severity() > crate::profile::legacy::Severity::Note)
        .collect();
    let Some(first) = told.first() else {
        let (code, reason) = otherwise;
        return Note { code: code.to_owned(), place, field: None, timestamp: None, reason: reason.to_owned() };
    };
    let sentence = |finding: &&Finding| {
        let field = if finding.field.is_empty() { String::new() } else { format!(" ({})", finding.field) };
        let evidence = if finding.evidence.is_empty() { String::new() } else { format!(": {}", finding.evidence) };
        format!("{}{field}{evidence}", finding.code.about())
    };
    let reasons: Vec<String> = told.iter().map(sentence).collect();
    Note {
        code: first.code.to_string(),
        place,
        field: (!first.field.is_empty()).then(|| first.field.to_owned()),
        timestamp: None,
        reason: format!("{}. To mend it: {}", reasons.join("; "), first.code.fix()),
    }
}

/// The record as a row; `None` when a field that every row has is missing. The same text gives the same row in every run.
pub fn row(judged: &Judged) -> Option<SessionRecord> {
    let instrument: &Instrument = judged.identity.instrument.as_ref()?;
    let session = judged.identity.session?;
    let record = &judged.record;
    let periods = record.tpo_structure.as_ref()?.iter().map(|period| Period {
        letter: period.letter.clone(),
        high: period.high,
        low: period.low,
    });
    Some(SessionRecord {
        symbol: instrument.symbol.clone(),
        date: session.date,
        session: session.kind,
        calculation_version: LEGACY.to_owned(),
        revision: 1,
        condition: Condition::Degraded,
        reasons: vec![UNVERIFIED.to_owned()],
        session_type: record.session_type?,
        bias: record.bias?,
        value_area_high: record.value_area_high?,
        value_area_low: record.value_area_low?,
        poc: record.poc?,
        initial_balance_high: record.initial_balance_high?,
        initial_balance_low: record.initial_balance_low?,
        session_high: record.session_high?,
        session_low: record.session_low?,
        single_prints: record.single_prints.clone()?,
        poor_high: record.poor_high?,
        poor_low: record.poor_low?,
        excess_high: record.excess_high?,
        excess_low: record.excess_low?,
        tpo_structure: Periods(periods.collect()),
        volume: record.volume.or((instrument.asset_class == AssetClass::Index).then_some(0.0))?,
        cash_session_return: record.cash_session_return,
        session_open: None,
        session_close: None,
        opens_at: Some(session.open),
        closes_at: Some(session.close),
        value_area_method: None,
        value_area_share: None,
        tick_size: Some(instrument.tick_size.to_f64()),
        row_ticks: None,
        tpo_period_minutes: Some(instrument.tpo_period_minutes),
        tpo_counts: None,
        range_extension_up: None,
        range_extension_down: None,
        tail_high: None,
        tail_low: None,
        rotation_factor: None,
        volume_poc: None,
        volume_value_area_high: None,
        volume_value_area_low: None,
        minutes_expected: None,
        minutes_seen: None,
        at: None,
        source_sha256: hex::encode(Sha256::digest(judged.original.text.as_bytes())),
        settings: None,
    })
}
