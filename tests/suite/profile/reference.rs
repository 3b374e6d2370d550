//! The profile engine over real bars against tables that other programs made of the same bars: every day, every level that is
//! defined alike. Needs `PITLAKE_REAL_DATA`; says so when it has none.

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use chrono::{NaiveDateTime, TimeZone};
use pitlake::bars::Bar;
use pitlake::market::{Grid, Instrument, Instruments, TradingDate};
use pitlake::profile::{Profile, Question, Settings, Shape, ValueAreaMethod, profile};

/// How a file of bars is to be read.
struct Rules {
    /// Columns of time, open, high, low, close.
    columns: [usize; 5],
    time: &'static str,
    zone: chrono_tz::Tz,
    /// Whether a bar carries the minute at which it ends.
    end_stamped: bool,
}

/// One market of the tables.
struct Case {
    symbol: &'static str,
    bars: &'static str,
    table: &'static str,
    row_ticks: u32,
    rules: Rules,
    days: usize,
}

fn cases() -> [Case; 3] {
    [
        Case {
            symbol: "NIFTY",
            bars: "beinghorizontal_nifty1m/history.txt",
            table: "reference_profiles/profiles_NIFTY_row5.csv",
            row_ticks: 100,
            rules: Rules {
                columns: [1, 2, 3, 4, 5],
                time: "%Y%m%d %H:%M:%S",
                zone: chrono_tz::Asia::Kolkata,
                end_stamped: false,
            },
            days: 23,
        },
        Case {
            symbol: "SPY",
            bars: "masonblier_eqker_1min/SPY_1min.csv",
            table: "reference_profiles/profiles_SPY_row0.05.csv",
            row_ticks: 5,
            rules: Rules {
                columns: [0, 1, 2, 3, 4],
                time: "%Y-%m-%d %H:%M:%S",
                zone: chrono_tz::America::New_York,
                end_stamped: true,
            },
            days: 5,
        },
        Case {
            symbol: "6E",
            bars: "nautilus/6EH4.XCME_1min_bars_20240101_20240131.csv.gz",
            table: "reference_profiles/profiles_6E_row0.0001.csv",
            row_ticks: 2,
            rules: Rules {
                columns: [0, 1, 2, 3, 4],
                time: "%Y-%m-%d %H:%M:%S",
                zone: chrono_tz::UTC,
                end_stamped: true,
            },
            days: 22,
        },
    ]
}

fn text_of(path: &Path) -> String {
    let bytes = std::fs::read(path).expect("a file of the real data");
    if path.extension().is_some_and(|ending| ending == "gz") {
        let mut text = String::new();
        flate2::read::GzDecoder::new(bytes.as_slice()).read_to_string(&mut text).expect("gzip");
        text
    } else {
        String::from_utf8(bytes).expect("UTF-8")
    }
}

fn bars_of(text: &str, rules: &Rules, grid: Grid) -> Vec<Bar> {
    let bar = |line: &str| {
        let fields: Vec<&str> = line.split(',').collect();
        let [time, open, high, low, close] = rules.columns.map(|column| fields[column]);
        let local = NaiveDateTime::parse_from_str(time, rules.time).expect("a time");
        let minute = rules.zone.from_local_datetime(&local).unwrap().timestamp() / 60;
        let ticks = |price: &str| grid.ticks(price.parse().expect("a price")).expect("a price").ticks;
        let [open, high, low, close] = [open, high, low, close].map(ticks);
        Bar { start_minute: minute - i64::from(rules.end_stamped), minutes: 1, open, high, low, close, volume: 1.0 }
    };
    text.lines().skip(1).map(bar).collect()
}

/// The rows of a table, by date.
fn table_of(text: &str) -> Vec<(TradingDate, HashMap<String, String>)> {
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().expect("a header").split(',').collect();
    let row = |line: &str| {
        let cells = names.iter().map(|&name| name.to_owned()).zip(line.split(',').map(str::to_owned)).collect();
        (line[..10].parse().expect("a date"), cells)
    };
    lines.map(row).collect()
}

fn real_data() -> Option<PathBuf> {
    let folder = std::env::var_os("PITLAKE_REAL_DATA").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("skipped: set PITLAKE_REAL_DATA to the folder of real data");
    }
    folder
}

