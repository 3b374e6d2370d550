//! The numbers of one bar, and what no bar can be. The same rules at ingest and at compaction.

use super::Refusal;
use crate::bars::reading::VolumeKind;
use crate::market::{AssetClass, Grid, Instrument};

/// Beyond this a volume is no count of anything.
const MOST_VOLUME: f64 = 1e15;

/// The fields as the source spells them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Texts<'a> {
    pub open: Option<&'a str>,
    pub high: Option<&'a str>,
    pub low: Option<&'a str>,
    pub close: Option<&'a str>,
    pub volume: Option<&'a str>,
}

/// A bar's numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Values {
    pub open: f64,
    pub high: f64,
    pub low: f64,
    pub close: f64,
    pub volume: f64,
}

/// What the rules need to know of an instrument.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    pub grid: Grid,
    /// A future may be delivered against payment to whoever takes it, as oil was in April 2020; nothing else has a price of zero.
    pub below_zero: bool,
}

impl Rules {
    pub fn of(instrument: &Instrument) -> Self {
        Self { grid: Grid::of(instrument), below_zero: instrument.asset_class == AssetClass::Future }
    }
}

/// Reads the numbers of a bar.
///
/// # Errors
/// `field_missing`, `not_a_number`, `out_of_range`, `price_not_positive`, `negative_volume`, `ohlc_order`.
pub fn read(texts: &Texts<'_>, volume: VolumeKind, rules: &Rules) -> Result<Values, Refusal> {
    let price = |name: &'static str, text: Option<&str>| -> Result<f64, Refusal> {
        let price = number(name, text)?;
        if rules.grid.ticks(price).is_none() {
            return Err(Refusal::new("out_of_range", name, format!("{name} {price} is no price of this instrument")));
        }
        if price <= 0.0 && !rules.below_zero {
            let reason = format!("{name} {price} is not above 0, which only the price of a future may be");
            return Err(Refusal::new("price_not_positive", name, reason));
        }
        Ok(price)
    };
    let (open, high) = (price("open", texts.open)?, price("high", texts.high)?);
    let (low, close) = (price("low", texts.low)?, price("close", texts.close)?);
    let volume = match volume {
        VolumeKind::None => 0.0,
        VolumeKind::Bar | VolumeKind::Cumulative => number("volume", texts.volume)?,
    };
    if volume < 0.0 {
        return Err(Refusal::new("negative_volume", "volume", format!("volume {volume} is below 0")));
    }
    if [open, high, low, close, volume] == [0.0; 5] {
        let reason = "prices and volume are all 0, which is how sources write that they have nothing".to_owned();
        return Err(Refusal::new("price_not_positive", "open", reason));
    }
    if volume > MOST_VOLUME {
        return Err(Refusal::new("out_of_range", "volume", format!("volume {volume} is beyond {MOST_VOLUME:e}")));
    }
    let order = |field: &'static str, reason: String| Err(Refusal::new("ohlc_order", field, reason));
    if high < low {
        return order("high", format!("high {high} is below low {low}"));
    }
    for (name, value) in [("open", open), ("close", close)] {
        if value < low || value > high {
            return order(name, format!("{name} {value} is not between low {low} and high {high}"));
        }
    }
    Ok(Values { open, high, low, close, volume })
}

fn number(name: &'static str, text: Option<&str>) -> Result<f64, Refusal> {
    let text = text.map(str::trim).filter(|text| !text.is_empty());
    let text = text.ok_or_else(|| Refusal::new("field_missing", name, format!("{name} is missing")))?;
    match text.parse::<f64>() {
        // So that -0 is 0.
        Ok(number) if number.is_finite() => Ok(number + 0.0),
        Ok(_) => Err(Refusal::new("not_a_number", name, format!("{name} '{text}' is not a finite number"))),
        Err(_) => {
            let hint = if text.contains(',') { ": write it with a decimal point and without thousands" } else { "" };
            Err(Refusal::new("not_a_number", name, format!("{name} '{text}' is not a number{hint}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::Instruments;

    fn check(symbol: &str, cells: [&str; 5]) -> Result<Values, (&'static str, Option<&'static str>)> {
        let rules = Rules::of(Instruments::builtin().resolve(symbol).unwrap());
        let [open, high, low, close, volume] = cells.map(|cell| (cell != "-").then_some(cell));
        let texts = Texts { open, high, low, close, volume };
        read(&texts, VolumeKind::Bar, &rules).map_err(|refusal| (refusal.code, refusal.field))
    }

    #[test]
    fn what_no_bar_can_be() {
        let good = Values { open: 10.0, high: 12.5, low: 9.5, close: 12.5, volume: 3.25 };
        assert_eq!(check("SPY", ["10", " 12.5", "9.50", "1.25e1", "3.25"]), Ok(good));
        for (cells, code, field) in [
            (["-", "12", "9", "11", "1"], "field_missing", "open"),
            (["10", "12", "9", " ", "1"], "field_missing", "close"),
            (["10", "12", "9", "11", "-"], "field_missing", "volume"),
            (["10", "n/a", "9", "11", "1"], "not_a_number", "high"),
            (["10", "NaN", "9", "11", "1"], "not_a_number", "high"),
            (["10", "inf", "9", "11", "1"], "not_a_number", "high"),
            (["10,5", "12", "9", "11", "1"], "not_a_number", "open"),
            (["10", "1e300", "9", "11", "1"], "out_of_range", "high"),
            (["10", "12", "0", "11", "1"], "price_not_positive", "low"),
            (["10", "12", "-9", "11", "1"], "price_not_positive", "low"),
            (["10", "12", "9", "11", "-1"], "negative_volume", "volume"),
            (["10", "12", "9", "11", "1e16"], "out_of_range", "volume"),
            (["10", "9", "12", "11", "1"], "ohlc_order", "high"),
            (["13", "12", "9", "11", "1"], "ohlc_order", "open"),
            (["10", "12", "9", "8.99", "1"], "ohlc_order", "close"),
        ] {
            assert_eq!(check("SPY", cells), Err((code, Some(field))), "{cells:?}");
        }
    }

    #[test]
    fn oil_may_be_sold_below_nothing() {
        // CL, 20 April 2020.
        assert!(check("CL", ["-13.1", "-10", "-40.32", "-37.63", "248"]).is_ok());
        assert_eq!(check("CL", ["0", "0", "-0.0", "0", "3"]).unwrap().low.to_bits(), 0.0_f64.to_bits());
        assert_eq!(check("CL", ["0", "0", "-0.0", "0", "-0"]), Err(("price_not_positive", Some("open"))));
        assert!(check("BTC-USD", ["1", "1", "0", "1", "1"]).is_err());
    }
}
