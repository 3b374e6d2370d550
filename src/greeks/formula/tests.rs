//! The formula by hand: dollars worked out on paper or by 50-digit differentiation of the price (mpmath), and every way
//! a row can fail to count. Whole real chains are held against `tests/reference/chain_exposures.py`.

use chrono::{DateTime, Utc};
use proptest::prelude::*;

use super::*;
use crate::greeks::bsm::Side;
use crate::greeks::chains::{Chain, Quote, Refused};
use crate::market::Instruments;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn chain(symbol: &str, instant: &str, spot: f64, quotes: Vec<Quote>) -> Chain {
    let quotes = (1..).zip(quotes).map(|(place, quote)| Quote { place, ..quote }).collect();
    Chain { symbol: symbol.parse().unwrap(), at: at(instant), spot, quotes, refused: Vec::new() }
}

fn quote(root: &str, expiration: &str, strike: f64, side: Side, open_interest: f64, volatility: f64) -> Quote {
    Quote {
        place: 0,
        root: Some(root.to_owned()),
        expiration: expiration.parse().unwrap(),
        side,
        strike,
        open_interest: Some(open_interest),
        implied_volatility: Some(volatility),
        gamma: None,
    }
}

/// A July SPY option; the chains of most tests stand at 10:00 New York on 1 July 2026.
fn july(strike: f64, side: Side, open_interest: f64) -> Quote {
    quote("SPY", "2026-07-31", strike, side, open_interest, 0.2)
}

fn spy(quotes: Vec<Quote>) -> Chain {
    chain("SPY", "2026-07-01T14:00:00Z", 500.0, quotes)
}

fn run(chain: &Chain, formula: &Formula) -> (Vec<StrikeExposure>, FormulaReport, Vec<Refused>) {
    let instruments = Instruments::builtin();
    exposures(chain, instruments.resolve(chain.symbol.as_str()).unwrap(), formula)
}

fn dollars(chain: &Chain) -> [f64; 3] {
    let (strikes, _, _) = run(chain, &Formula::default());
    let [strike] = strikes.as_slice() else { panic!("{strikes:?}") };
    [strike.gamma, strike.vanna, strike.charm].map(|value| value.unwrap())
}

fn near(got: [f64; 3], wanted: [f64; 3]) {
    for (got, wanted) in got.into_iter().zip(wanted) {
        assert!((got - wanted).abs() <= 1e-9 * wanted.abs(), "got {got}, wanted {wanted}");
    }
}

const CALL_510: [f64; 3] = [3_332_720.285_128_18, 318_934.892_430_343, -130_355.815_198_213];
const PUT_510: [f64; 3] = [-1_084_063.060_816_1, -87_037.153_607_275_5, 44_664.146_871_708_9];

/// 30 days and 6 hours to 16:00 New York, rate 4 %, yield 1.2 %: 1000 calls at 20 %, 400 puts at 25 %.
#[test]
fn model_dollars_of_a_call_and_a_put() {
    let call = july(510.0, Side::Call, 1000.0);
    let put = quote("SPY", "2026-07-31", 510.0, Side::Put, 400.0, 0.25);
    near(dollars(&spy(vec![call.clone()])), CALL_510);
    near(dollars(&spy(vec![put.clone()])), PUT_510);
    let both = std::array::from_fn(|i| CALL_510[i] + PUT_510[i]);
    near(dollars(&spy(vec![put, call])), both);
}

/// 0.05 · 1000 · 100 · 500² · 0.01 = 12.5 million; vanna and charm stay the model's.
#[test]
fn gamma_as_sent() {
    let sent = Quote { gamma: Some(0.05), ..july(510.0, Side::Call, 1000.0) };
    let chain = spy(vec![sent]);
    near(dollars(&chain), [12_500_000.0, CALL_510[1], CALL_510[2]]);
    let (_, report, _) = run(&chain, &Formula::default());
    assert_eq!((report.gamma_as_sent, report.gamma_from_model), (1, 0));
    // The model says 3332720.285…/250000/1000 = 0.01333088; over 0.05.
    let ratio = report.median_model_to_source_gamma.unwrap();
    assert!((ratio - 0.266_617_622_81).abs() < 1e-10, "{ratio}");

    let model = Formula::new(Dealers::default(), "model".parse().unwrap());
    let (strikes, report, _) = run(&chain, &model);
    near([strikes[0].gamma.unwrap(), 1.0, 1.0], [CALL_510[0], 1.0, 1.0]);
    assert_eq!((report.gamma_as_sent, report.gamma_from_model, report.greeks), (0, 1, GreeksSource::Model));
}

