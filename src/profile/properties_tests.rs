//! What holds for every session: nothing depends on the order of bars, TPOs not on their length, value areas hold what they must and
//! grow with the share, rows add up to the periods'.

use proptest::prelude::*;

use super::computed::Profile;
use super::record::ValueAreaMethod;
use super::scene::{Asked, DAY, bar};
use super::share::Share;
use crate::bars::Bar;
use crate::market::SessionKind;

/// A walk of one-minute bars with gaps in time and in price.
fn walks() -> impl Strategy<Value = Vec<Bar>> {
    let step = (-6_i64..=6, 0_i64..4, 0_i64..4, -3_i64..=3, 0_u32..5000, prop::bool::weighted(0.05));
    (prop::collection::vec(step, 1..390), -500_i64..500).prop_map(|(steps, start)| {
        let session = Asked::day().session;
        let mut price = start;
        let mut bars = Vec::new();
        for (at, (jump, up, down, turn, volume, is_gap)) in steps.into_iter().enumerate() {
            let open = price + jump;
            let close = open + turn;
            price = close;
            if !is_gap {
                let (high, low) = (open.max(close) + up, open.min(close) - down);
                bars.push(bar(session, at as i64, 1, [open, high, low, close], f64::from(volume) / 4.0));
            }
        }
        if bars.is_empty() {
            bars.push(bar(session, 0, 1, [start; 4], 1.0));
        }
        bars
    })
}

/// The same prices in bars of five minutes.
fn in_fives(bars: &[Bar]) -> Vec<Bar> {
    let open = Asked::day().session.open.timestamp() / 60;
    let mut fives: Vec<Bar> = Vec::new();
    for bar in bars {
        let start = open + (bar.start_minute - open) / 5 * 5;
        match fives.last_mut() {
            Some(five) if five.start_minute == start => {
                five.high = five.high.max(bar.high);
                five.low = five.low.min(bar.low);
                five.close = bar.close;
                five.volume += bar.volume;
            }
            _ => fives.push(Bar { start_minute: start, minutes: 5, ..*bar }),
        }
    }
    fives
}

fn asked(row_ticks: u32, method: ValueAreaMethod, millionths: u32) -> Asked {
    let mut asked = Asked::of("TEST", DAY, SessionKind::Rth);
    asked.shape.row_ticks = row_ticks;
    asked.shape.method = method;
    asked.shape.share = Share::from_millionths(millionths).unwrap();
    asked
}

/// All that is made of time at price, none of what is made of volume.
fn without_volume(mut profile: Profile) -> Profile {
    profile.volume_levels = None;
    profile.row_volumes.clear();
    profile.minutes_seen = 0;
    profile
}

fn methods() -> impl Strategy<Value = ValueAreaMethod> {
    prop::sample::select(ValueAreaMethod::ALL.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn bars_come_in_any_order(bars in walks(), row in 1_u32..12, method in methods(), seed in any::<u64>()) {
        let asked = asked(row, method, 700_000);
        let mut shuffled = bars.clone();
        let mut state = seed;
        for at in (1..shuffled.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            shuffled.swap(at, (state >> 33) as usize % (at + 1));
        }
        prop_assert_eq!(asked.over(&bars), asked.over(&shuffled));
    }

    #[test]
    fn letters_are_alike_from_bars_of_one_and_of_five_minutes(bars in walks(), row in 1_u32..12, method in methods()) {
        let asked = asked(row, method, 700_000);
        let (ones, fives) = (asked.over(&bars), asked.over(&in_fives(&bars)));
        prop_assert_eq!(ones.volume, fives.volume);
        prop_assert_eq!(without_volume(ones), without_volume(fives));
    }

    #[test]
    fn a_value_area_holds_its_share_around_the_point_of_control(
        bars in walks(), row in 1_u32..12, method in methods(), share in 1_u32..=1_000_000,
    ) {
        let asked = asked(row, method, share);
        let profile = asked.over(&bars);
        let (low, poc, high) =
            (profile.row_of(profile.levels.low), profile.row_of(profile.levels.poc), profile.row_of(profile.levels.high));
        prop_assert!(low <= poc && poc <= high);
        let held: u32 = profile.row_tpos[low..=high].iter().sum();
        prop_assert_eq!(held, profile.tpo_counts.value_area);
        let total = profile.tpo_counts.total;
        prop_assert!(u64::from(held) * 1_000_000 >= u64::from(total) * u64::from(share));
        prop_assert!(profile.row_tpos.iter().all(|&count| count <= profile.row_tpos[poc]));
        let volumes = profile.row_volumes();
        if let Some(levels) = profile.volume_levels {
            let inside = profile.row_of(levels.low)..=profile.row_of(levels.high);
            prop_assert!(inside.contains(&profile.row_of(levels.poc)));
            let held: f64 = volumes[inside].iter().sum();
            prop_assert!(held >= profile.volume * f64::from(share) / 1e6 * (1.0 - 1e-9));
        }
        prop_assert!((volumes.iter().sum::<f64>() - profile.volume).abs() <= profile.volume * 1e-9);
    }

    #[test]
    fn a_larger_share_holds_the_smaller_one(bars in walks(), row in 1_u32..12, method in methods(), one in 1_u32..=1_000_000, other in 1_u32..=1_000_000) {
        let (small, large) = (one.min(other), one.max(other));
        let inner = asked(row, method, small).over(&bars).levels;
        let outer = asked(row, method, large).over(&bars).levels;
        prop_assert!(outer.low <= inner.low && inner.high <= outer.high);
        prop_assert_eq!(inner.poc, outer.poc);
    }

    #[test]
    fn rows_add_up_to_the_periods(bars in walks(), row in 1_u32..12) {
        let profile = asked(row, ValueAreaMethod::OneRow, 700_000).over(&bars);
        let mut rows = vec![0_u32; profile.row_tpos.len()];
        for period in &profile.periods {
            for count in &mut rows[profile.row_of(period.low)..=profile.row_of(period.high)] {
                *count += 1;
            }
        }
        prop_assert_eq!(&rows, &profile.row_tpos);
        prop_assert_eq!(rows.iter().sum::<u32>(), profile.tpo_counts.total);
        let single = profile.single_prints.iter().map(|run| profile.row_of(run.high) - profile.row_of(run.low) + 1).sum::<usize>();
        prop_assert_eq!(single, rows.iter().filter(|&&count| count == 1).count());
        prop_assert!(!(profile.poor_high && profile.tail_high.is_some()));
        prop_assert!(!(profile.poor_low && profile.tail_low.is_some()));
        prop_assert!(profile.range.low <= profile.initial_balance.low && profile.initial_balance.high <= profile.range.high);
        prop_assert!(profile.lowest_row <= profile.range.low && rows[0] > 0 && rows[rows.len() - 1] > 0);
        let counts = profile.tpo_counts;
        prop_assert!(counts.above_poc + counts.below_poc < counts.total);
    }
}
