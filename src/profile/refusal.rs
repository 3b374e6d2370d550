//! A session that its bars allow no profile of, remembered in the record of the year's table (`details.refused`): so that it is told
//! once and not computed again until its bars change, and so that who asks for it hears why there is none.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::market::{SessionKind, TradingDate};

/// The member of a table's `details`.
const MEMBER: &str = "refused";

/// What was refused, of which bars and by which settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Row", into = "Row")]
pub struct Refusal {
    pub date: TradingDate,
    pub session: SessionKind,
    /// Of the day's bars.
    pub source_sha256: String,
    /// Begins with a name, such as `bars_too_coarse`.
    pub reason: String,
    pub calculation_version: String,
    /// Fingerprint of the settings.
    pub settings: String,
}

type Row = (TradingDate, SessionKind, String, String, String, String);

impl From<Row> for Refusal {
    fn from((date, session, source_sha256, reason, calculation_version, settings): Row) -> Self {
        Self { date, session, source_sha256, reason, calculation_version, settings }
    }
}

impl From<Refusal> for Row {
    fn from(of: Refusal) -> Self {
        (of.date, of.session, of.source_sha256, of.reason, of.calculation_version, of.settings)
    }
}

/// What a table's record remembers; nothing where the member is missing or made by a later version in another shape: then the
/// session is computed once more.
pub fn remembered(details: &Value) -> Vec<Refusal> {
    details.get(MEMBER).and_then(|member| serde_json::from_value(member.clone()).ok()).unwrap_or_default()
}

/// Adds the member to `details`, where there is anything to remember.
pub fn remember(details: &mut Value, refused: &[Refusal]) {
    if let (Value::Object(members), false) = (details, refused.is_empty()) {
        members.insert(MEMBER.to_owned(), serde_json::json!(refused));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_read_again_and_nothing_leaves_no_member() {
        let refusal = Refusal {
            date: "2025-01-15".parse().unwrap(),
            session: SessionKind::Rth,
            source_sha256: "a".repeat(64),
            reason: "bars_too_coarse: the 60-minute bar".into(),
            calculation_version: "tpo-1".into(),
            settings: "00ff".into(),
        };
        let mut details = serde_json::json!({"days": []});
        remember(&mut details, &[]);
        assert_eq!(details, serde_json::json!({"days": []}));
        remember(&mut details, std::slice::from_ref(&refusal));
        assert_eq!(details["refused"][0][1], "rth");
        assert_eq!(remembered(&details), [refusal]);
        assert_eq!(remembered(&serde_json::json!({"refused": [["2025-01-15"]]})), []);
    }
}
