//! Sessions worked by hand, level by level, and the edges: one bar, one row, negative prices, half days, changed clocks.

use chrono::TimeDelta;

use super::computed::Source;
use super::record::{SessionType, ValueAreaMethod};
use super::scene::{Asked, DAY, bar, letters};
use super::session_shape::Range;
use super::settings::{PoorRule, Settings};
use super::share::Share;
use crate::lake::manifest::Condition;
use crate::market::{SessionKind, Ticks};

fn range(low: i64, high: i64) -> Range {
    Range { low: Ticks(low), high: Ticks(high) }
}

/// The drawing that every introduction shows: fourteen rows, letters A to G.
const DRAWING: [(i64, i64); 7] =
    [(5907, 5920), (5908, 5919), (5909, 5918), (5910, 5917), (5911, 5916), (5912, 5915), (5913, 5914)];

#[test]
fn the_textbook_drawing() {
    let mut asked = Asked::day();
    let one_row = asked.over(&letters(asked.session, 5912, &DRAWING, 5914));
    // 5913 and 5914 have seven TPOs each, equally near the middle of 5907 to 5920: the higher one.
    assert_eq!(one_row.levels.poc, Ticks(5914));
    assert_eq!(one_row.row_tpos, [1, 2, 3, 4, 5, 6, 7, 7, 6, 5, 4, 3, 2, 1]);
    // A and B, whatever a drawing calls the initial balance.
    assert_eq!(one_row.initial_balance, range(5907, 5920));
    // 56 TPOs, 39.2 wanted. 7, down 14, up 20, down 26, up 31, down 36, up 40.
    assert_eq!((one_row.levels.low, one_row.levels.high), (Ticks(5911), Ticks(5917)));
    let counts = one_row.tpo_counts;
    assert_eq!((counts.total, counts.value_area, counts.above_poc, counts.below_poc), (56, 40, 21, 28));
    assert_eq!(one_row.single_prints, [range(5920, 5920), range(5907, 5907)]);
    // One single print is neither a tail nor a poor extreme.
    assert!(one_row.tail_high.is_none() && one_row.tail_low.is_none() && !one_row.poor_high && !one_row.poor_low);
    // Every period inside the one before: a lower high and a higher low each.
    assert_eq!(one_row.rotation_factor, 0);
    assert_eq!(one_row.session_type, SessionType::Normal);

    asked.shape.method = ValueAreaMethod::TwoRow;
    let two_row = asked.over(&letters(asked.session, 5912, &DRAWING, 5914));
    // 7, down 7 + 6 = 20 (against 6 + 5), up 11 = 31 (against 5 + 4), down 9 = 40 (against 4 + 3).
    assert_eq!((two_row.levels.low, two_row.levels.high), (Ticks(5910), Ticks(5916)));
    assert_eq!(two_row.tpo_counts.value_area, 40);
}

#[test]
fn a_value_area_takes_what_is_left_at_an_edge() {
    let mut asked = Asked::day();
    // Counts from the bottom: 3, 3, 2, 1, 1, 1, 1 = 12. All tied rows are below the middle, so the upper of them is the POC.
    let bars = letters(asked.session, 1, &[(0, 6), (0, 2), (0, 1)], 1);
    let levels = asked.over(&bars).levels;
    // 8.4 wanted: 3, down 6 (3 against 2), up 8, up 9.
    assert_eq!((levels.poc, levels.low, levels.high), (Ticks(1), Ticks(0), Ticks(3)));
    asked.shape.method = ValueAreaMethod::TwoRow;
    // 3, then 2 + 1 above against the 3 that are left below: up, 6; below 3 against 1 + 1: down, 9.
    let levels = asked.over(&bars).levels;
    assert_eq!((levels.poc, levels.low, levels.high), (Ticks(1), Ticks(0), Ticks(3)));
    asked.shape.share = "1".parse().unwrap();
    let levels = asked.over(&bars).levels;
    assert_eq!((levels.low, levels.high), (Ticks(0), Ticks(6)));
    asked.shape.share = Share::from_millionths(1).unwrap();
    let levels = asked.over(&bars).levels;
    assert_eq!((levels.low, levels.high), (Ticks(1), Ticks(1)));
}

