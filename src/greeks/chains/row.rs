//! One option's row, whatever the format: its cells as text, judged into a [`Quote`] or a [`Refused`]. Every reader of
//! this folder goes through here; it must never fill in a value that the row does not hold.

use std::borrow::Cow;

use chrono::{Datelike, NaiveDate};

use super::contract::Contract;
use super::{Quote, Refused};
use crate::greeks::bsm::Side;
use crate::market::TradingDate;

/// The cells of one row as they stand in the document; an absent cell, a null and a placeholder for nothing are `None`.
#[derive(Debug, Default)]
pub(super) struct Row<'a> {
    pub place: u64,
    pub contract: Option<Cow<'a, str>>,
    pub root: Option<Cow<'a, str>>,
    pub expiration: Option<Cow<'a, str>>,
    pub side: Option<Cow<'a, str>>,
    pub strike: Option<Cow<'a, str>>,
    pub open_interest: Option<Cow<'a, str>>,
    pub implied_volatility: Option<Cow<'a, str>>,
    pub gamma: Option<Cow<'a, str>>,
    /// The whole row, for the refusal.
    pub text: Cow<'a, str>,
}

/// A cell of a text table: `None` when it is one of the usual ways to write nothing.
pub(super) fn cell(text: &str) -> Option<Cow<'_, str>> {
    let text = text.trim();
    let nothing = ["", "-", "--", "null", "nan", "none", "n/a", "na"];
    (!nothing.iter().any(|word| text.eq_ignore_ascii_case(word))).then_some(Cow::Borrowed(text))
}

/// A finite decimal number, with or without thousands separators (`1,234.5`).
pub(super) fn number(text: &str) -> Option<f64> {
    let text = text.trim();
    let value = if text.contains(',') { separated(text)?.parse::<f64>() } else { text.parse::<f64>() };
    value.ok().filter(|value| value.is_finite())
}

fn separated(text: &str) -> Option<String> {
    let whole = text.split('.').next().unwrap_or(text).trim_start_matches('-');
    let mut groups = whole.split(',');
    let leads = groups.next().is_some_and(|group| (1..=3).contains(&group.len()));
    (leads && groups.all(|group| group.len() == 3)).then(|| text.replace(',', ""))
}

/// A date as `2026-07-13`, `20260713` or `Mon Jul 13 2026`; month and day in digits with slashes are ambiguous and not read.
fn date(text: &str) -> Option<TradingDate> {
    let text = text.trim();
    let formats: &[&str] = match text.len() {
        8 => &["%Y%m%d"],
        10 => &["%Y-%m-%d"],
        _ => &["%a %b %d %Y"],
    };
    let date = formats.iter().find_map(|format| NaiveDate::parse_from_str(text, format).ok())?;
    TradingDate::from_ymd(date.year(), date.month(), date.day())
}

fn side(text: &str) -> Option<Side> {
    match text.trim().to_ascii_lowercase().as_str() {
        "c" | "call" | "calls" => Some(Side::Call),
        "p" | "put" | "puts" => Some(Side::Put),
        _ => None,
    }
}

/// A volatility as a fraction, or as a percentage with its sign (`14.3%`).
fn volatility(text: &str) -> Option<f64> {
    match text.trim().strip_suffix('%') {
        Some(percent) => number(percent).map(|value| value / 100.0),
        None => number(text),
    }
}

struct Blame(&'static str, &'static str, String);

