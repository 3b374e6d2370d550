//! A session as the old archive told it, every field as far as it could be read.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::field::Field;
use crate::market::{Grid, SessionKind, TradingDate};
use crate::profile::{Bias, SessionType};

/// A record with its fields under their known names. Prices are doubles as the archive wrote them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LegacyRecord {
    /// As it is written; [`super::identity`] finds the instrument.
    pub symbol: Option<String>,
    pub date: Option<TradingDate>,
    /// None when it is not said, as it was not in the old API.
    pub session: Option<SessionKind>,
    pub session_type: Option<SessionType>,
    pub bias: Option<Bias>,
    pub value_area_high: Option<f64>,
    pub value_area_low: Option<f64>,
    pub poc: Option<f64>,
    pub initial_balance_high: Option<f64>,
    pub initial_balance_low: Option<f64>,
    pub session_high: Option<f64>,
    pub session_low: Option<f64>,
    /// `[low, high]` of each.
    pub single_prints: Option<Vec<[f64; 2]>>,
    pub poor_high: Option<bool>,
    pub poor_low: Option<bool>,
    pub excess_high: Option<bool>,
    pub excess_low: Option<bool>,
    /// In their order, by letter.
    pub tpo_structure: Option<Vec<LegacyPeriod>>,
    pub volume: Option<f64>,
    /// A fraction: 0.01 is one per cent.
    pub cash_session_return: Option<f64>,
}

/// A period's range.
#[derive(Debug, Clone, PartialEq)]
pub struct LegacyPeriod {
    pub letter: String,
    pub high: f64,
    pub low: f64,
}

impl LegacyRecord {
    /// The levels that are single prices, with their values.
    pub fn levels(&self) -> [(Field, Option<f64>); 7] {
        [
            (Field::SessionHigh, self.session_high),
            (Field::SessionLow, self.session_low),
            (Field::ValueAreaHigh, self.value_area_high),
            (Field::ValueAreaLow, self.value_area_low),
            (Field::Poc, self.poc),
            (Field::InitialBalanceHigh, self.initial_balance_high),
            (Field::InitialBalanceLow, self.initial_balance_low),
        ]
    }

    /// The place of a level; none for what is no single number.
    pub fn number_mut(&mut self, field: Field) -> Option<&mut Option<f64>> {
        Some(match field {
            Field::ValueAreaHigh => &mut self.value_area_high,
            Field::ValueAreaLow => &mut self.value_area_low,
            Field::Poc => &mut self.poc,
            Field::InitialBalanceHigh => &mut self.initial_balance_high,
            Field::InitialBalanceLow => &mut self.initial_balance_low,
            Field::SessionHigh => &mut self.session_high,
            Field::SessionLow => &mut self.session_low,
            Field::Volume => &mut self.volume,
            Field::CashSessionReturn => &mut self.cash_session_return,
            _ => return None,
        })
    }

    /// The place of a yes or no; none for what is something else.
    pub fn flag_mut(&mut self, field: Field) -> Option<&mut Option<bool>> {
        Some(match field {
            Field::PoorHigh => &mut self.poor_high,
            Field::PoorLow => &mut self.poor_low,
            Field::ExcessHigh => &mut self.excess_high,
            Field::ExcessLow => &mut self.excess_low,
            _ => return None,
        })
    }

    /// Moves prices that are a tick's but for a double's noise onto it; others stay as they are.
    pub fn snap(&mut self, grid: Grid) {
        let snapped = |price: f64| match grid.ticks(price) {
            Some(on) if on.exact => grid.price(on.ticks),
            _ => price,
        };
        for field in self.levels().map(|(field, _)| field) {
            if let Some(price) = self.number_mut(field) {
                *price = price.map(snapped);
            }
        }
        for print in self.single_prints.iter_mut().flatten() {
            *print = print.map(snapped);
        }
        for period in self.tpo_structure.iter_mut().flatten() {
            (period.high, period.low) = (snapped(period.high), snapped(period.low));
        }
    }

