//! The closed forms against published values, against 50-digit differentiation of the price by another program, and
//! against central differences of their own.

use proptest::prelude::*;

use super::*;

fn inputs(spot: f64, strike: f64, years: f64, volatility: f64, rate: f64, dividend_yield: f64) -> Inputs {
    Inputs { spot, strike, years, volatility, rate, dividend_yield }
}

fn near(got: f64, wanted: f64, relative: f64) {
    assert!((got - wanted).abs() <= relative * wanted.abs(), "got {got:e}, wanted {wanted:e}");
}

/// Hull: spot 42, strike 40, 10 %, 20 %, half a year: call 4.76, put 0.81.
#[test]
fn hull_prices() {
    let (call, put) = call_and_put(&inputs(42.0, 40.0, 0.5, 0.2, 0.1, 0.0));
    assert_eq!(format!("{:.2} {:.2}", call.price, put.price), "4.76 0.81");
}

/// Hull's running example of the greek letters: spot 49, strike 50, 5 %, 20 %, 20 weeks: 0.522, 0.066, 12.1.
#[test]
fn hull_greek_letters() {
    let call = greeks(&inputs(49.0, 50.0, 0.3846, 0.2, 0.05, 0.0), Side::Call);
    assert_eq!(format!("{:.3} {:.3} {:.1}", call.delta, call.gamma, call.vega), "0.522 0.066 12.1");
}

/// Haug's example of DdeltaDtime: put on a future (b = 0), 105, strike 90, three months, 14 %, 24 %: 0.3700 a year.
#[test]
fn haug_charm() {
    let put = greeks(&inputs(105.0, 90.0, 0.25, 0.24, 0.14, 0.14), Side::Put);
    assert_eq!(format!("{:.4}", put.charm), "0.3700");
}

/// mpmath 1.3 at 50 digits, where only the price is a formula and every greek is its numerical derivative.
#[test]
fn fifty_digit_derivatives_of_the_price() {
    type Case = ([f64; 6], Side, [f64; 6]);
    let cases: [Case; 5] = [
        (
            [588.12, 585.0, 0.0082, 0.1432, 0.0433, 0.0125],
            Side::Call,
            [
                4.943_184_509_069_46,
                0.668_570_430_221_526,
                0.047_559_897_173_760_9,
                19.316_554_976_862_1,
                -1.071_889_254_100_55,
                8.506_275_830_343_99,
            ],
        ),
        (
            [588.12, 585.0, 0.0082, 0.1432, 0.0433, 0.0125],
            Side::Put,
            [
                1.675_790_490_117_33,
                -0.331_327_075_031_419,
                0.047_559_897_173_760_9,
                19.316_554_976_862_1,
                -1.071_889_254_100_55,
                8.493_777_111_528_33,
            ],
        ),
        (
            [6000.0, 4200.0, 0.75, 0.41, 0.0433, 0.013],
            Side::Put,
            [
                126.103_682_697_457,
                -0.105_339_922_818_648,
                8.532_088_603_414_79e-5,
                944.502_208_398_017,
                -0.395_009_619_874_845,
                0.091_088_540_021_473_8,
            ],
        ),
        (
            [100.0, 100.0, 0.000_114, 0.9, 0.03, 0.0],
            Side::Call,
            [
                0.383_527_308_611_085,
                0.502_058_767_535_774,
                0.415_154_115_689_101,
                0.425_948_122_697_018,
                0.001_971_982_049_523_23,
                -9.029_602_016_237_96,
            ],
        ),
        (
            [100.0, 260.0, 0.1, 0.3, 0.03, 0.02],
            Side::Call,
            [
                6.079_009_037_368_44e-24,
                6.601_439_481_171_93e-24,
                7.036_436_627_014_78e-24,
                2.110_930_988_104_43e-21,
                2.249_341_085_839_14e-21,
                -3.380_916_036_596_1e-21,
            ],
        ),
    ];
    for (given, side, wanted) in cases {
        let [spot, strike, years, volatility, rate, dividend_yield] = given;
        let got = greeks(&inputs(spot, strike, years, volatility, rate, dividend_yield), side);
        for (got, wanted) in [got.price, got.delta, got.gamma, got.vega, got.vanna, got.charm].into_iter().zip(wanted) {
            near(got, wanted, 2e-11);
        }
    }
}

