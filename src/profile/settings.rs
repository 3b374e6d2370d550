//! Every threshold of the profile engine, with its default; a lake's `_config/profile.toml` changes them. Whoever computes a
//! profile passes them in; [`Settings::fingerprint_with`] goes into manifests, so that a change makes sessions stale.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::record::ValueAreaMethod;
use super::share::Share;
use crate::market::Instrument;
use crate::{Error, Result};

/// What makes an extreme poor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PoorRule {
    /// Two periods or more traded at the very last row.
    #[default]
    TwoTpos,
    /// There is no tail, for whatever reason.
    NoTail,
}

/// What a profile is computed by, beyond the instrument's own entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The part of all TPOs that the value area must hold, above 0 up to 1.
    pub value_area_share: Share,
    pub value_area_method: ValueAreaMethod,
    /// The initial balance is the range of the periods that begin in the first so many minutes.
    pub initial_balance_minutes: u32,
    /// A run of single prints is told from so many rows on.
    pub single_print_rows: u32,
    /// Single-print rows that make a tail at an extreme.
    pub tail_rows: u32,
    pub poor_rule: PoorRule,
    /// Whether the TPO counts above and below the point of control include the tails.
    pub count_tails: bool,
    pub session_type: TypeThresholds,
    pub bias: BiasThresholds,
}

/// Thresholds of the session type; `docs/market-profile.md` shows in which order they are asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TypeThresholds {
    /// A session whose range is at most so many of the instrument's own rows is no trend of any kind.
    pub non_trend_rows: u32,
    /// A range extension counts from so many of the instrument's own rows on.
    pub extension_rows: u32,
    /// An initial balance of at least this share of the range makes the session a normal one.
    pub normal_share: Share,
    /// A trend's range is at least so many percent of the initial balance's.
    pub trend_range_percent: u32,
    /// In a trend no row is traded in more than this share of the periods.
    pub trend_width: Share,
    /// The outer part of the range in which a close is one at the extreme.
    pub extreme_close: Share,
    /// Rows of at most one TPO that part two distributions.
    pub separation_rows: u32,
    /// Each of two distributions holds at least this share of all TPOs.
    pub distribution_share: Share,
    /// Each of two distributions has a row that this share of the periods traded at.
    pub distribution_width: Share,
}

/// Thresholds of the bias: four votes, each for up, down or neither.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BiasThresholds {
    /// Close against open votes when they are at least this share of the range apart.
    pub move_share: Share,
    /// A close in the outer part of the range, this share of it, votes for that side.
    pub close_share: Share,
    /// The rotation factor votes from this number on.
    pub rotation: u32,
    /// Votes by which one side must lead.
    pub lead: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            value_area_share: Share::SEVENTY_PERCENT,
            value_area_method: ValueAreaMethod::OneRow,
            initial_balance_minutes: 60,
            single_print_rows: 1,
            tail_rows: 2,
            poor_rule: PoorRule::TwoTpos,
            count_tails: false,
            session_type: TypeThresholds::default(),
            bias: BiasThresholds::default(),
        }
    }
}

impl Default for TypeThresholds {
    fn default() -> Self {
        Self {
            non_trend_rows: 10,
            extension_rows: 1,
            normal_share: share(850_000),
            trend_range_percent: 200,
            trend_width: share(500_000),
            extreme_close: share(250_000),
            separation_rows: 2,
            distribution_share: share(250_000),
            distribution_width: share(300_000),
        }
    }
}

impl Default for BiasThresholds {
    fn default() -> Self {
        Self { move_share: share(100_000), close_share: share(333_333), rotation: 2, lead: 2 }
    }
}

const fn share(millionths: u32) -> Share {
    Share::from_millionths(millionths).expect("a default is at most one whole")
}

impl Settings {
    /// Reads the text of a `profile.toml`; what it does not name keeps its default.
    ///
    /// # Errors
    /// `Invalid`, naming `file` and key, for an unknown key or a value that makes no sense.
    pub fn parse(text: &str, file: &str) -> Result<Self> {
        let settings: Self = toml::from_str(text)
            .map_err(|error| Error::invalid(format!("{file}: {}", error.to_string().trim_end())))?;
        settings.check().map_err(|error| error.while_doing(file))?;
        Ok(settings)
    }

    fn check(&self) -> Result<()> {
        let kind = &self.session_type;
        let counts = [
            ("initial_balance_minutes", self.initial_balance_minutes, 1, 1440),
            ("single_print_rows", self.single_print_rows, 1, 1000),
            ("tail_rows", self.tail_rows, 1, 1000),
            ("session_type.non_trend_rows", kind.non_trend_rows, 0, 1_000_000),
            ("session_type.extension_rows", kind.extension_rows, 0, 1_000_000),
            ("session_type.trend_range_percent", kind.trend_range_percent, 100, 10_000),
            ("session_type.separation_rows", kind.separation_rows, 1, 1_000_000),
            ("bias.rotation", self.bias.rotation, 1, 1000),
            ("bias.lead", self.bias.lead, 1, 4),
        ];
        for (key, value, least, most) in counts {
            if !(least..=most).contains(&value) {
                return Err(Error::invalid(format!(
                    "{key} must be a whole number from {least} to {most}, not {value}"
                )));
            }
        }
        let half = share(500_000);
        for (key, value, most) in [
            ("value_area_share", self.value_area_share, share(1_000_000)),
            ("session_type.extreme_close", kind.extreme_close, half),
            ("session_type.distribution_share", kind.distribution_share, half),
            ("bias.close_share", self.bias.close_share, half),
        ] {
            if value.is_zero() || value > most {
                return Err(Error::invalid(format!("{key} must be above 0 and at most {most}, not {value}")));
            }
        }
        Ok(())
    }