#[test]
fn exactly_the_share_is_enough() {
    let mut asked = Asked::day();
    // Counts 1, 7, 1, 1: the POC holds exactly 70 % of ten.
    let bars = letters(asked.session, 1, &[(0, 3), (1, 1), (1, 1), (1, 1), (1, 1), (1, 1), (1, 1)], 1);
    let profile = asked.over(&bars);
    assert_eq!(profile.row_tpos, [1, 7, 1, 1]);
    assert_eq!((profile.levels.low, profile.levels.high), (Ticks(1), Ticks(1)));
    asked.shape.share = "0.700001".parse().unwrap();
    let levels = asked.over(&bars).levels;
    assert_eq!((levels.low, levels.high), (Ticks(1), Ticks(2)));
}

#[test]
fn tails_are_what_the_market_left_and_did_not_come_back_to() {
    let asked = Asked::day();
    // B leaves 118-120, C leaves 98-99; M alone makes nothing final.
    let bars = letters(asked.session, 105, &[(104, 112), (106, 120), (98, 117), (100, 115), (101, 113)], 105);
    let profile = asked.over(&bars);
    assert_eq!(profile.tail_high, Some(range(118, 120)));
    assert_eq!(profile.tail_low, Some(range(98, 99)));
    assert_eq!(profile.single_prints, [range(118, 120), range(98, 99)]);
    assert!(!profile.poor_high && !profile.poor_low);
    // 2 × 116-117, 3 × 114-115, 4 × 113, 5 × 106-112, 4 × 104-105, 3 × 101-103, 2 × 100. POC 109, nearest the middle.
    assert_eq!(profile.levels.poc, Ticks(109));
    let counts = profile.tpo_counts;
    assert_eq!((counts.above_poc, counts.below_poc), (3 * 5 + 4 + 2 * 3 + 2 * 2, 3 * 5 + 2 * 4 + 3 * 3 + 2));
    assert_eq!(counts.total, counts.above_poc + counts.below_poc + 5 + 3 + 2);

    // The same with the last period leaving the high: nobody can have come back yet.
    let mut late = bars.clone();
    late.push(bar(asked.session, 150, 30, [105, 124, 105, 122], 1.0));
    let profile = asked.over(&late);
    assert_eq!((profile.tail_high, profile.poor_high), (None, false));
    assert_eq!(profile.single_prints[0], range(121, 124));
    // And with M down at the low a second time.
    late.push(bar(asked.session, 180, 30, [105, 110, 98, 99], 1.0));
    let profile = asked.over(&late);
    assert_eq!((profile.tail_low, profile.poor_low), (None, true));
    assert_eq!(profile.tail_high, Some(range(121, 124)), "M came after it");
}

#[test]
fn a_poor_extreme_and_a_tail_exclude_each_other() {
    let mut asked = Asked::day();
    let bars = letters(asked.session, 100, &[(100, 110), (100, 109), (101, 109)], 105);
    let profile = asked.over(&bars);
    assert_eq!((profile.poor_high, profile.poor_low), (false, true));
    assert_eq!((profile.tail_high, profile.tail_low), (None, None));
    asked.settings.poor_rule = PoorRule::NoTail;
    let profile = asked.over(&bars);
    assert_eq!((profile.poor_high, profile.poor_low), (true, true));
    asked.settings.tail_rows = 1;
    let profile = asked.over(&bars);
    assert_eq!((profile.poor_high, profile.tail_high), (false, Some(range(110, 110))));
}

#[test]
fn single_prints_run_on_over_letters_and_count_tails_when_told() {
    let mut asked = Asked::day();
    // A 100-103, B 104-108, C 103-103: rows 100-102 are A's, 104-108 B's.
    let bars = letters(asked.session, 100, &[(100, 103), (104, 108), (103, 103)], 103);
    let profile = asked.over(&bars);
    assert_eq!(profile.row_tpos, [1, 1, 1, 2, 1, 1, 1, 1, 1]);
    assert_eq!(profile.single_prints, [range(104, 108), range(100, 102)]);
    assert_eq!((profile.tpo_counts.above_poc, profile.tpo_counts.below_poc), (0, 0));
    asked.settings.count_tails = true;
    let counts = asked.over(&bars).tpo_counts;
    assert_eq!((counts.above_poc, counts.below_poc, counts.total), (5, 3, 10));
    asked.settings.single_print_rows = 4;
    assert_eq!(asked.over(&bars).single_prints, [range(104, 108)]);
    // Two letters side by side make one run: A 100-101, B 102-103.
    let profile = asked.over(&letters(asked.session, 100, &[(100, 101), (102, 103)], 103));
    assert_eq!(profile.single_prints, [range(100, 103)]);
    assert_eq!((profile.tail_low, profile.tail_high), (Some(range(100, 101)), None));
}

