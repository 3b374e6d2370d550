//! Instruments from the outside: what `_config/instruments.toml` may say and what it may not, field by field, that it reaches the
//! manifests, and that `docs/instruments.md` tells what the code does.

use std::process::Stdio;

use pitlake::market::{Instruments, SessionKind};
use serde_json::json;

use crate::pitlake_binary::{Lake, Ran, nested, on_every_store, pitlake};

on_every_store!(a_wrong_entry_names_file_symbol_and_field, settings_reach_the_manifests, examples_of_the_page_work);

const CALENDAR: [&str; 6] = ["calendar", "SPY", "--start", "2025-01-15", "--end", "2025-01-15"];

fn run(arguments: &[&str]) -> Ran {
    Ran::of(
        pitlake().args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts"),
    )
}

fn page() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/instruments.md")).expect("docs/instruments.md")
}

fn a_wrong_entry_names_file_symbol_and_field(lake: &Lake) {
    let whole = "name = \"Coca-Cola\"\nasset_class = \"stock\"\ntick_size = \"0.01\"\nrow_ticks = 5\ntpo_period_minutes = 30\n\
                 option_multiplier = 100\ntime_zone = \"America/New_York\"\ncalendar = \"nyse\"\n\
                 sessions = { rth = \"09:30-16:00\" }\ndefault_session = \"rth\"\n";
    let wrong = [
        ("name", "7"),
        ("asset_class", "\"bond\""),
        ("tick_size", "0.01"),
        ("tick_size", "\"-0.01\""),
        ("tick_value_usd", "\"zero\""),
        ("row_ticks", "0"),
        ("row_ticks", "2.5"),
        ("tpo_period_minutes", "\"30\""),
        ("option_multiplier", "-100"),
        ("time_zone", "\"America/Nowhere\""),
        ("calendar", "\"lse\""),
        ("sessions", "{ rth = \"9:30-16\" }"),
        ("default_session", "\"overnight\""),
        ("week_open", "\"18:00\""),
        ("aliases", "[\"SPY\"]"),
        ("ticks", "1"),
    ];
    for (field, value) in wrong {
        let kept: Vec<&str> = whole.lines().filter(|line| !line.starts_with(&format!("{field} ="))).collect();
        lake.plant("_config/instruments.toml", format!("[KO]\n{}\n{field} = {value}\n", kept.join("\n")));
        let told = lake.run(&CALENDAR).ends(1).stderr;
        for part in ["_config/instruments.toml", "KO", field] {
            assert!(told.contains(part), "{field} = {value}: {part} is not named: {told}");
        }
    }
    // A new symbol that lacks a field it needs.
    for line in whole.lines() {
        let field = line.split(' ').next().expect("a field");
        let kept: Vec<&str> = whole.lines().filter(|other| other != &line).collect();
        lake.plant("_config/instruments.toml", format!("[KO]\n{}\n", kept.join("\n")));
        let told = lake.run(&CALENDAR).ends(1).stderr;
        assert!(told.contains("KO") && told.contains(field) && told.contains("missing"), "{field}: {told}");
    }
    lake.plant("_config/instruments.toml", format!("[KO]\n{whole}"));
    lake.run(&CALENDAR).ends(0);
}

fn settings_reach_the_manifests(lake: &Lake) {
    lake.ingest_lines(&[nested("2025-01-15T15:00:00Z", "2025-01-17", Some(588.0), &[(580.0, 1, 1, 1)])]);
    let settings = |toml: &str| {
        lake.plant("_config/instruments.toml", toml.to_owned());
        lake.compact(&[]);
        let manifest = lake.manifest("SPY", "2025-01-15");
        (manifest["calculation"]["settings"].clone(), manifest["revision"].clone())
    };
    let (built_in, first) = settings("");
    assert!(built_in.as_str().is_some_and(|text| text.len() >= 16), "{built_in}");
    let (changed, second) = settings("[SPY]\nrow_ticks = 20\n");
    assert_ne!(changed, built_in);
    assert_eq!((first, second), (json!(1), json!(2)));
    // A name changes no result, nor does another symbol's entry.
    let (named, third) = settings("[SPY]\nrow_ticks = 20\nname = \"Spider\"\n[QQQ]\nrow_ticks = 5\n");
    assert_eq!((named, third), (changed, json!(2)));
}

