//! Compaction of bars on captures written by hand: what counts, what is counted, what is told. Numbers are worked out by hand.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::bars::record::{BAR_ROWS, CALCULATION, rows};
use crate::lake::compact::{Captured, Derived};
use crate::lake::manifest::Calculation;
use crate::lake::partition;
use crate::market::{Instrument, Instruments, TradingDate};

const BAR: &str = r#"{"zone":"America/New_York","stamp":"start","volume":"bar","minutes":1}"#;
const END: &str = r#"{"zone":"America/New_York","stamp":"end","volume":"bar","minutes":1}"#;
const FIVE: &str = r#"{"zone":"America/New_York","stamp":"start","volume":"bar","minutes":5}"#;
const COUNTED: &str = r#"{"zone":"America/New_York","stamp":"start","volume":"cumulative","minutes":1}"#;

fn instrument(symbol: &str) -> Arc<Instrument> {
    Arc::clone(Instruments::builtin().resolve(symbol).unwrap())
}

/// A captured bar of 2025-01-15: time of day, open, high, low, close, volume.
fn bar(symbol: &str, reading: &str, time: &str, cells: [f64; 5]) -> String {
    on(symbol, reading, &format!("2025-01-15 {time}:00"), cells)
}

fn on(symbol: &str, reading: &str, time: &str, [open, high, low, close, volume]: [f64; 5]) -> String {
    format!(
        r#"{{"symbol":"{symbol}","timestamp":"{time}","open":"{open}","high":"{high}","low":"{low}","close":"{close}","volume":"{volume}","reading":{reading}}}"#
    )
}

fn flat(symbol: &str, reading: &str, time: &str, price: f64, volume: f64) -> String {
    bar(symbol, reading, time, [price, price, price, price, volume])
}

/// A capture received at this second.
fn capture(id: &str, second: u32, documents: &[String]) -> Captured {
    let line = |document: &String| {
        format!("{{\"received_at\":\"2025-01-16T00:00:{second:02}.000000Z\",\"document\":{document}}}\n")
    };
    let text: String = documents.iter().map(line).collect();
    Captured { dataset: "bars".into(), id: id.into(), bytes: zstd::encode_all(text.as_bytes(), 1).unwrap().into() }
}

fn made_of(symbol: &str, captures: &[Captured], closed: bool) -> Derived {
    let (instrument, date) = (instrument(symbol), "2025-01-15".parse::<TradingDate>().unwrap());
    let parts: Vec<_> = captures.iter().map(|one| Arc::new(parse(one, date, &instrument).unwrap())).collect();
    let settings = instrument.settings_fingerprint();
    let calculation = Calculation { version: CALCULATION.to_owned(), settings, session_closed: closed };
    assemble(&instrument, date, &parts, &calculation).unwrap()
}

fn day(symbol: &str, captures: &[Captured]) -> Derived {
    made_of(symbol, captures, true)
}

/// (UTC time of day, minutes, close, volume) of each row.
fn told(derived: &Derived) -> Vec<(String, u16, f64, f64)> {
    let batches = partition::read(derived.data.clone().into(), BAR_ROWS.row_group_rows, "a test").unwrap();
    let rows: Vec<_> = batches.iter().flat_map(|batch| rows(batch).unwrap()).collect();
    let time = |minute: i64| format!("{:02}:{:02}", minute.rem_euclid(1440) / 60, minute.rem_euclid(60));
    rows.iter().map(|row| (time(row.start_minute), row.minutes, row.close, row.volume)).collect()
}

fn reason(derived: &Derived, code: &str) -> Option<(u64, bool)> {
    derived.content.reasons.iter().find(|reason| reason.code == code).map(|reason| (reason.count, reason.degrades))
}

fn row(time: &str, minutes: u16, close: f64, volume: f64) -> (String, u16, f64, f64) {
    (time.to_owned(), minutes, close, volume)
}