#[test]
fn rows_between_two_periods_that_nobody_traded_at_are_empty() {
    let asked = Asked::day();
    let profile = asked.over(&letters(asked.session, 100, &[(100, 101), (100, 102), (105, 106)], 106));
    assert_eq!(profile.row_tpos, [2, 2, 1, 0, 0, 1, 1]);
    assert_eq!(profile.levels.poc, Ticks(101));
    // 7 TPOs, 4.9 wanted: 2, down 4 (2 against 1), up 5.
    assert_eq!((profile.levels.low, profile.levels.high), (Ticks(100), Ticks(102)));
    assert_eq!(profile.single_prints, [range(105, 106), range(102, 102)]);
}

#[test]
fn rotation_and_extension_are_those_of_the_prices() {
    let mut asked = Asked::day();
    // Against the one before: B +1 +1, C 0 +1, D −1 −1, E +1 −1.
    let bars = letters(asked.session, 100, &[(100, 110), (102, 112), (103, 112), (101, 109), (98, 115)], 100);
    let profile = asked.over(&bars);
    assert_eq!(profile.rotation_factor, 2 + 1 - 2);
    assert_eq!(profile.initial_balance, range(100, 112));
    assert_eq!(profile.range_extension(), (Ticks(3), Ticks(2)));
    // Rows of four ticks change rows, not prices.
    asked.shape.row_ticks = 4;
    let coarse = asked.over(&bars);
    assert_eq!((coarse.initial_balance, coarse.range, coarse.rotation_factor), (range(100, 112), range(98, 115), 1));
    // 96: E; 100: A B C D E; 104: all; 108: all; 112: B C E.
    assert_eq!(coarse.row_tpos, [1, 5, 5, 5, 3]);
    assert_eq!((coarse.lowest_row, coarse.levels.poc), (Ticks(96), Ticks(104)));
}

#[test]
fn volume_is_spread_evenly_and_exactly() {
    let asked = Asked::day();
    let session = asked.session;
    // Rows 3 to 5 hold a third of 100 and a third of 200 each; row 2 holds 100: all alike, 3 and 2 nearest the middle of 0 to 5.
    let bars = [
        bar(session, 0, 1, [3, 5, 3, 3], 100.0),
        bar(session, 1, 1, [3, 5, 3, 3], 200.0),
        bar(session, 2, 1, [2, 2, 2, 2], 100.0),
        bar(session, 3, 1, [0, 0, 0, 0], 1.0),
    ];
    let profile = asked.over(&bars);
    assert_eq!(profile.volume, 401.0);
    assert_eq!(profile.volume_levels.unwrap().poc, Ticks(3));
    let rows = profile.row_volumes();
    assert_eq!((rows[0], rows[1], rows[2]), (1.0, 0.0, 100.0));
    assert!(rows[3..].iter().all(|volume| (volume - 100.0).abs() < 1e-9), "{rows:?}");
    // 280.7 wanted: 100; 4 and 2 are alike, so up, 200; 5 and 2 are alike, so up, 300.
    let levels = profile.volume_levels.unwrap();
    assert_eq!((levels.low, levels.high), (Ticks(3), Ticks(5)));

    let without: Vec<_> = bars.iter().map(|bar| crate::bars::Bar { volume: 0.0, ..*bar }).collect();
    let profile = asked.over(&without);
    assert_eq!((profile.volume, profile.volume_levels), (0.0, None));
    let coins = [bar(session, 0, 1, [3, 3, 3, 3], 0.1), bar(session, 1, 1, [3, 3, 3, 3], 0.2)];
    assert_eq!(asked.over(&coins).volume, 0.3);
}