    /// The fields of the old API that it lacks.
    pub fn missing(&self) -> Vec<Field> {
        let is_there = |field: &Field| match field {
            Field::Symbol | Field::Date | Field::Session => true,
            Field::SessionType => self.session_type.is_some(),
            Field::Bias => self.bias.is_some(),
            Field::ValueAreaHigh => self.value_area_high.is_some(),
            Field::ValueAreaLow => self.value_area_low.is_some(),
            Field::Poc => self.poc.is_some(),
            Field::InitialBalanceHigh => self.initial_balance_high.is_some(),
            Field::InitialBalanceLow => self.initial_balance_low.is_some(),
            Field::SessionHigh => self.session_high.is_some(),
            Field::SessionLow => self.session_low.is_some(),
            Field::SinglePrints => self.single_prints.is_some(),
            Field::PoorHigh => self.poor_high.is_some(),
            Field::PoorLow => self.poor_low.is_some(),
            Field::ExcessHigh => self.excess_high.is_some(),
            Field::ExcessLow => self.excess_low.is_some(),
            Field::TpoStructure => self.tpo_structure.is_some(),
            Field::Volume => self.volume.is_some(),
            Field::CashSessionReturn => self.cash_session_return.is_some(),
            Field::ValueArea | Field::InitialBalance | Field::SessionRange => true,
        };
        Field::ALL.into_iter().filter(|field| !is_there(field)).collect()
    }

    /// A number for each field of [`Field::ALL`] that is equal when the values are; whose session it is has no part in it.
    pub fn prints(&self) -> [u32; Field::ALL.len()] {
        Field::ALL.map(|field| {
            let mut hasher = DefaultHasher::new();
            match field {
                Field::Symbol | Field::Date | Field::Session => {}
                Field::SessionType => self.session_type.hash(&mut hasher),
                Field::Bias => self.bias.hash(&mut hasher),
                Field::SinglePrints => {
                    let mut prints = self.single_prints.clone().unwrap_or_default();
                    prints.sort_by(|a, b| a[0].total_cmp(&b[0]));
                    self.single_prints.is_some().hash(&mut hasher);
                    prints.iter().flatten().for_each(|price| price.to_bits().hash(&mut hasher));
                }
                Field::PoorHigh => self.poor_high.hash(&mut hasher),
                Field::PoorLow => self.poor_low.hash(&mut hasher),
                Field::ExcessHigh => self.excess_high.hash(&mut hasher),
                Field::ExcessLow => self.excess_low.hash(&mut hasher),
                Field::TpoStructure => {
                    self.tpo_structure.is_some().hash(&mut hasher);
                    for period in self.tpo_structure.iter().flatten() {
                        (&period.letter, period.high.to_bits(), period.low.to_bits()).hash(&mut hasher);
                    }
                }
                number => {
                    let value = self.clone_number(number);
                    value.map(f64::to_bits).hash(&mut hasher);
                }
            }
            hasher.finish() as u32
        })
    }

    /// A field's value for people.
    pub fn shown(&self, field: Field) -> String {
        let none = || "nothing".to_owned();
        match field {
            Field::Symbol => self.symbol.clone().unwrap_or_else(none),
            Field::Date => self.date.map_or_else(none, |date| date.to_string()),
            Field::Session => self.session.map_or_else(none, |session| session.to_string()),
            Field::SessionType => self.session_type.map_or_else(none, |word| word.to_string()),
            Field::Bias => self.bias.map_or_else(none, |word| word.to_string()),
            Field::PoorHigh | Field::PoorLow | Field::ExcessHigh | Field::ExcessLow => {
                self.flag(field).map_or_else(none, |flag| flag.to_string())
            }
            Field::SinglePrints => self.single_prints.as_ref().map_or_else(none, |prints| format!("{prints:?}")),
            Field::TpoStructure => {
                self.tpo_structure.as_ref().map_or_else(none, |periods| format!("{} periods", periods.len()))
            }
            number => self.clone_number(number).map_or_else(none, |value| value.to_string()),
        }
    }

    fn flag(&self, field: Field) -> Option<bool> {
        match field {
            Field::PoorHigh => self.poor_high,
            Field::PoorLow => self.poor_low,
            Field::ExcessHigh => self.excess_high,
            Field::ExcessLow => self.excess_low,
            _ => None,
        }
    }

    fn clone_number(&self, field: Field) -> Option<f64> {
        match field {
            Field::Volume => self.volume,
            Field::CashSessionReturn => self.cash_session_return,
            field => self.levels().into_iter().find(|(level, _)| *level == field).and_then(|(_, value)| value),
        }
    }
}