fn computed(
    instrument: &Instrument,
    date: TradingDate,
    row_ticks: u32,
    method: ValueAreaMethod,
    bars: &[Bar],
) -> Profile {
    let settings = Settings::default();
    let shape = Shape { row_ticks, method, ..Shape::of(instrument, &settings) };
    let session = instrument.session(date).expect("a session");
    let question = Question { instrument, session, shape, settings: &settings, until: None };
    profile(&question, bars).expect("good bars").expect("bars of the day")
}

#[test]
fn every_day_is_what_other_programs_made_of_it() {
    let Some(folder) = real_data() else { return };
    let instruments = Instruments::builtin();
    let (mut compared, mut one_row, mut two_row) = (0, 0, 0);
    for case in cases() {
        let instrument = instruments.resolve(case.symbol).expect("a known symbol");
        let grid = Grid::of(instrument);
        let bars = bars_of(&text_of(&folder.join(case.bars)), &case.rules, grid);
        let table = table_of(&text_of(&folder.join(case.table)));
        assert_eq!(table.len(), case.days, "{}", case.table);
        for (date, row) in table {
            let told = |name: &str| -> f64 { row[name].parse().unwrap_or_else(|_| panic!("{name} of {date}")) };
            let ticks = |name: &str| {
                let on_grid = grid.ticks(told(name)).expect("a price");
                assert!(on_grid.exact, "{} {date}: {name}", case.symbol);
                on_grid.ticks
            };
            let same = |what: &str, ours: f64| assert_eq!(ours, told(what), "{} {date}: {what}", case.symbol);

            let ours = computed(instrument, date, case.row_ticks, ValueAreaMethod::OneRow, &bars);
            assert_eq!(ours.levels.poc, ticks("mpx_tpo_poc"), "{} {date}: POC", case.symbol);
            assert_eq!(ours.range.high, ticks("session_high"), "{} {date}: high", case.symbol);
            assert_eq!(ours.range.low, ticks("session_low"), "{} {date}: low", case.symbol);
            assert_eq!(ours.initial_balance.high, ticks("ib60_high"), "{} {date}: IB high", case.symbol);
            assert_eq!(ours.initial_balance.low, ticks("ib60_low"), "{} {date}: IB low", case.symbol);
            same("bars_1m", f64::from(ours.minutes_seen));
            same("periods", ours.periods.len() as f64);
            same("rows", ours.row_tpos.len() as f64);
            same("total_tpo", f64::from(ours.tpo_counts.total));
            let most = *ours.row_tpos.iter().max().unwrap();
            same("poc_ties", ours.row_tpos.iter().filter(|&&count| count == most).count() as f64);
            let single: i64 = ours.single_prints.iter().map(|run| run.ticks() / i64::from(case.row_ticks) + 1).sum();
            same("single_print_rows", single as f64);
            same("tpo_at_high_row", f64::from(*ours.row_tpos.last().unwrap()));
            same("tpo_at_low_row", f64::from(ours.row_tpos[0]));
            assert_eq!(ours.poor_high, told("tpo_at_high_row") >= 2.0, "{} {date}", case.symbol);
            compared += 1;

            if ours.levels.poc == ticks("hb1_up_poc") {
                assert_eq!(ours.levels.high, ticks("hb1_up_vah"), "{} {date}: one-row VAH", case.symbol);
                assert_eq!(ours.levels.low, ticks("hb1_up_val"), "{} {date}: one-row VAL", case.symbol);
                one_row += 1;
            }
            let ours = computed(instrument, date, case.row_ticks, ValueAreaMethod::TwoRow, &bars);
            if ours.levels.poc == ticks("hb2_up_poc") {
                assert_eq!(ours.levels.high, ticks("hb2_up_vah"), "{} {date}: two-row VAH", case.symbol);
                assert_eq!(ours.levels.low, ticks("hb2_up_val"), "{} {date}: two-row VAL", case.symbol);
                same("hb2_up_share", {
                    let share = f64::from(ours.tpo_counts.value_area) / f64::from(ours.tpo_counts.total);
                    (share * 1e4).round() / 1e4
                });
                two_row += 1;
            }
        }
    }
    eprintln!("{compared} days, one-row value areas of {one_row}, two-row of {two_row}");
    assert_eq!(compared, 50);
    assert!(one_row >= 40 && two_row >= 40, "{one_row} and {two_row} of 50 days have one POC");
}