fn examples_of_the_page_work(lake: &Lake) {
    let page = page();
    let examples: Vec<&str> =
        page.split("```toml\n").skip(1).map(|rest| rest.split("```").next().expect("an end")).collect();
    assert_eq!(examples.len(), 3);
    lake.plant("_config/instruments.toml", examples.concat());
    for (symbol, session) in [("KO", "rth"), ("MES", "full"), ("/MES", "overnight"), ("ES", "full")] {
        let asked =
            ["calendar", symbol, "--session", session, "--start", "2025-01-15", "--end", "2025-01-15", "--json"];
        assert_eq!(lake.run(&asked).ends(0).json()["session"], session);
    }
}

#[test]
fn the_page_shows_the_table_of_the_code() {
    let page = page();
    let table = page.split("<!-- instruments -->\n").nth(1).expect("a mark");
    let told: Vec<&str> = table
        .split("<!-- /instruments -->")
        .next()
        .expect("an end")
        .lines()
        .filter(|row| row.starts_with("| `"))
        .collect();
    let instruments = Instruments::builtin();
    let made: Vec<String> = instruments
        .iter()
        .map(|instrument| {
            let sessions: Vec<String> = SessionKind::ALL
                .into_iter()
                .filter_map(|kind| instrument.hours(kind).map(|hours| format!("{kind} {hours}")))
                .collect();
            let aliases: Vec<String> = instrument.aliases.iter().map(|alias| format!("`{alias}`")).collect();
            let grid = pitlake::market::Grid::of(instrument);
            format!(
                "| `{}` | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
                instrument.symbol,
                instrument.asset_class.as_str(),
                instrument.tick_size,
                instrument.tick_value_usd.map_or("–".to_owned(), |value| value.to_string()),
                grid.price(pitlake::market::Ticks(i64::from(instrument.row_ticks))),
                instrument.time_zone.name(),
                sessions.join(", "),
                instrument.default_session,
                instrument.calendar,
                if aliases.is_empty() { "–".to_owned() } else { aliases.join(" ") },
            )
        })
        .collect();
    assert_eq!(told, made);
}

#[test]
fn the_calendar_answers_for_each_session() {
    // New York falls back on Sunday 2025-11-02: the session that opens that evening is Monday's, an hour later in UTC.
    let asked = |session: &str| {
        let days = ["calendar", "NQ", "--session", session, "--start", "2025-10-31", "--end", "2025-11-03", "--json"];
        let lines = run(&days).ends(0).json_lines();
        [&lines[0], &lines[3]].map(|day| (day["open"].clone(), day["close"].clone()))
    };
    assert_eq!(
        asked("full"),
        [
            (json!("2025-10-30T22:00:00Z"), json!("2025-10-31T21:00:00Z")),
            (json!("2025-11-02T23:00:00Z"), json!("2025-11-03T22:00:00Z")),
        ]
    );
    assert_eq!(asked("overnight")[1], (json!("2025-11-02T23:00:00Z"), json!("2025-11-03T14:30:00Z")));
    assert_eq!(asked("rth")[1], (json!("2025-11-03T14:30:00Z"), json!("2025-11-03T21:00:00Z")));
    let refused = run(&["calendar", "SPY", "--session", "overnight", "--start", "2025-01-15", "--end", "2025-01-15"]);
    assert!(refused.ends(1).stderr.contains("--session rth"));
    let wrong = run(&["calendar", "SPY", "--session", "night", "--start", "2025-01-15", "--end", "2025-01-15"]);
    assert!(wrong.ends(2).stderr.contains("rth, overnight or full"));
}