#[test]
fn the_row_received_last_counts_and_the_others_are_counted() {
    let first = capture(
        "b",
        1,
        &[
            flat("SPY", BAR, "09:30", 590.0, 10.0),
            flat("SPY", BAR, "09:31", 591.0, 11.0),
            flat("SPY", BAR, "09:31", 591.5, 11.0),
            flat("SPY", BAR, "09:32", 592.0, 12.0),
            flat("SPY", BAR, "09:32", 592.0, 12.0),
            flat("SPY", BAR, "09:33", 593.0, 13.0),
        ],
    );
    // Its id sorts before the other's: what decides is when it was received.
    let later = capture("a", 2, &[flat("SPY", BAR, "09:33", 593.25, 13.0), flat("SPY", BAR, "09:30", 590.0, 10.0)]);
    let made = day("SPY", &[later, first]);
    assert_eq!(
        told(&made),
        [
            row("14:30", 1, 590.0, 10.0),
            row("14:31", 1, 591.5, 11.0),
            row("14:32", 1, 592.0, 12.0),
            row("14:33", 1, 593.25, 13.0)
        ]
    );
    let counts = &made.content.counts;
    assert_eq!((counts.documents, counts.rows_in, counts.duplicates), (8, 8, 4));
    assert_eq!(reason(&made, "duplicates"), Some((2, false)));
    assert_eq!(reason(&made, "conflicting_duplicates"), Some((1, true)));
    assert_eq!(reason(&made, "corrections"), Some((1, false)));
    let flagged = &made.content.details["flagged"]["conflicting_duplicates"];
    assert_eq!((&flagged[0]["timestamp"], &flagged[0]["close"]), (&json!("2025-01-15T14:31:00Z"), &json!(591.5)));
}

#[test]
fn a_count_of_the_day_becomes_the_volume_of_each_bar() {
    // The first minutes of a NIFTY future, 2020-06-30, by hand: 84450, 342675 − 84450, 446400 − 342675; then a minute without
    // a bar, a count that was corrected downwards, one that began anew.
    let counted = |time: &str, volume: f64| flat("SPY", COUNTED, time, 590.0, volume);
    let made = day(
        "SPY",
        &[capture(
            "a",
            1,
            &[
                counted("09:30", 84_450.0),
                counted("09:31", 342_675.0),
                counted("09:32", 446_400.0),
                counted("09:34", 446_500.0),
                counted("09:35", 446_480.0),
                counted("09:36", 700.0),
            ],
        )],
    );
    let volumes: Vec<f64> = told(&made).iter().map(|row| row.3).collect();
    assert_eq!(volumes, [84_450.0, 258_225.0, 103_725.0, 100.0, 0.0, 700.0]);
    assert_eq!(reason(&made, "cumulative_volume_fell"), Some((2, true)));
    assert_eq!(reason(&made, "volume_covers_gap"), Some((1, false)));
    // A correction of one count changes the bar after it too.
    let corrected = capture("b", 2, &[counted("09:31", 342_600.0)]);
    let first =
        capture("a", 1, &[counted("09:30", 84_450.0), counted("09:31", 342_675.0), counted("09:32", 446_400.0)]);
    let volumes: Vec<f64> = told(&day("SPY", &[first, corrected])).iter().map(|row| row.3).collect();
    assert_eq!(volumes, [84_450.0, 258_150.0, 103_800.0]);
}

#[test]
fn a_count_goes_on_from_the_bars_before_it() {
    // 10 + 20 were traded in the first two minutes; the count says 75, then 85; a bar of 5; then 100: 75 − 30, 85 − 75, 100 − 85 − 5.
    let own = |time: &str, volume: f64| flat("SPY", BAR, time, 590.0, volume);
    let counted = |time: &str, volume: f64| flat("SPY", COUNTED, time, 590.0, volume);
    let bars = [
        own("09:30", 10.0),
        own("09:31", 20.0),
        own("09:32", 99.0),
        own("09:33", 99.0),
        own("09:34", 5.0),
        own("09:35", 99.0),
    ];
    let counts = [counted("09:32", 75.0), counted("09:33", 85.0), counted("09:35", 100.0)];
    let made = day("SPY", &[capture("a", 1, &bars), capture("b", 2, &counts)]);
    let volumes: Vec<f64> = told(&made).iter().map(|row| row.3).collect();
    assert_eq!(volumes, [10.0, 20.0, 45.0, 10.0, 5.0, 10.0]);
    assert_eq!(reason(&made, "volume_unknown"), None);
    // A count below the sum of the bars before it, and one that begins after the opening, say nothing of their first bar.
    let made =
        day("SPY", &[capture("a", 1, &bars[..2]), capture("b", 2, &[counted("09:32", 29.0), counted("09:33", 31.0)])]);
    assert_eq!(told(&made).iter().map(|row| row.3).collect::<Vec<_>>(), [10.0, 20.0, 0.0, 2.0]);
    assert_eq!(reason(&made, "volume_unknown"), Some((1, true)));
    let made = day("SPY", &[capture("b", 2, &[counted("09:32", 75.0), counted("09:33", 85.0)])]);
    assert_eq!(told(&made).iter().map(|row| row.3).collect::<Vec<_>>(), [0.0, 10.0]);
    assert_eq!((reason(&made, "volume_unknown"), made.content.condition.as_str()), (Some((1, true)), "degraded"));
}