#[test]
fn one_bar_is_a_profile() {
    let asked = Asked::day();
    let profile = asked.over(&[bar(asked.session, 0, 1, [7, 7, 7, 7], 3.0)]);
    assert_eq!((profile.row_tpos.as_slice(), profile.levels.poc), ([1].as_slice(), Ticks(7)));
    assert_eq!((profile.levels.low, profile.levels.high, profile.range), (Ticks(7), Ticks(7), range(7, 7)));
    assert_eq!((profile.session_type, profile.bias.as_str()), (SessionType::NonTrend, "neutral"));
    assert_eq!((profile.tail_high, profile.poor_high, profile.rotation_factor), (None, false, 0));
    assert_eq!((profile.minutes_seen, profile.minutes_expected), (1, 390));
    assert_eq!(asked.try_over(&[]).unwrap(), None);
    assert_eq!(asked.try_over(&[bar(asked.session, -30, 30, [7, 7, 7, 7], 3.0)]).unwrap(), None);
}

#[test]
fn a_flat_session_is_one_row() {
    let mut asked = Asked::day();
    asked.shape.row_ticks = 50;
    let bars = letters(asked.session, 102, &[(101, 110), (100, 149), (120, 130)], 125);
    let profile = asked.over(&bars);
    assert_eq!((profile.row_tpos.as_slice(), profile.levels.poc), ([3].as_slice(), Ticks(100)));
    assert!(profile.poor_high && profile.poor_low && profile.single_prints.is_empty());
    assert_eq!(profile.range, range(100, 149));
}

#[test]
fn prices_below_zero_have_rows_too() {
    // Crude oil on 2020-04-20: rows of five cents start at multiples of five cents below zero as well.
    let asked = Asked::of("CL", "2020-04-20", SessionKind::Rth);
    let bars = letters(asked.session, 12, &[(-7, 12), (-403, 3), (-404, -398)], -402);
    let profile = asked.over(&bars);
    assert_eq!(profile.lowest_row, Ticks(-405));
    assert_eq!(profile.row_of(Ticks(-404)), 0);
    assert_eq!(profile.row_price(profile.row_of(Ticks(-7))), Ticks(-10));
    // Twice traded: −405 and −400 by B and C, −10 to 0 by A and B; −10 is the nearest the middle of −405 to 10.
    assert_eq!(profile.levels.poc, Ticks(-10));
    assert_eq!(profile.cash_session_return(), Some(-402.0 / 12.0 - 1.0));
    let record = profile.into_record(&source());
    assert_eq!((record.session_low, record.poc), (-4.04, -0.1));
    let from_below = asked.over(&letters(asked.session, -5, &[(-7, 12)], 3));
    assert_eq!(from_below.cash_session_return(), None);
}

fn source() -> Source {
    Source {
        revision: 3,
        sha256: "abc".into(),
        condition: Condition::Degraded,
        reasons: vec!["missing_minutes".into()],
    }
}

#[test]
fn a_half_day_ends_when_it_ends() {
    let asked = Asked::of("TEST", "2024-07-03", SessionKind::Rth);
    assert_eq!(asked.session.minutes(), 225);
    // The eighth letter is a quarter of an hour.
    let bars: Vec<_> = (0..225).map(|at| bar(asked.session, at, 1, [100, 101, 99, 100], 1.0)).collect();
    let profile = asked.over(&bars);
    assert_eq!((profile.periods.len(), profile.minutes_expected, profile.minutes_seen), (8, 225, 225));
    let error = asked.try_over(&[bar(asked.session, 210, 30, [100, 101, 99, 100], 1.0)]).unwrap_err();
    assert!(
        error.detail().starts_with("bars_too_coarse: the 30-minute bar of 2024-07-03T17:00Z"),
        "{}",
        error.detail()
    );
}

#[test]
fn letters_count_hours_that_passed_not_what_clocks_show() {
    for (date, hours) in [("2025-03-09", 23), ("2025-11-02", 25), ("2025-06-01", 24)] {
        let asked = Asked::of("ALWAYS", date, SessionKind::Full);
        let bars: Vec<_> = (0..hours * 60).map(|at| bar(asked.session, at, 1, [100, 104, 100, 100], 1.0)).collect();
        let profile = asked.over(&bars);
        assert_eq!(profile.periods.len(), hours as usize * 2, "{date}");
        assert_eq!(profile.minutes_seen, profile.minutes_expected);
        assert_eq!(profile.row_tpos, [hours as u32 * 2]);
    }
    // A future's trading date has 23 hours whichever week it is.
    for date in ["2025-03-07", "2025-03-10", "2025-10-31", "2025-11-03"] {
        let asked = Asked::of("TEST", date, SessionKind::Full);
        let bars: Vec<_> = (0..46).map(|at| bar(asked.session, at * 30, 30, [100, 104, 100, 100], 1.0)).collect();
        assert_eq!(asked.over(&bars).periods.len(), 46, "{date}");
    }
}