#[test]
fn outside_the_domain_is_nan() {
    let good = inputs(100.0, 100.0, 0.1, 0.2, 0.03, 0.0);
    let bad = [
        Inputs { spot: 0.0, ..good },
        Inputs { strike: -1.0, ..good },
        Inputs { years: 0.0, ..good },
        Inputs { volatility: 0.0, ..good },
        Inputs { volatility: f64::NAN, ..good },
        Inputs { rate: f64::INFINITY, ..good },
    ];
    for inputs in bad {
        let got = greeks(&inputs, Side::Put);
        for value in [got.price, got.delta, got.gamma, got.vega, got.vanna, got.charm] {
            assert!(value.is_nan(), "{inputs:?}");
        }
    }
}

proptest! {
    /// Each closed form is the slope of the quantity it says it differentiates.
    #[test]
    fn slopes(
        moneyness in 0.8_f64..1.25, years in 0.02_f64..2.0, volatility in 0.1_f64..0.9,
        rate in -0.01_f64..0.08, dividend_yield in 0.0_f64..0.04, put in any::<bool>(),
    ) {
        let side = if put { Side::Put } else { Side::Call };
        let here = inputs(100.0, 100.0 * moneyness, years, volatility, rate, dividend_yield);
        let at = |spot: f64, years: f64, volatility: f64| {
            greeks(&Inputs { spot: here.spot + spot, years: here.years + years, volatility: here.volatility + volatility, ..here }, side)
        };
        let got = at(0.0, 0.0, 0.0);
        let h = 1e-4;
        let slope = |up: f64, down: f64, step: f64| (up - down) / (2.0 * step);
        let close = |got: f64, slope: f64, scale: f64| (got - slope).abs() <= 1e-5 * scale.max(got.abs());
        prop_assert!(close(got.delta, slope(at(h, 0.0, 0.0).price, at(-h, 0.0, 0.0).price, h), 1.0));
        prop_assert!(close(got.gamma, slope(at(h, 0.0, 0.0).delta, at(-h, 0.0, 0.0).delta, h), 0.1));
        let step = 1e-6;
        prop_assert!(close(got.vega, slope(at(0.0, 0.0, step).price, at(0.0, 0.0, -step).price, step), 10.0));
        prop_assert!(close(got.vanna, slope(at(0.0, 0.0, step).delta, at(0.0, 0.0, -step).delta, step), 1.0));
        prop_assert!(close(got.charm, -slope(at(0.0, step, 0.0).delta, at(0.0, -step, 0.0).delta, step), 1.0));
    }

    /// Call minus put is the forward: C − P = S·e^(−qT) − K·e^(−rT), and its delta and charm follow.
    #[test]
    fn put_call_parity(
        moneyness in 0.5_f64..2.0, years in 0.001_f64..3.0, volatility in 0.05_f64..2.0, dividend_yield in 0.0_f64..0.05,
    ) {
        let rate = 0.04;
        let (call, put) = call_and_put(&inputs(100.0, 100.0 * moneyness, years, volatility, rate, dividend_yield));
        let carried = (-dividend_yield * years).exp();
        let forward = 100.0 * carried - 100.0 * moneyness * (-rate * years).exp();
        prop_assert!((call.price - put.price - forward).abs() < 1e-10 * 100.0);
        prop_assert!((call.delta - put.delta - carried).abs() < 1e-13);
        prop_assert!((call.charm - put.charm - dividend_yield * carried).abs() < 1e-10);
        prop_assert_eq!(call.gamma, put.gamma);
        prop_assert_eq!(call.vanna, put.vanna);
    }
}
