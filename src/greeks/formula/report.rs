//! What the formula did to one chain, for the manifest and the answer: which formula, from how much, how much of it
//! recomputed or refused. Data only; it must hold everything that a reader needs to distrust a number.

use serde::{Deserialize, Serialize};

use super::{Dealers, GreeksSource};

/// Living chains have positions in more than half of their contracts (0.77 to 0.98 in the chains this was set on);
/// saved before the overnight figures arrive they have them in less than 1 of 100. Anything between is far from both.
const DEAD_SHARE: f64 = 0.10;

/// One chain's account, or several chains' ([`FormulaReport::merged`]).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FormulaReport {
    /// [`super::Formula::NAME`]
    pub name: String,
    /// [`super::Formula::VERSION`]
    pub version: u32,
    pub dealers: Dealers,
    pub greeks: GreeksSource,
    /// Continuously compounded, a year, as used.
    pub rate: f64,
    /// Continuously compounded, a year, as used for this instrument.
    pub dividend_yield: f64,
    /// Dollars of underlying per option and dollar of spot, as used.
    pub option_multiplier: f64,
    /// Chains in this account.
    pub chains: u64,
    /// Of these, taken outside the instrument's session.
    pub outside_session: u64,
    /// Rows of the document: `quotes_used + refused`.
    pub quotes: u64,
    /// Rows in the sums: `zero_open_interest + gamma_as_sent + gamma_from_model`.
    pub quotes_used: u64,
    /// Rows used that add 0 because nothing is open.
    pub zero_open_interest: u64,
    /// Rows used with the source's gamma.
    pub gamma_as_sent: u64,
    /// Rows used with gamma recomputed from implied volatility.
    pub gamma_from_model: u64,
    /// Of the rows used with open interest, those without a usable implied volatility: vanna and charm unknown.
    pub vanna_charm_unknown: u64,
    /// Rows refused, by the reader or by the formula.
    pub refused: u64,
    /// (expiration, strike) pairs in the result.
    pub strikes: u64,
    /// Pairs left out because nothing about them is known.
    pub strikes_unknown: u64,
    /// Over the rows used that have open interest, a gamma other than 0 and a usable volatility: the model's gamma divided
    /// by the source's. Of several chains the median of theirs.
    pub median_model_to_source_gamma: Option<f64>,
    /// Contracts, over all rows that say it (expired ones too).
    pub open_interest_total: f64,
    /// Rows that say an open interest above 0 (expired ones too).
    pub contracts_with_open_interest: u64,
}

impl FormulaReport {
    /// One account for several chains of one instrument, or several where they were not made alike; in the order of first
    /// appearance.
    pub fn merged(reports: &[Self]) -> Vec<Self> {
        let mut groups: Vec<Vec<&Self>> = Vec::new();
        for report in reports {
            match groups.iter_mut().find(|group| group[0].made_alike(report)) {
                Some(group) => group.push(report),
                None => groups.push(vec![report]),
            }
        }
        groups.into_iter().map(|group| sum(&group)).collect()
    }

    fn made_alike(&self, other: &Self) -> bool {
        self.name == other.name
            && self.version == other.version
            && self.dealers == other.dealers
            && self.greeks == other.greeks
            && self.rate == other.rate
            && self.dividend_yield == other.dividend_yield
            && self.option_multiplier == other.option_multiplier
    }
}

fn sum(group: &[&FormulaReport]) -> FormulaReport {
    let mut total = group[0].clone();
    for report in &group[1..] {
        total.chains += report.chains;
        total.outside_session += report.outside_session;
        total.quotes += report.quotes;
        total.quotes_used += report.quotes_used;
        total.zero_open_interest += report.zero_open_interest;
        total.gamma_as_sent += report.gamma_as_sent;
        total.gamma_from_model += report.gamma_from_model;
        total.vanna_charm_unknown += report.vanna_charm_unknown;
        total.refused += report.refused;
        total.strikes += report.strikes;
        total.strikes_unknown += report.strikes_unknown;
        total.open_interest_total += report.open_interest_total;
        total.contracts_with_open_interest += report.contracts_with_open_interest;
    }
    total.median_model_to_source_gamma =
        median(group.iter().filter_map(|report| report.median_model_to_source_gamma).collect());
    total
}

/// The middle value, or the mean of the two middle ones.
pub(super) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    Some(if values.len() % 2 == 1 { upper } else { 0.5 * (values[middle - 1] + upper) })
}

/// Whether the chain's open interest is so nearly absent that its exposures mean nothing: less than a tenth of its
/// contracts have any.
#[expect(clippy::cast_precision_loss, reason = "a share of some thousand rows")]
pub fn open_interest_near_zero(report: &FormulaReport) -> bool {
    (report.contracts_with_open_interest as f64) < DEAD_SHARE * report.quotes as f64
}