#[test]
fn a_count_of_calendar_days_does_not_give_the_evening_the_day_before() {
    let counted = |time: &str, volume: f64| on("NQ", COUNTED, time, [21_400.0, 21_401.0, 21_399.0, 21_400.0, volume]);
    let evening = |first: f64, last: f64| {
        [
            counted("2025-01-14 18:00:00", first),
            counted("2025-01-14 18:01:00", first + 7.0),
            counted("2025-01-14 23:59:00", last),
        ]
    };
    let volumes = |bars: &[String]| {
        let made = day("NQ", &[capture("a", 1, bars)]);
        (told(&made).iter().map(|row| row.3).collect::<Vec<_>>(), reason(&made, "volume_unknown"))
    };
    // The count falls at midnight: 511694 holds the whole day before.
    let calendar = [
        &evening(511_694.0, 512_000.0)[..],
        &[counted("2025-01-15 00:00:00", 12.0), counted("2025-01-15 00:01:00", 20.0)],
    ]
    .concat();
    assert_eq!(volumes(&calendar), (vec![0.0, 7.0, 299.0, 12.0, 8.0], Some((1, true))));
    // It goes on over midnight: it is the session's.
    let session = [&evening(500.0, 800.0)[..], &[counted("2025-01-15 00:00:00", 812.0)]].concat();
    assert_eq!(volumes(&session), (vec![500.0, 7.0, 293.0, 12.0], None));
    // Nothing after midnight: nobody can tell.
    assert_eq!(volumes(&evening(500.0, 800.0)), (vec![0.0, 7.0, 293.0], Some((1, true))));
}

#[test]
fn a_finer_bar_stands_in_the_place_of_every_coarser_one_that_it_overlaps() {
    let five = |time: &str, high: f64, low: f64| bar("SPY", FIVE, time, [590.0, high, low, 590.0, 50.0]);
    let one = |time: &str, high: f64, low: f64| bar("SPY", BAR, time, [590.0, high, low, 590.0, 10.0]);
    let made = day(
        "SPY",
        &[capture(
            "a",
            1,
            &[
                // Four of its minutes, and not its high.
                five("09:30", 592.0, 588.0),
                one("09:30", 590.5, 589.5),
                one("09:31", 590.5, 589.5),
                one("09:32", 590.5, 589.5),
                one("09:33", 590.5, 589.5),
                // Its last minute alone.
                five("09:35", 591.0, 589.0),
                one("09:39", 590.0, 589.0),
                // Alone.
                five("09:40", 591.0, 589.0),
            ],
        )],
    );
    let shape: Vec<(String, u16)> = told(&made).into_iter().map(|row| (row.0, row.1)).collect();
    let expected: Vec<(String, u16)> =
        [("14:30", 1), ("14:31", 1), ("14:32", 1), ("14:33", 1), ("14:39", 1), ("14:40", 5)]
            .map(|(time, minutes)| (time.to_owned(), minutes))
            .to_vec();
    assert_eq!(shape, expected);
    assert_eq!(reason(&made, "coarser_bars"), Some((2, false)));
    assert_eq!(reason(&made, "mixed_intervals"), Some((1, true)));
    assert_eq!((made.content.counts.rows_in, made.content.counts.duplicates), (8, 2));
    assert_eq!(made.content.details["bars_by_minutes"], json!({"1": 5, "5": 1}));
    assert_eq!(made.content.minutes_seen, 10);
}

