//! The words of this room that stand in files and answers: names of datasets, versions, session types, biases, methods.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The current row of each date and session.
pub const PROFILES: &str = "profiles";
/// Superseded rows, and what was brought in from the old archive.
pub const PROFILES_HISTORY: &str = "profiles_history";
/// Captures of the old JSON archive; they have no partitions of their own.
pub const LEGACY_TPO: &str = "legacy_tpo";

/// Changes whenever the same bars would give other numbers.
pub const CALCULATION: &str = "tpo-1";
/// The version of sessions that were brought in from the old archive as they were.
pub const LEGACY: &str = "legacy";

/// Whether a calculation of this room is a later one than [`CALCULATION`].
pub fn is_newer(version: &str) -> bool {
    number(version) > number(CALCULATION)
}

/// The number of a version; none for `legacy`, which comes before all of them.
pub fn number(version: &str) -> Option<u32> {
    version.strip_prefix("tpo-").and_then(|number| number.parse().ok())
}

/// An enumeration whose members have one spelling everywhere.
macro_rules! words {
    ($(#[$about:meta])* $name:ident, $what:literal { $($(#[$member_about:meta])* $member:ident = $word:literal),+ $(,)? }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
        pub enum $name {
            $($(#[$member_about])* #[serde(rename = $word)] $member),+
        }

        impl $name {
            pub const ALL: &[Self] = &[$(Self::$member),+];

            pub fn as_str(self) -> &'static str {
                match self { $(Self::$member => $word),+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self> {
                Self::ALL.iter().copied().find(|word| word.as_str() == text).ok_or_else(|| {
                    let shown: String = text.chars().take(40).collect();
                    Error::invalid(format!(concat!("{:?} is no ", $what, ": choose {}"), shown, [$($word),+].join(", ")))
                })
            }
        }
    };
}

words! {
    /// The shape of a session.
    SessionType, "session type" {
        NonTrend = "non_trend",
        Normal = "normal",
        NormalVariation = "normal_variation",
        Trend = "trend",
        DoubleDistributionTrend = "double_distribution_trend",
        Neutral = "neutral",
        NeutralExtreme = "neutral_extreme",
    }
}

words! {
    /// Which side won the session.
    Bias, "bias" {
        Up = "up",
        Down = "down",
        Neutral = "neutral",
    }
}

words! {
    /// How the value area grows from the point of control.
    #[derive(Default)]
    ValueAreaMethod, "value area method" {
        /// The larger neighbouring row each time, the upper one of two equal ones.
        #[default]
        OneRow = "one-row",
        /// The larger sum of the next two rows each time, as the CBOT's handbook has it.
        TwoRow = "two-row",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_have_one_spelling() {
        for word in SessionType::ALL {
            assert_eq!(word.to_string().parse::<SessionType>().unwrap(), *word);
            assert_eq!(serde_json::to_string(word).unwrap(), format!("\"{word}\""));
        }
        let error = "sideways".parse::<Bias>().unwrap_err();
        assert!(error.detail().contains("up, down, neutral"), "{}", error.detail());
        assert_eq!(ValueAreaMethod::default().as_str(), "one-row");
    }

    #[test]
    fn legacy_comes_before_every_calculation() {
        assert!(is_newer("tpo-2") && !is_newer(CALCULATION) && !is_newer(LEGACY));
    }
}