#[test]
fn dealers_sides() {
    let quotes = vec![
        Quote { gamma: Some(0.02), ..july(510.0, Side::Call, 100.0) },
        Quote { gamma: Some(0.02), ..july(510.0, Side::Put, 300.0) },
    ];
    // One side: 0.02 · 100 · 100 · 2500 = 500 000 a hundred contracts.
    for (dealers, wanted) in
        [("long-calls-short-puts", -1_000_000.0), ("short-both", -2_000_000.0), ("long-both", 2_000_000.0)]
    {
        let formula = Formula::new(dealers.parse().unwrap(), GreeksSource::AsSent);
        let (strikes, report, _) = run(&spy(quotes.clone()), &formula);
        assert!((strikes[0].gamma.unwrap() - wanted).abs() < 1e-6);
        assert_eq!(report.dealers.to_string(), dealers);
    }
    assert!("flat".parse::<Dealers>().unwrap_err().detail().contains("short-both"));
    assert!("mine".parse::<GreeksSource>().unwrap_err().detail().contains("model"));
}

/// SPX and SPXW expire on one date, at 09:30 and at 16:00: 95.5 and 102 hours.
#[test]
fn roots_tell_how_it_settles() {
    let option = |root| vec![quote(root, "2026-07-17", 7500.0, Side::Call, 10.0, 0.15)];
    let monday = "2026-07-13T14:00:00Z";
    let am = [1_909_479.296_159_85, -2_185.765_255_963_8, -9_868.769_046_148_81];
    let pm = [1_847_574.192_747_61, -2_258.849_269_900_33, -9_544.309_659_884_6];
    near(dollars(&chain("SPX", monday, 7500.0, option("SPX"))), am);
    near(dollars(&chain("SPX", monday, 7500.0, option("SPXW"))), pm);
    let both = [option("SPXW"), option("SPX")].concat();
    near(dollars(&chain("SPX", monday, 7500.0, both)), std::array::from_fn(|i| am[i] + pm[i]));

    // On the day itself at 10:00 the one has settled and the other has not.
    let both = [option("SPXW"), option("SPX")].concat();
    let (strikes, report, refused) = run(&chain("SPX", "2026-07-17T14:00:00Z", 7500.0, both), &Formula::default());
    assert_eq!((strikes.len(), report.refused, refused[0].code, refused[0].place), (1, 1, "expired", 2));
    assert!(strikes[0].gamma.unwrap() > 0.0);
}

/// At 15:30 half an hour is left, at 10:00 of the Friday after Thanksgiving three (it closes at 13:00): one and three count.
#[test]
fn the_floor_and_the_half_day() {
    let today = quote("SPY", "2026-07-01", 500.0, Side::Call, 10.0, 0.2);
    near(
        dollars(&chain("SPY", "2026-07-01T19:30:00Z", 500.0, vec![today.clone()])),
        [933_469.440_615_939, -4.262_417_537_059_08, -6_129.645_270_392_15],
    );
    let half_day = quote("SPY", "2026-11-27", 500.0, Side::Call, 10.0, 0.2);
    near(
        dollars(&chain("SPY", "2026-11-27T15:00:00Z", 500.0, vec![half_day])),
        [538_933.812_591_142, -7.382_654_967_001_95, -3_535.426_113_573_78],
    );
    let (strikes, _, refused) = run(&chain("SPY", "2026-07-01T20:00:00Z", 500.0, vec![today]), &Formula::default());
    assert_eq!((strikes.len(), refused[0].code), (0, "expired"));
}