#[test]
fn bars_that_begin_inside_another_one_are_told() {
    let five = |time: &str| flat("SPY", FIVE, time, 590.0, 5.0);
    let made = day("SPY", &[capture("a", 1, &[five("09:30"), five("09:32"), five("09:40")])]);
    assert_eq!(reason(&made, "overlapping_bars"), Some((1, true)));
    assert_eq!(made.content.rows, 3);
}

#[test]
fn what_a_statement_withdraws_does_not_count() {
    let file = |reading: &str| -> Vec<String> {
        ["09:31", "09:32", "16:00"]
            .iter()
            .zip([591.0, 592.0, 600.0])
            .map(|(time, price)| flat("SPY", reading, time, price, 1.0))
            .collect()
    };
    let withdraws = r#"{"withdraws":"a"}"#.to_owned();
    let again = [file(END), vec![withdraws.clone()]].concat();
    let made = day("SPY", &[capture("a", 1, &file(BAR)), capture("b", 2, &again)]);
    assert_eq!(told(&made), [row("14:30", 1, 591.0, 1.0), row("14:31", 1, 592.0, 1.0), row("20:59", 1, 600.0, 1.0)]);
    assert_eq!(reason(&made, "withdrawn"), Some((3, false)));
    assert_eq!(reason(&made, "mixed_readings"), None);
    let counts = &made.content.counts;
    assert_eq!((counts.documents, counts.rows_in, counts.duplicates), (7, 6, 3));
    assert_eq!(made.content.details["withdrawn"], json!({"captures": ["a"], "rows": 3}));
    // The first reading alone has a bar after the close.
    assert_eq!(reason(&day("SPY", &[capture("a", 1, &file(BAR))]), "outside_session"), Some((1, false)));
    // Without a statement nothing is guessed: 09:31 and 09:32 of the end-stamped ones are 09:30 and 09:31.
    let made = day("SPY", &[capture("a", 1, &file(BAR)), capture("b", 2, &file(END))]);
    assert_eq!((made.content.rows, reason(&made, "mixed_readings")), (5, Some((2, true))));
    // Nothing is left of the date.
    let made = day("SPY", &[capture("a", 1, &file(BAR)), capture("b", 2, &[withdraws])]);
    assert_eq!((made.content.rows, made.content.condition.as_str()), (0, "degraded"));
    assert_eq!((reason(&made, "missing_minutes"), reason(&made, "withdrawn")), (Some((390, true)), Some((3, false))));
}

/// Every minute of SPY's regular hours but those that `left_out` says, at 590 with a range of 0.1.
fn session(left_out: impl Fn(u32) -> bool) -> Vec<String> {
    let time = |minute: u32| format!("{:02}:{:02}", (570 + minute) / 60, (570 + minute) % 60);
    (0..390)
        .filter(|minute| !left_out(*minute))
        .map(|minute| bar("SPY", BAR, &time(minute), [590.0, 590.05, 589.95, 590.0, 7.0]))
        .collect()
}

#[test]
fn gaps_are_told_and_long_ones_degrade() {
    let missing = |left_out: &dyn Fn(u32) -> bool| {
        let made = day("SPY", &[capture("a", 1, &session(left_out))]);
        let condition = made.content.condition.as_str();
        (reason(&made, "missing_minutes"), made.content.minutes_seen, made.content.gaps.len(), condition)
    };
    assert_eq!(missing(&|_| false), (None, 390, 0, "available"));
    // Three of 390 are less than 1 %, four are more.
    assert_eq!(missing(&|minute| [7, 8, 300].contains(&minute)), (Some((3, false)), 387, 2, "available"));
    assert_eq!(missing(&|minute| [7, 8, 300, 301].contains(&minute)), (Some((4, true)), 386, 2, "degraded"));
    assert_eq!(missing(&|minute| (100..105).contains(&minute)), (Some((5, true)), 385, 1, "degraded"));
    // An open day is judged up to its last minute.
    let open = made_of("SPY", &[capture("a", 1, &session(|minute| minute > 100))], false);
    assert_eq!((open.content.condition.as_str(), reason(&open, "missing_minutes")), ("pending", None));
}