impl Row<'_> {
    /// The quote that the row states, or why it states none.
    pub(super) fn judge(&self) -> Result<Quote, Refused> {
        let mut known = (None, None);
        self.read(&mut known).map_err(|Blame(field, code, reason)| {
            let unknown = if known_to_add_nothing(self.open_interest.as_deref()) { None } else { known.0.zip(known.1) };
            self.refuse(field, code, reason, unknown)
        })
    }

    pub(super) fn refuse(
        &self,
        field: &'static str,
        code: &'static str,
        reason: String,
        leaves_unknown: Option<(TradingDate, f64)>,
    ) -> Refused {
        let mut end = self.text.len().min(Refused::TEXT_BYTES);
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        Refused { place: self.place, field, code, reason, text: self.text[..end].to_owned(), leaves_unknown }
    }

    fn read(&self, known: &mut (Option<TradingDate>, Option<f64>)) -> Result<Quote, Blame> {
        let contract = match self.contract.as_deref() {
            None => None,
            Some(name) => Some(Contract::read(name).ok_or_else(|| {
                Blame(
                    "contract",
                    "bad_contract",
                    format!("{name:?} is not an OCC option symbol (root, yymmdd, C or P, strike)"),
                )
            })?),
        };
        let contract = contract.as_ref();

        let expiration = field(
            "expiration",
            ["missing_expiration", "bad_expiration"],
            &self.expiration,
            date,
            "a date such as 2026-07-17",
        )?;
        let expiration = agreed("expiration", expiration, contract.map(|contract| contract.expiration))?;
        known.0 = Some(expiration);
        let strike = field("strike", ["missing_strike", "bad_strike"], &self.strike, positive, "a positive number")?;
        let strike = agreed("strike", strike, contract.map(|contract| contract.strike))?;
        known.1 = Some(strike);
        let side = field("side", ["missing_side", "bad_side"], &self.side, side, "call or put")?;
        let side = agreed("side", side, contract.map(|contract| contract.side))?;

        let open_interest = optional(
            "open_interest",
            "bad_open_interest",
            &self.open_interest,
            not_negative,
            "a number of contracts, 0 or more",
        )?;
        let implied_volatility =
            optional("iv", "bad_iv", &self.implied_volatility, volatility, "a volatility such as 0.143 or 14.3%")?;
        let gamma = optional("gamma", "bad_gamma", &self.gamma, not_negative, "a number, 0 or more")?;
        let root = contract
            .map(|contract| contract.root.clone())
            .or_else(|| self.root.as_deref().map(str::to_ascii_uppercase));
        Ok(Quote { place: self.place, root, expiration, side, strike, open_interest, implied_volatility, gamma })
    }
}

fn known_to_add_nothing(open_interest: Option<&str>) -> bool {
    open_interest.is_none_or(|text| number(text) == Some(0.0))
}

fn positive(text: &str) -> Option<f64> {
    number(text).filter(|value| *value > 0.0 && *value < 1e9)
}

fn not_negative(text: &str) -> Option<f64> {
    number(text).filter(|value| *value >= 0.0 && *value < 1e12)
}

fn optional<T>(
    name: &'static str,
    bad: &'static str,
    cell: &Option<Cow<'_, str>>,
    read: impl Fn(&str) -> Option<T>,
    wanted: &str,
) -> Result<Option<T>, Blame> {
    match cell.as_deref() {
        None => Ok(None),
        Some(text) => match read(text) {
            Some(value) => Ok(Some(value)),
            None => Err(Blame(name, bad, format!("{name} is {text:?}, not {wanted}"))),
        },
    }
}

type Stated<T> = Result<T, &'static str>;

/// `Ok(Err(code))` when the cell is absent: the contract's name may still say it.
fn field<T>(
    name: &'static str,
    [missing, bad]: [&'static str; 2],
    cell: &Option<Cow<'_, str>>,
    read: impl Fn(&str) -> Option<T>,
    wanted: &str,
) -> Result<Stated<T>, Blame> {
    Ok(optional(name, bad, cell, read, wanted)?.ok_or(missing))
}

/// The value of cell and contract name, which must not contradict each other.
fn agreed<T: PartialEq + std::fmt::Debug>(name: &'static str, stated: Stated<T>, named: Option<T>) -> Result<T, Blame> {
    match (stated, named) {
        (Ok(stated), Some(named)) if stated != named => {
            Err(Blame(name, "contradiction", format!("{name} says {stated:?}, the contract's name says {named:?}")))
        }
        (Ok(value), _) | (Err(_), Some(value)) => Ok(value),
        (Err(missing), None) => Err(Blame(name, missing, format!("{name} is missing"))),
    }
}