#[test]
fn unknown_is_not_zero() {
    let placeholder = |side, gamma| Quote { implied_volatility: Some(1e-5), gamma, ..july(510.0, side, 50.0) };
    let put = july(510.0, Side::Put, 400.0);

    // Gamma as sent stands; vanna and charm of the whole strike are unknown, the put's own notwithstanding.
    let (strikes, report, refused) =
        run(&spy(vec![placeholder(Side::Call, Some(0.02)), put.clone()]), &Formula::default());
    assert!(strikes[0].gamma.is_some() && strikes[0].vanna.is_none() && strikes[0].charm.is_none());
    assert_eq!((report.vanna_charm_unknown, report.quotes_used, refused.len()), (1, 2, 0));

    // Neither: the row is refused and the strike left out. The next strike is not touched.
    for gamma in [None, Some(0.0)] {
        let quotes = vec![put.clone(), placeholder(Side::Call, gamma), july(511.0, Side::Call, 1.0)];
        let (strikes, report, refused) = run(&spy(quotes), &Formula::default());
        assert_eq!(strikes.iter().map(|strike| strike.strike).collect::<Vec<_>>(), [511.0]);
        assert_eq!((refused[0].place, refused[0].code), (2, "no_iv_and_no_gamma"));
        assert_eq!((report.strikes, report.strikes_unknown), (1, 1));
    }
    let model = Formula::new(Dealers::default(), GreeksSource::Model);
    let (strikes, _, refused) = run(&spy(vec![put.clone(), placeholder(Side::Call, Some(0.02))]), &model);
    assert_eq!((strikes.len(), refused[0].code), (0, "no_usable_iv"));

    // What the reader refused with positions in it counts as much.
    let mut chain = spy(vec![put]);
    chain.refused.push(Refused {
        place: 9,
        field: "gamma",
        code: "bad_gamma",
        reason: String::new(),
        text: String::new(),
        leaves_unknown: Some(("2026-07-31".parse().unwrap(), 510.0)),
    });
    let (strikes, report, refused) = run(&chain, &Formula::default());
    assert_eq!((strikes.len(), report.strikes_unknown, report.quotes, refused.len()), (0, 1, 2, 1));
}

#[test]
fn absurd_numbers_are_refused() {
    let absurd = [
        Quote { gamma: Some(1e9), ..july(510.0, Side::Call, 1e9) },
        Quote { implied_volatility: Some(1e300), ..july(511.0, Side::Call, 1.0) },
    ];
    let (strikes, report, refused) = run(&spy(absurd.to_vec()), &Formula::default());
    assert_eq!(strikes, []);
    assert!(refused.iter().all(|refused| refused.code == "beyond_range"));
    assert_eq!(
        (report.quotes_used, report.gamma_as_sent, report.gamma_from_model, report.strikes_unknown),
        (0, 0, 0, 2)
    );
}

#[test]
fn nothing_open_adds_nothing() {
    let empty = Quote { implied_volatility: None, ..july(510.0, Side::Call, 0.0) };
    assert_eq!(dollars(&spy(vec![empty.clone()])), [0.0; 3]);
    let put = quote("SPY", "2026-07-31", 510.0, Side::Put, 400.0, 0.25);
    near(dollars(&spy(vec![empty.clone(), put.clone()])), PUT_510);

    let unsaid = Quote { open_interest: None, ..july(510.0, Side::Call, 0.0) };
    let (strikes, report, refused) = run(&spy(vec![unsaid, put]), &Formula::default());
    near([strikes[0].gamma.unwrap(), strikes[0].vanna.unwrap(), strikes[0].charm.unwrap()], PUT_510);
    assert_eq!((refused[0].code, refused[0].field, report.quotes_used), ("missing_open_interest", "open_interest", 1));
}

