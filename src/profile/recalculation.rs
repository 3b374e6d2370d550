//! What a recalculation changes, session by session and field by field. Pure; shown by `pitlake recalculate`.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::compact::{Computed, Due, Why};
use super::session_record::SessionRecord;
use crate::market::{SessionKind, Symbol, TradingDate};

/// Fields that say where a profile comes from, and nothing of the session.
const ORIGIN: [&str; 4] = ["calculation_version", "revision", "source_sha256", "settings"];

/// Where a profile comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Origin {
    pub calculation_version: String,
    pub revision: u32,
    pub settings: Option<String>,
}

/// One field that differs, as its JSON values.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    pub field: String,
    pub old: Value,
    pub new: Value,
}

/// One session that is computed again.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Recalculated {
    pub symbol: Symbol,
    pub date: TradingDate,
    pub session: SessionKind,
    pub why: Why,
    /// None for a session that had no profile.
    pub from: Option<Origin>,
    /// None for a session that has no bars any more.
    pub to: Option<Origin>,
    /// In the order of the fields' names.
    pub changes: Vec<Change>,
}

/// The sessions of the dates that are due, each with what changes; a session that stays as it is to the last field is left out.
pub fn compare(due: &[Due], current: &[SessionRecord], computed: &Computed) -> Vec<Recalculated> {
    let whys: BTreeMap<TradingDate, Why> = due.iter().map(|due| (due.date, due.why)).collect();
    let by_session = |records: &[SessionRecord]| -> BTreeMap<(TradingDate, &'static str), SessionRecord> {
        let of_due = records.iter().filter(|record| whys.contains_key(&record.date));
        of_due.map(|record| ((record.date, record.session.as_str()), record.clone())).collect()
    };
    let (old, new) = (by_session(current), by_session(&computed.records));
    let withdrawn = computed.withdrawn.iter().map(|of| (of.date, of.session.as_str()));
    let refused = computed.refused.iter().map(|of| (of.date, of.session.as_str()));
    let withdrawn: BTreeSet<_> = withdrawn.chain(refused).collect();
    let keys: BTreeSet<_> = new.keys().chain(&withdrawn).copied().collect();
    keys.into_iter()
        .filter_map(|key| {
            let (before, after) = (old.get(&key), new.get(&key));
            if before == after {
                return None;
            }
            let any = before.or(after)?;
            Some(Recalculated {
                symbol: any.symbol.clone(),
                date: any.date,
                session: any.session,
                why: whys.get(&any.date).copied()?,
                from: before.map(origin),
                to: after.map(origin),
                changes: changes(before, after),
            })
        })
        .collect()
}

fn origin(record: &SessionRecord) -> Origin {
    Origin {
        calculation_version: record.calculation_version.clone(),
        revision: record.revision,
        settings: record.settings.clone(),
    }
}

/// Fields that differ; one that only one of them has is null in the other.
pub fn changes(old: Option<&SessionRecord>, new: Option<&SessionRecord>) -> Vec<Change> {
    let members = |record: Option<&SessionRecord>| match record.map(serde_json::to_value) {
        Some(Ok(Value::Object(members))) => members,
        _ => serde_json::Map::new(),
    };
    let (old, new) = (members(old), members(new));
    let fields: BTreeSet<&String> =
        old.keys().chain(new.keys()).filter(|name| !ORIGIN.contains(&name.as_str())).collect();
    let value = |members: &serde_json::Map<String, Value>, field: &str| members.get(field).cloned().unwrap_or_default();
    fields
        .into_iter()
        .map(|field| Change { field: field.clone(), old: value(&old, field), new: value(&new, field) })
        .filter(|change| change.old != change.new)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::sample::computed;

    #[test]
    fn every_field_that_moved_is_told_with_both_values() {
        let old = computed("2025-01-15", 1);
        let mut new = computed("2025-01-15", 2);
        (new.poc, new.tail_low) = (21_400.0, Some([21_370.0, 21_370.5]));
        new.reasons.pop();
        let told = changes(Some(&old), Some(&new));
        let told: Vec<String> =
            told.iter().map(|change| format!("{} {} {}", change.field, change.old, change.new)).collect();
        let expected = [
            "poc 21401.5 21400.0",
            r#"reasons ["missing_minutes","outside_session"] ["missing_minutes"]"#,
            "tail_low null [21370.0,21370.5]",
        ];
        assert_eq!(told, expected, "where it comes from is no change of the session");
    }

    #[test]
    fn only_what_is_due_is_compared_and_what_is_withdrawn_has_no_new_side() {
        let due = [Due { date: "2025-01-15".parse().unwrap(), why: Why::BarsChanged }];
        let current = [computed("2025-01-14", 1), computed("2025-01-15", 1)];
        let (date, session) = ("2025-01-15".parse().unwrap(), SessionKind::Rth);
        let gone = crate::profile::merge::Withdrawal { date, session, grounds: crate::profile::merge::Grounds::NoBars };
        let new = Computed { withdrawn: vec![gone], ..Computed::default() };
        let found = compare(&due, &current, &new);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].to.clone(), found[0].why), (None, Why::BarsChanged));
        let poc = found[0].changes.iter().find(|change| change.field == "poc").unwrap();
        assert_eq!((poc.old.as_f64(), poc.new.is_null()), (Some(21_401.5), true));
    }
}