    /// 16 hex digits of SHA-256 over every threshold.
    pub fn fingerprint(&self) -> String {
        hex::encode(&Sha256::digest(self.canonical())[..8])
    }

    /// 16 hex digits of SHA-256 over every threshold and everything of the instrument that changes a result.
    pub fn fingerprint_with(&self, instrument: &Instrument) -> String {
        let text = format!("{}{}\n", self.canonical(), instrument.settings_fingerprint());
        hex::encode(&Sha256::digest(text.as_bytes())[..8])
    }

    /// One line a threshold, in the order of the fields.
    fn canonical(&self) -> String {
        let (kind, bias) = (&self.session_type, &self.bias);
        let shares = [
            self.value_area_share,
            kind.normal_share,
            kind.trend_width,
            kind.extreme_close,
            kind.distribution_share,
            kind.distribution_width,
            bias.move_share,
            bias.close_share,
        ];
        let counts = [
            self.initial_balance_minutes,
            self.single_print_rows,
            self.tail_rows,
            kind.non_trend_rows,
            kind.extension_rows,
            kind.trend_range_percent,
            kind.separation_rows,
            bias.rotation,
            bias.lead,
        ];
        let mut text = format!(
            "pitlake profile settings 1\n{}\n{:?}\n{}\n",
            self.value_area_method, self.poor_rule, self.count_tails
        );
        for number in shares.into_iter().map(Share::millionths).chain(counts) {
            text.push_str(&format!("{number}\n"));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "profile.toml";

    #[test]
    fn what_a_file_does_not_name_keeps_its_default() {
        assert_eq!(Settings::parse("", FILE).unwrap(), Settings::default());
        let text =
            "value_area_share = 0.68\nvalue_area_method = \"two-row\"\npoor_rule = \"no-tail\"\n[bias]\nlead = 3\n";
        let settings = Settings::parse(text, FILE).unwrap();
        assert_eq!(settings.value_area_share.millionths(), 680_000);
        assert_eq!(settings.value_area_method, ValueAreaMethod::TwoRow);
        assert_eq!((settings.poor_rule, settings.bias.lead, settings.tail_rows), (PoorRule::NoTail, 3, 2));
        assert_eq!(settings.bias.rotation, BiasThresholds::default().rotation);
    }

    #[test]
    fn a_wrong_file_is_refused_by_file_and_key() {
        for (text, key) in [
            ("value_area = 0.7", "value_area"),
            ("[bias]\nvotes = 2", "votes"),
            ("value_area_share = 0", "value_area_share"),
            ("value_area_share = 70", "value_area_share"),
            ("tail_rows = 0", "tail_rows"),
            ("tail_rows = 2.5", "tail_rows"),
            ("value_area_method = \"three-row\"", "value_area_method"),
            ("[session_type]\nextreme_close = 0.6", "session_type.extreme_close"),
            ("bias = 3", "bias"),
            ("tail_rows =", "tail_rows"),
        ] {
            let error = Settings::parse(text, FILE).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::Invalid);
            assert!(error.detail().contains(FILE) && error.detail().contains(key), "{text}: {}", error.detail());
        }
    }

    #[test]
    fn every_threshold_is_in_the_fingerprint() {
        let written = toml::to_string(&Settings::default()).unwrap();
        let mut seen = vec![Settings::default().fingerprint()];
        let mut keys = 0;
        let mut section = String::new();
        for line in written.lines().filter(|line| !line.is_empty()) {
            if line.starts_with('[') {
                section = format!("{line}\n");
                continue;
            }
            let (key, value) = line.split_once(" = ").unwrap();
            let other = match value {
                "\"one-row\"" => "\"two-row\"".to_owned(),
                "\"two-tpos\"" => "\"no-tail\"".to_owned(),
                "false" => "true".to_owned(),
                number if number.contains('.') => (number.parse::<f64>().unwrap() / 2.0).to_string(),
                number => (number.parse::<u32>().unwrap() + 1).to_string(),
            };
            // A sixth of a million has no half.
            let other = if key == "close_share" { "0.25".to_owned() } else { other };
            seen.push(Settings::parse(&format!("{section}{key} = {other}"), FILE).unwrap().fingerprint());
            keys += 1;
        }
        assert_eq!(keys, 20);
        let all = seen.len();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), all);
        assert!(seen.iter().all(|one| one.len() == 16));
    }
}