#[test]
fn more_letters_than_the_alphabet_has() {
    let mut asked = Asked::of("ALWAYS", DAY, SessionKind::Full);
    let mut instrument = (*asked.instrument).clone();
    instrument.tpo_period_minutes = 15;
    asked.instrument = instrument.into();
    let bars: Vec<_> = (0..96).map(|at| bar(asked.session, at * 15, 15, [100, 104, 100, 100], 1.0)).collect();
    let record = asked.over(&bars).into_record(&source());
    let letters: Vec<&str> = record.tpo_structure.0.iter().map(|period| period.letter.as_str()).collect();
    assert_eq!((letters.len(), letters[51], letters[52], letters[95]), (96, "z", "A2", "r2"));
}

#[test]
fn bars_that_cannot_be_put_anywhere_are_refused() {
    let asked = Asked::day();
    let prices = [100, 101, 99, 100];
    for (at, minutes, name) in [
        (0, 60, "bars_too_coarse"),
        (20, 20, "bars_too_coarse"),
        (-1, 2, "bars_too_coarse"),
        (389, 2, "bars_too_coarse"),
        (5, 0, "bars_malformed"),
    ] {
        let error = asked.try_over(&[bar(asked.session, at, minutes, prices, 1.0)]).unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::Invalid);
        assert!(error.detail().starts_with(name), "{}", error.detail());
    }
    let refused = |bars: &[crate::bars::Bar]| asked.try_over(bars).unwrap_err().detail().to_owned();
    let minute = bar(asked.session, 3, 1, prices, 1.0);
    assert!(refused(&[minute, bar(asked.session, 0, 5, prices, 1.0)]).starts_with("bars_overlap"));
    assert!(refused(&[bar(asked.session, 3, 1, [100, 99, 101, 100], 1.0)]).starts_with("bars_malformed"));
    assert!(refused(&[bar(asked.session, 3, 1, prices, -1.0)]).starts_with("bars_malformed"));
    assert!(refused(&[bar(asked.session, 3, 1, prices, f64::NAN)]).starts_with("bars_malformed"));
    assert!(refused(&[bar(asked.session, 3, 1, prices, 2e15)]).starts_with("volume_too_large"));
    assert!(refused(&[bar(asked.session, 3, 1, [1, 200_000, 1, 1], 1.0)]).starts_with("too_many_rows"));
    // What lies outside the session is nobody's business.
    let outside = bar(asked.session, 390, 60, [100, 99, 101, 100], f64::NAN);
    assert_eq!(asked.over(&[minute, outside]), asked.over(&[minute]));
}

#[test]
fn a_developing_profile_is_that_of_the_bars_so_far() {
    let mut asked = Asked::day();
    let bars: Vec<_> =
        (0..390).map(|at| bar(asked.session, at, 1, [100 + at, 101 + at, 99 + at, 100 + at], 10.0)).collect();
    let whole = asked.over(&bars);
    for minutes in [1, 30, 45, 75, 389] {
        asked.until = Some(asked.session.open + TimeDelta::minutes(minutes) + TimeDelta::seconds(59));
        let developing = asked.over(&bars);
        let so_far = asked.over(&bars[..minutes as usize]);
        assert_eq!(developing, so_far);
        assert_eq!(developing.ends.close, Ticks(99 + minutes));
        assert_eq!((developing.minutes_seen, developing.minutes_expected), (minutes as u32, minutes as u32));
        assert!(developing.at.is_some());
    }
    // At 10:15 the initial balance is what the first 45 minutes had.
    asked.until = Some(asked.session.open + TimeDelta::minutes(45));
    assert_eq!(asked.over(&bars).initial_balance, range(99, 145));
    asked.until = Some(asked.session.open);
    assert_eq!(asked.try_over(&bars).unwrap(), None);
    asked.until = Some(asked.session.close);
    assert_eq!(asked.over(&bars), whole);
    assert_eq!(whole.at, None);
}

