//! Volume that no session has, or hardly one.

use super::super::code::{Code, Finding};
use super::super::field::Field;
use super::super::survey::OfArchive;
use super::Subject;
use crate::market::AssetClass;

/// Times the median, either way.
const FAR: f64 = 100.0;

pub(super) fn check(subject: &Subject<'_>, archive: &OfArchive, findings: &mut Vec<Finding>) {
    let Some(volume) = subject.record.volume else { return };
    // An index does not trade; where it is given a volume, that is a sum of others' and anybody's choice.
    if volume == 0.0 && subject.instrument.asset_class == AssetClass::Index {
        return;
    }
    let fractions = subject.instrument.asset_class == AssetClass::Crypto;
    let usual = archive.usual_volume;
    let (code, evidence) = match usual {
        _ if volume <= 0.0 => (Code::ImpossibleVolume, format!("{volume}")),
        _ if volume.fract() != 0.0 && !fractions => (Code::ImpossibleVolume, format!("{volume} is not whole")),
        Some(usual) if volume > FAR * usual => (Code::ImpossibleVolume, format!("{volume}; the median is {usual}")),
        Some(usual) if volume < usual / FAR => (Code::OddVolume, format!("{volume}; the median is {usual}")),
        _ => return,
    };
    findings.push(Finding::new(code, Field::Volume.name(), evidence));
}
