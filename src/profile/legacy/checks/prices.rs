//! Prices that no such instrument has: not above zero, beside the tick grid, far from those of the sessions around.

use super::super::code::{Code, Finding};
use super::super::survey::OfArchive;
use super::Subject;
use crate::market::AssetClass;

/// Prices named in one finding.
const SHOWN: usize = 5;

pub(super) fn check(subject: &Subject<'_>, archive: &OfArchive, findings: &mut Vec<Finding>) {
    let record = subject.record;
    // Futures have traded below zero, and then the session's low says so.
    let may_be_negative = subject.instrument.asset_class == AssetClass::Future && record.session_low < Some(0.0);
    let (mut impossible, mut off) = (Vec::new(), Vec::new());
    for (name, price) in prices(subject) {
        match subject.grid.ticks(price) {
            None => impossible.push(format!("{name} {price}")),
            Some(_) if price <= 0.0 && !may_be_negative => impossible.push(format!("{name} {price}")),
            Some(on) if !on.exact => off.push(format!("{name} {price}")),
            Some(_) => {}
        }
    }
    if !impossible.is_empty() {
        findings.push(Finding::new(Code::ImpossiblePrice, "", listed(&impossible)));
    }
    if !off.is_empty() {
        let evidence = format!("{}; the tick is {}", listed(&off), subject.instrument.tick_size);
        findings.push(Finding::new(Code::OffTickGrid, "", evidence));
    }
    if let (Some((before, after)), true) = (archive.strange_beside, impossible.is_empty()) {
        let beside = |middle: Option<f64>| middle.map_or("nothing".to_owned(), |middle| format!("about {middle}"));
        let evidence = format!(
            "{} to {}, {} before and {} after",
            record.session_low.unwrap_or_default(),
            record.session_high.unwrap_or_default(),
            beside(before),
            beside(after)
        );
        findings.push(Finding::new(Code::ImplausiblePrice, "", evidence));
    }
}

/// Every price of the record with its name.
fn prices(subject: &Subject<'_>) -> Vec<(String, f64)> {
    let record = subject.record;
    let levels = record.levels().into_iter().filter_map(|(field, price)| Some((field.name().to_owned(), price?)));
    let prints = record.single_prints.iter().flatten().flatten();
    let prints = prints.map(|price| ("single print".to_owned(), *price));
    let periods = record.tpo_structure.iter().flatten();
    let periods = periods.flat_map(|period| [period.high, period.low].map(|price| (period.letter.clone(), price)));
    levels.chain(prints).chain(periods).collect()
}

fn listed(prices: &[String]) -> String {
    let shown = prices.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    match prices.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