#[test]
fn the_cash_return_is_that_of_the_regular_hours() {
    let mut full = Asked::of("TEST", DAY, SessionKind::Full);
    let mut rth = Asked::day();
    let regular = rth.session;
    let mut bars = vec![bar(full.session, 0, 30, [90, 95, 80, 85], 1.0)];
    bars.extend(letters(regular, 100, &[(98, 120), (95, 110)], 105));
    bars.push(bar(regular, 390, 30, [104, 107, 104, 107], 1.0));
    assert_eq!(rth.over(&bars).cash_session_return(), Some(105.0 / 100.0 - 1.0));
    assert_eq!(full.over(&bars).cash_session_return(), Some(105.0 / 100.0 - 1.0));
    assert_eq!((full.over(&bars).ends.open, full.over(&bars).ends.close), (Ticks(90), Ticks(107)));
    assert_eq!(Asked::of("TEST", DAY, SessionKind::Overnight).over(&bars).cash_session_return(), None);
    full.until = Some(regular.open + TimeDelta::minutes(30));
    assert_eq!(full.over(&bars).cash_session_return(), Some(120.0 / 100.0 - 1.0));
    full.until = Some(regular.open);
    assert_eq!(full.over(&bars).cash_session_return(), None);
    // Letters of an hour: a bar over the cash open cannot say what the cash open was.
    full.until = None;
    let mut hourly = (*full.instrument).clone();
    hourly.tpo_period_minutes = 60;
    full.instrument = hourly.into();
    let straddling = bar(full.session, 15 * 60, 60, [100, 101, 99, 100], 1.0);
    assert_eq!(full.over(&[straddling]).cash_session_return(), None);
    rth.until = None;
    assert!(rth.try_over(&[straddling]).is_err());
}

#[test]
fn a_session_that_starts_late_says_so() {
    let asked = Asked::day();
    let bars = [
        bar(asked.session, 60, 30, [100, 110, 100, 105], 1.0),
        bar(asked.session, 90, 30, [105, 115, 104, 110], 1.0),
        bar(asked.session, 120, 30, [110, 130, 110, 120], 1.0),
    ];
    let profile = asked.over(&bars);
    assert_eq!(profile.initial_balance, range(100, 115));
    let record = profile.into_record(&source());
    assert_eq!(record.reasons, ["missing_minutes", "initial_balance_late"]);
    assert_eq!(record.tpo_structure.0[0].letter, "C");
    assert_eq!((record.condition, record.revision, record.source_sha256.as_str()), (Condition::Degraded, 3, "abc"));
}

#[test]
fn letters_of_another_length_keep_their_first_hour() {
    let mut asked = Asked::day();
    for (minutes, letters) in [(15, 4), (20, 3), (30, 2), (45, 2), (60, 1), (90, 1)] {
        let mut instrument = (*asked.instrument).clone();
        instrument.tpo_period_minutes = minutes;
        asked.instrument = instrument.into();
        let bars: Vec<_> = (0..270).map(|at| bar(asked.session, at, 1, [at; 4], 1.0)).collect();
        assert_eq!(asked.over(&bars).initial_balance, range(0, i64::from(minutes * letters) - 1), "{minutes}");
    }
}

#[test]
fn a_record_is_in_price_units() {
    let asked = Asked::of("NQ", DAY, SessionKind::Rth);
    let bars = letters(asked.session, 85_500, &[(85_369, 85_500), (85_434, 85_592), (85_543, 85_701)], 85_700);
    let record = asked.over(&bars).into_record(&source());
    assert_eq!((record.session_low, record.session_high, record.session_open), (21_342.25, 21_425.25, Some(21_375.0)));
    assert_eq!((record.initial_balance_high, record.range_extension_up), (21_398.0, Some(27.25)));
    assert_eq!((record.tick_size, record.row_ticks, record.value_area_share), (Some(0.25), Some(10), Some(0.7)));
    // Rows of 2.50 start at multiples of it.
    assert_eq!(record.poc.rem_euclid(2.5), 0.0);
    let json = serde_json::to_value(&record).unwrap();
    assert_eq!(json["tpo_structure"]["A"], serde_json::json!([21375.0, 21342.25]));
    assert_eq!((json["calculation_version"].as_str(), json.get("at")), (Some("tpo-1"), None));
    assert_eq!(json["volume"], 300);
}

#[test]
fn settings_that_ask_for_nothing_are_refused() {
    let mut asked = Asked::day();
    asked.shape.share = Share::from_millionths(0).unwrap();
    assert_eq!(asked.try_over(&[]).unwrap_err().kind(), crate::ErrorKind::Invalid);
    assert_ne!(Settings::default().fingerprint_with(&asked.instrument), Settings::default().fingerprint());
}