#[test]
fn a_quiet_night_is_no_fault_but_long_silence_is_told() {
    // NQ, in the evening before and at night: 18:00, 18:30 (29 minutes without a trade are not told), 20:00 (89 are); then the
    // regular hours, whole; then nothing up to 17:00.
    let mut bars = vec![
        on("NQ", BAR, "2025-01-14 18:00:00", [21_400.0, 21_401.0, 21_399.0, 21_400.0, 5.0]),
        on("NQ", BAR, "2025-01-14 18:30:00", [21_400.0, 21_401.0, 21_399.0, 21_400.0, 5.0]),
        on("NQ", BAR, "2025-01-14 20:00:00", [21_400.0, 21_401.0, 21_399.0, 21_400.0, 5.0]),
    ];
    bars.extend(session(|_| false).iter().map(|bar| bar.replace("SPY", "NQ")));
    let made = day("NQ", &[capture("a", 1, &bars)]);
    let gaps: Vec<(String, u32)> =
        made.content.gaps.iter().map(|gap| (gap.start.format("%d %H:%M").to_string(), gap.minutes)).collect();
    // 18:31–20:00 the evening before, 20:01–09:30, 16:00–17:00 New York.
    assert_eq!(gaps, [("14 23:31".to_owned(), 89), ("15 01:01".to_owned(), 809), ("15 21:00".to_owned(), 60)]);
    assert_eq!(reason(&made, "missing_minutes"), Some((958, false)));
    assert_eq!((made.content.minutes_expected, made.content.minutes_seen), (1380, 393));
}

#[test]
fn odd_bars_are_flagged_and_kept() {
    let mut bars = session(|_| false);
    bars[100] = bar("SPY", BAR, "11:10", [590.0, 630.0, 589.95, 590.0, 7.0]);
    bars[200] = bar("SPY", BAR, "12:50", [590.0, 590.0401, 589.95, 590.0, 7.0]);
    bars.push(bar("SPY", BAR, "16:05", [590.0, 590.05, 589.95, 590.0, 7.0]));
    let made = day("SPY", &[capture("a", 1, &bars)]);
    assert_eq!(reason(&made, "price_jump"), Some((1, true)));
    assert_eq!(made.content.details["flagged"]["price_jump"][0]["timestamp"], "2025-01-15T16:10:00Z");
    assert_eq!(reason(&made, "off_tick"), Some((1, false)));
    assert_eq!(reason(&made, "outside_session"), Some((1, false)));
    assert_eq!((made.content.rows, made.content.condition.as_str()), (391, "degraded"));
    // A price that stays where it went is no jump.
    let moved: Vec<String> = session(|minute| minute >= 195)
        .into_iter()
        .chain(session(|minute| minute < 195).iter().map(|bar| bar.replace("\"590", "\"630").replace("\"589", "\"629")))
        .collect();
    assert_eq!(reason(&day("SPY", &[capture("a", 1, &moved)]), "price_jump"), None);
    let still: Vec<String> =
        session(|_| false).iter().map(|bar| bar.replace("\"volume\":\"7\"", "\"volume\":\"0\"")).collect();
    assert_eq!(reason(&day("SPY", &[capture("a", 1, &still)]), "zero_volume"), Some((390, true)));
    let without: Vec<String> =
        still.iter().map(|bar| bar.replace("\"volume\":\"bar\"", "\"volume\":\"none\"")).collect();
    assert_eq!(reason(&day("SPY", &[capture("a", 1, &without)]), "zero_volume"), None);
}

#[test]
fn the_wrong_end_of_a_bar_is_told() {
    let stamped: Vec<String> = (0..390)
        .map(|at| (571 + at, at))
        .map(|(minute, _): (u32, u32)| flat("SPY", BAR, &format!("{:02}:{:02}", minute / 60, minute % 60), 590.0, 1.0))
        .collect();
    let made = day("SPY", &[capture("a", 1, &stamped)]);
    assert_eq!(reason(&made, "stamp_contradicted"), Some((390, true)));
}