#[test]
fn the_report_counts_every_row() {
    let quotes = vec![
        july(510.0, Side::Call, 10.0),
        Quote { gamma: Some(0.01), ..july(511.0, Side::Call, 20.0) },
        Quote { gamma: Some(0.02), ..july(511.0, Side::Put, 30.0) },
        july(512.0, Side::Call, 0.0),
        Quote { open_interest: None, ..july(513.0, Side::Call, 0.0) },
        quote("SPY", "2026-06-30", 510.0, Side::Call, 40.0, 0.2),
    ];
    let chain = chain("SPY", "2026-07-05T14:00:00Z", 500.0, quotes);
    let (strikes, report, refused) = run(&chain, &Formula::default());
    assert_eq!((report.name.as_str(), report.version, report.chains), ("pitlake-bsm", 1, 1));
    assert_eq!((report.rate, report.dividend_yield, report.option_multiplier), (0.04, 0.012, 100.0));
    assert_eq!(report.outside_session, 1, "a Sunday");
    assert_eq!((report.quotes, report.quotes_used, report.refused), (6, 4, 2));
    assert_eq!((report.zero_open_interest, report.gamma_as_sent, report.gamma_from_model), (1, 2, 1));
    assert_eq!((report.open_interest_total, report.contracts_with_open_interest), (100.0, 4));
    assert_eq!((strikes.len(), report.strikes), (3, 3));
    assert_eq!(refused.iter().map(|refused| refused.place).collect::<Vec<_>>(), [5, 6]);
    // One model gamma over 0.01 and over 0.02: of two ratios the median is their mean, 75 times that gamma.
    let (all_model, _, _) = run(&chain, &Formula::new(Dealers::LongBoth, GreeksSource::Model));
    let model = all_model[1].gamma.unwrap() / ((20.0 + 30.0) * 100.0 * 2500.0);
    let ratio = report.median_model_to_source_gamma.unwrap();
    assert!((ratio - 75.0 * model).abs() < 1e-12, "{ratio} {model}");

    let json = serde_json::to_string(&report).unwrap();
    assert!(json.contains(r#""dealers":"long-calls-short-puts","greeks":"as-sent""#), "{json}");
    assert_eq!(serde_json::from_str::<FormulaReport>(&json).unwrap(), report);

    let during = Chain { at: at("2026-07-06T13:30:00Z"), ..chain };
    assert_eq!(run(&during, &Formula::default()).1.outside_session, 0, "Monday's opening minute");
}

#[test]
fn accounts_of_chains_made_alike_become_one() {
    let (_, one, _) =
        run(&spy(vec![Quote { gamma: Some(0.05), ..july(510.0, Side::Call, 1000.0) }]), &Formula::default());
    let two = FormulaReport { median_model_to_source_gamma: Some(1.5), open_interest_total: 7.0, ..one.clone() };
    let none = FormulaReport { median_model_to_source_gamma: None, ..one.clone() };
    let other = FormulaReport { greeks: GreeksSource::Model, ..one.clone() };
    let merged = FormulaReport::merged(&[one.clone(), other.clone(), two, none]);
    assert_eq!(merged.len(), 2);
    assert_eq!((merged[0].chains, merged[0].quotes, merged[0].open_interest_total), (3, 3, 2007.0));
    let median = merged[0].median_model_to_source_gamma.unwrap();
    assert!((median - 0.5 * (1.5 + 0.266_617_622_81)).abs() < 1e-9);
    assert_eq!(merged[1], other);
    assert!(FormulaReport::merged(&[]).is_empty());
}

#[test]
fn open_interest_near_zero_is_a_share_of_contracts() {
    let near_zero = |open: usize, all: usize| {
        let quotes = (0..all).map(|i| july(400.0 + i as f64, Side::Call, if i < open { 1.0 } else { 0.0 })).collect();
        open_interest_near_zero(&run(&spy(quotes), &Formula::default()).1)
    };
    assert!(near_zero(0, 5));
    assert!(near_zero(9, 100));
    assert!(!near_zero(10, 100));
    assert!(!near_zero(1, 1));
}

proptest! {
    /// The order of a document does not change a bit of the result.
    #[test]
    fn order_does_not_matter(rows in prop::collection::vec((500_u32..510, any::<bool>(), 0_u32..9999, 0.05_f64..2.0), 1..60), seed in any::<u64>()) {
        let quotes: Vec<Quote> = rows.iter().map(|(strike, put, open, volatility)| {
            let side = if *put { Side::Put } else { Side::Call };
            quote("SPY", "2026-07-31", f64::from(*strike), side, f64::from(*open), *volatility)
        }).collect();
        let mut straight = spy(quotes);
        straight.quotes.sort_by_key(|quote| (quote.strike as u32, quote.side));
        straight.quotes.dedup_by_key(|quote| (quote.strike as u32, quote.side));
        let mut mixed = straight.clone();
        let len = mixed.quotes.len();
        for i in 0..len {
            mixed.quotes.swap(i, (seed as usize).wrapping_add(i * 7919) % len);
        }
        let (a, _, _) = run(&straight, &Formula::default());
        let (b, _, _) = run(&mixed, &Formula::default());
        prop_assert_eq!(a, b);
    }
}
