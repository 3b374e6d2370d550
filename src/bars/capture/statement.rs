//! What ingest itself says in a capture, beside the bars: that another capture of the date does not count any more, or that bars which
//! were there already are said again. Printed by ingest, read by compaction and by the next ingest. Pure.
//!
//! ```json
//! {"withdraws":"0f3c…"}
//! {"again":"91d2…"}
//! ```

use serde::{Deserialize, Serialize};

/// A statement; both name a capture of the same symbol and date. A capture's id comes from its content, so only what was there
/// before can be named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Statement {
    /// The documents of this capture do not count any more: the same file was read otherwise.
    Withdraws(String),
    /// Said once more, after this capture: it makes this one another capture, received later.
    Again(String),
}

impl Statement {
    /// The statement that a captured document is; `None` for a bar.
    pub fn read(document: &[u8]) -> Option<Self> {
        let is_one = document.starts_with(b"{\"withdraws\":") || document.starts_with(b"{\"again\":");
        if is_one { serde_json::from_slice(document).ok() } else { None }
    }

    /// The document.
    pub fn print(&self) -> Vec<u8> {
        let (name, id) = match self {
            Self::Withdraws(id) => ("withdraws", id),
            Self::Again(id) => ("again", id),
        };
        format!("{{\"{name}\":{}}}", serde_json::Value::from(id.as_str())).into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_comes_back_and_a_bar_is_none() {
        for (statement, spelled) in [
            (Statement::Withdraws("0f".into()), r#"{"withdraws":"0f"}"#),
            (Statement::Again("91".into()), r#"{"again":"91"}"#),
        ] {
            assert_eq!(statement.print(), spelled.as_bytes());
            assert_eq!(Statement::read(spelled.as_bytes()), Some(statement));
        }
        assert_eq!(Statement::read(br#"{"symbol":"SPY","timestamp":"x"}"#), None);
    }
}