#[test]
fn bars_of_a_holiday_lie_with_the_next_session() {
    // Monday 2025-01-20 was Martin Luther King Jr. Day.
    let spy = instrument("SPY");
    let date = "2025-01-21".parse().unwrap();
    let bars = [on("SPY", BAR, "2025-01-20 10:00:00", [590.0; 5]), on("SPY", BAR, "2025-01-21 10:00:00", [590.0; 5])];
    let part = Arc::new(parse(&capture("a", 1, &bars), date, &spy).unwrap());
    let calculation = Calculation { version: CALCULATION.to_owned(), settings: "0".to_owned(), session_closed: true };
    let made = assemble(&spy, date, &[part], &calculation).unwrap();
    assert_eq!(reason(&made, "closed_day"), Some((1, true)));
    assert_eq!(reason(&made, "outside_session"), Some((1, false)));
    // And in no other partition.
    let elsewhere = parse(&capture("a", 1, &bars[..1]), "2025-01-17".parse().unwrap(), &spy).unwrap_err();
    assert!(elsewhere.detail().contains("2025-01-21"), "{elsewhere}");
}

#[test]
fn what_today_refuses_is_counted_though_it_was_taken_once() {
    let below_zero = flat("CL", BAR, "10:00", -37.63, 1.0);
    assert_eq!(day("CL", &[capture("a", 1, std::slice::from_ref(&below_zero))]).content.rows, 1);
    let other = [below_zero.replace("CL", "SPY"), flat("SPY", BAR, "10:01", 590.0, 1.0)];
    let made = day("SPY", &[capture("a", 1, &other)]);
    assert_eq!((made.content.rows, made.content.counts.documents, made.content.counts.refused), (1, 2, 1));
    assert_eq!(reason(&made, "refused_input"), Some((1, true)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// However the rows of a source are ordered, the partition is the same to the byte.
    #[test]
    fn the_order_of_rows_does_not_matter(order in Just((0..60_usize).collect::<Vec<_>>()).prop_shuffle(), counted in any::<bool>()) {
        let reading = if counted { COUNTED } else { BAR };
        let bars: Vec<String> = (0..60)
            .filter(|minute| minute % 7 != 5)
            .map(|minute| flat("SPY", reading, &format!("10:{minute:02}"), 590.0 + f64::from(minute) / 4.0, f64::from(minute * 100)))
            .collect();
        let shuffled: Vec<String> = order.iter().filter_map(|at| bars.get(*at).cloned()).collect();
        prop_assert_eq!(shuffled.len(), bars.len());
        let (one, other) = (day("SPY", &[capture("a", 1, &bars)]), day("SPY", &[capture("a", 1, &shuffled)]));
        prop_assert!(one.data == other.data);
        prop_assert_eq!(one.content, other.content);
    }

    /// Rows in = rows out + those that others stand for, whatever is thrown together.
    #[test]
    fn nothing_is_lost(rows in prop::collection::vec((0_u32..30, 0_u8..3, 1_u32..4, 0_u8..3), 1..80)) {
        let documents = |wanted: u8| -> Vec<String> {
            let readings = [BAR, FIVE, COUNTED];
            let own = rows.iter().filter(|row| row.3 == wanted);
            own.map(|(minute, reading, price, _)| flat("SPY", readings[usize::from(*reading)], &format!("10:{minute:02}"), f64::from(*price), f64::from(*price * minute))).collect()
        };
        let captures: Vec<Captured> = (0..3).map(|at| capture(&format!("{at}"), at.into(), &documents(at))).collect();
        let made = day("SPY", &captures);
        prop_assert_eq!(made.content.counts.rows_in, rows.len() as u64);
        prop_assert_eq!(made.content.counts.rows_in, made.content.rows + made.content.counts.duplicates);
        let told: u64 = ["duplicates", "conflicting_duplicates", "corrections", "withdrawn", "coarser_bars"]
            .iter().filter_map(|code| reason(&made, code)).map(|(count, _)| count).sum();
        prop_assert_eq!(told, made.content.counts.duplicates);
        let _: &Value = &made.content.details;
    }
}
