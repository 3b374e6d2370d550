//! Bars to stored sessions and answers: every expected level worked out by hand from the five half-hours below.
//!
//! Day session of 2025-01-15: A trades 100–104, B 102–106, C 103–105. So rows 100…106 hold 1 1 2 3 3 2 1 TPOs, 13 in all; the point of
//! control is 103, the middle of the range. 70 % are 9.1: one row at a time that is 104, 105 (up, of two equal ones), 102: 102–105
//! with 10; two rows at a time 104 and 105, then 102 and 101: 101–105. Overnight: 98–99 on the evening before, 100–101 at eight.

use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Float64Type;
use arrow::ipc::reader::StreamReader;
use pitlake::bars::compact::Bars;
use pitlake::lake::compact::{CompactOptions, Compactor, Selection};
use pitlake::lake::store::{Store, StoreOptions};
use pitlake::market::FixedClock;
use pitlake::profile::SessionRecord;
use pitlake::profile::compact::Profiles;
use pitlake::profile::merge::Fate;
use pitlake::profile::tables;
use serde_json::{Value, json};

use crate::pitlake_binary::{Lake, batches, on_every_store};
use crate::s3_server::S3Server;
use crate::server::Server;

on_every_store!(
    bars_become_sessions,
    what_is_not_stored_is_computed,
    a_correction_makes_another_revision_and_keeps_the_old,
    other_settings_wait_for_recalculation,
    sessions_of_the_old_archive_stand_until_there_are_bars,
    a_range_tells_what_is_missing,
    what_cannot_be_answered_is_refused_by_name,
    an_open_day_is_pending_and_leaves_nothing_behind,
    damage_is_found_and_made_again_from_bars,
);

pub const INSTRUMENT: &str = r#"
[TEST]
name = "a future of one-point ticks"
asset_class = "future"
tick_size = "1"
tick_value_usd = "1"
row_ticks = 1
tpo_period_minutes = 30
option_multiplier = 1
time_zone = "America/New_York"
calendar = "cme_equity"
sessions = { rth = "09:30-16:00", overnight = "18:00-09:30", full = "18:00-17:00" }
default_session = "rth"
"#;

pub const BARS: &str = "\
timestamp,open,high,low,close,volume
2025-01-14 22:00,98,99,98,99,5
2025-01-15 08:00,100,101,100,101,7
2025-01-15 09:30,101,104,100,103,10
2025-01-15 10:00,103,106,102,105,20
2025-01-15 10:30,105,105,103,104,30
";

pub const DAY: &str = "/api/v1/tpo/TEST/2025-01-15";

/// Takes bars in and compacts; gives what was written of profiles.
#[track_caller]
pub fn take(lake: &Lake, name: &str, bars: &str) -> Vec<Value> {
    let file = lake.file(name, bars);
    let arguments = ["ingest", "bars", "--symbol", "TEST", "--tz", "America/New_York", "--interval", "30m", "--json"];
    lake.run(&[&arguments[..], &[&file]].concat()).ends(0);
    let told = lake.run(&["compact", "bars", "--json"]).ends(0).json_lines();
    let of_profiles = |line: &Value| line["dataset"].as_str().is_some_and(|name| name.starts_with("profiles"));
    told.into_iter().filter(|line| of_profiles(line) && line["action"] == "written").collect()
}

pub fn filled(lake: &Lake) {
    lake.plant("_config/instruments.toml", INSTRUMENT);
    let written = take(lake, "bars.csv", BARS);
    assert_eq!(written.len(), 1, "{written:?}");
    assert_eq!((&written[0]["dataset"], &written[0]["rows"]), (&json!("profiles"), &json!(3)));
}

fn levels(session: &Value) -> [&Value; 5] {
    ["value_area_low", "poc", "value_area_high", "session_low", "session_high"].map(|name| &session[name])
}

fn bars_become_sessions(lake: &Lake) {
    filled(lake);
    let server = Server::over(lake);
    let reply = server.get(DAY).ok();
    let session = reply.json();
    assert_eq!(levels(&session), [102.0, 103.0, 105.0, 100.0, 106.0]);
    for (field, value) in [
        ("symbol", json!("TEST")),
        ("date", json!("2025-01-15")),
        ("session", json!("rth")),
        ("calculation_version", json!("tpo-1")),
        ("revision", json!(1)),
        ("initial_balance_high", json!(106.0)),
        ("initial_balance_low", json!(100.0)),
        ("tpo_structure", json!({"A": [104.0, 100.0], "B": [106.0, 102.0], "C": [105.0, 103.0]})),
        ("single_prints", json!([[106.0, 106.0], [100.0, 101.0]])),
        ("volume", json!(60)),
        ("value_area_method", json!("one-row")),
        ("tick_size", json!(1.0)),
        ("row_ticks", json!(1)),
        ("opens_at", json!("2025-01-15T14:30:00Z")),
        ("minutes_expected", json!(390)),
        ("minutes_seen", json!(90)),
    ] {
        assert_eq!(session[field], value, "{field}");
    }
    assert_eq!(session["tpo_counts"]["total"], 13);
    let by_hand = 104.0 / 101.0 - 1.0;
    assert!((session["cash_session_return"].as_f64().expect("a return") - by_hand).abs() < 1e-12);
    assert_eq!(reply.header("pitlake-revision"), "1");
    assert_eq!(reply.header("pitlake-condition"), session["condition"]);
    assert_eq!(server.get("/api/v1/tpo/TEST/latest").ok().json(), session);

    let overnight = server.get(&format!("{DAY}?session=overnight")).ok().json();
    assert_eq!(levels(&overnight)[3..], [98.0, 101.0]);
    assert_eq!((&overnight["volume"], &overnight["cash_session_return"]), (&json!(12), &Value::Null));
    let full = server.get(&format!("{DAY}?session=full")).ok().json();
    assert_eq!(
        (&full["volume"], &full["session_low"], &full["session_high"]),
        (&json!(72), &json!(98.0), &json!(106.0))
    );

    let tag = reply.header("etag").to_owned();
    let again = server.get_with(DAY, &[("if-none-match", &tag)]);
    assert_eq!((again.status, again.body.len()), (304, 0));
    assert_eq!(server.get_with(&format!("{DAY}?session=full"), &[("if-none-match", &tag)]).status, 200);
    assert!(reply.header("vary").contains("accept"));

    let drawn = server.get(&format!("{DAY}?format=text")).ok();
    assert!(drawn.header("content-type").starts_with("text/plain"));
    let row = |price: &str| {
        drawn.text().lines().find(|line| line.trim_start().starts_with(price)).unwrap_or_default().to_owned()
    };
    for (price, letters) in [("106", "B"), ("105", "BC"), ("104", "ABC"), ("103", "ABC"), ("102", "AB"), ("100", "A")] {
        assert!(row(price).contains(letters), "{price}: {}", drawn.text());
    }
    assert!(row("103").to_uppercase().contains("POC"), "{}", drawn.text());
    // Another round finds nothing to do.
    assert_eq!(take(lake, "bars.csv", BARS), Vec::<Value>::new());
}

fn what_is_not_stored_is_computed(lake: &Lake) {
    filled(lake);
    let server = Server::over(lake);
    let asked = |query: &str| server.get(&format!("{DAY}?{query}")).ok().json();
    let two = asked("method=two-row");
    assert_eq!(levels(&two), [101.0, 103.0, 105.0, 100.0, 106.0]);
    assert_eq!((&two["value_area_method"], &two["revision"]), (&json!("two-row"), &json!(1)));
    // Rows 100, 102, 104, 106: A three of them, B three, C two.
    let coarse = asked("row_ticks=2");
    assert_eq!((&coarse["tpo_counts"]["total"], &coarse["row_ticks"]), (&json!(8), &json!(2)));
    assert_eq!(asked("row_ticks=1&method=one-row"), server.get(DAY).ok().json(), "that is what is stored");
    // At a quarter to eleven C had not ended.
    let early = asked("at=10:45");
    assert_eq!((&early["tpo_counts"]["total"], &early["volume"]), (&json!(10), &json!(30)));
    assert_eq!(early["at"], "2025-01-15T15:45:00Z");
    assert_eq!(levels(&asked("at=10:00"))[3..], [100.0, 104.0]);
    let evening = asked("session=overnight&at=23:00");
    assert_eq!((&evening["at"], &evening["volume"]), (&json!("2025-01-15T04:00:00Z"), &json!(5)));
    let latest = server.get("/api/v1/tpo/TEST/latest?method=two-row").ok().json();
    assert_eq!(latest, two);
    let key = lake
        .run(&["keys", "create", "--name", "levels", "--scope", "read", "--dataset", "profiles", "--json"])
        .ends(0)
        .json();
    let key = key["key"].as_str().expect("a key");
    let server = Server::over(lake);
    let with = |path: &str| server.get_with(path, &[("x-api-key", key)]).status;
    assert_eq!(
        (with(DAY), with(&format!("{DAY}?at=10:45"))),
        (200, 403),
        "who may not see bars may not have them computed"
    );
}

fn a_correction_makes_another_revision_and_keeps_the_old(lake: &Lake) {
    filled(lake);
    // C reached 107 after all.
    let corrected = "timestamp,open,high,low,close,volume\n2025-01-15 10:30,105,107,103,104,30\n";
    let written = take(lake, "corrected.csv", corrected);
    let datasets: Vec<_> = written.iter().map(|line| (&line["dataset"], &line["revision"], &line["rows"])).collect();
    assert_eq!(
        datasets,
        [(&json!("profiles_history"), &json!(1), &json!(3)), (&json!("profiles"), &json!(2), &json!(3))]
    );
    let server = Server::over(lake);
    let asked = |query: &str| server.get(&format!("{DAY}?{query}")).ok().json();
    let now = asked("");
    assert_eq!((&now["revision"], &now["session_high"]), (&json!(2), &json!(107.0)));
    assert_eq!(asked("version=tpo-1"), now);
    let before = asked("version=tpo-1&revision=1");
    assert_eq!((&before["revision"], &before["session_high"]), (&json!(1), &json!(106.0)));
    assert_eq!(levels(&before), [102.0, 103.0, 105.0, 100.0, 106.0]);
    let problem = server.get(&format!("{DAY}?version=tpo-1&revision=3")).problem(404, "missing-day");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("revision 3")), "{problem}");
}

fn other_settings_wait_for_recalculation(lake: &Lake) {
    filled(lake);
    let before = Server::over(lake).get(DAY).ok().json();
    lake.plant("_config/profile.toml", "value_area_method = \"two-row\"\n");
    assert_eq!(take(lake, "bars.csv", BARS), Vec::<Value>::new(), "compaction changes no published number");
    let objects = lake.objects();
    let planned = lake.run(&["recalculate", "--stale", "--dry-run", "--json"]).ends(0).json_lines();
    assert_eq!(lake.objects(), objects, "a dry run changes nothing");
    let rth = planned.iter().find(|line| line["session"] == "rth").expect("the day session");
    assert_eq!((&rth["why"], &rth["action"]), (&json!("settings_changed"), &json!("planned")));
    let changes: Vec<&Value> = rth["changes"].as_array().expect("changes").iter().collect();
    assert!(changes.contains(&&json!({"field": "value_area_low", "old": 102.0, "new": 101.0})), "{changes:?}");
    assert!(changes.iter().all(|change| change["field"] != "poc"), "{changes:?}");
    let sum = planned.last().expect("a sum");
    assert_eq!((&sum["stale"], &sum["recalculated"]), (&json!(3), &json!(0)));

    lake.run(&["recalculate", "--stale", "--symbol", "TEST", "--end", "2025-01-14"]).ends(0);
    assert_eq!(lake.objects(), objects, "nothing is out of date until then");
    let said = lake.run(&["recalculate", "--stale"]).ends(0).stdout;
    assert!(said.contains("value_area_low 102.0 → 101.0"), "{said}");
    let server = Server::over(lake);
    let now = server.get(DAY).ok().json();
    assert_eq!(levels(&now), [101.0, 103.0, 105.0, 100.0, 106.0]);
    let settings = before["settings"].as_str().expect("a fingerprint");
    assert_ne!(now["settings"], settings);
    assert_eq!(server.get(&format!("{DAY}?version=tpo-1&settings={settings}")).ok().json(), before);
    assert_eq!(lake.run(&["recalculate", "--stale", "--json"]).ends(0).json()["stale"], 0);
    lake.run(&["recalculate"]).ends(2);
    lake.run(&["recalculate", "--stale", "--start", "2025-02-01", "--end", "2025-01-01"]).ends(2);
}

/// A session as the old archive had it.
fn original(date: &str, poc: f64, original: char) -> SessionRecord {
    let json = json!({
        "symbol": "TEST", "date": date, "session": "rth", "calculation_version": "legacy", "revision": 1, "condition": "available",
        "reasons": [], "session_type": "normal", "bias": "up", "value_area_high": 105.0, "value_area_low": 101.0, "poc": poc,
        "initial_balance_high": 106.0, "initial_balance_low": 100.0, "session_high": 106.0, "session_low": 100.0,
        "single_prints": [], "poor_high": false, "poor_low": false, "excess_high": false, "excess_low": false,
        "tpo_structure": {"A": [104.0, 100.0], "B": [106.0, 102.0]}, "volume": 100, "cash_session_return": 0.01,
        "source_sha256": original.to_string().repeat(64),
    });
    serde_json::from_value(json).expect("a record")
}

fn put(lake: &Lake, records: Vec<SessionRecord>) -> Vec<Fate> {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let options = lake.server().map_or_else(StoreOptions::default, S3Server::options);
        let store = Store::open(&lake.root(), &options).await.expect("a lake");
        let now = "2025-02-01T12:00:00Z".parse().expect("an instant");
        tables::put(&store, &"TEST".parse().expect("a symbol"), 2025, records, now).await.expect("put")
    })
}

fn sessions_of_the_old_archive_stand_until_there_are_bars(lake: &Lake) {
    lake.plant("_config/instruments.toml", INSTRUMENT);
    let taken = put(lake, vec![original("2025-01-14", 104.0, 'a'), original("2025-01-15", 104.0, 'b')]);
    assert_eq!(taken, [Fate::Current, Fate::Current]);
    let server = Server::over(lake);
    let was = server.get(DAY).ok().json();
    assert_eq!((&was["calculation_version"], &was["poc"]), (&json!("legacy"), &json!(104.0)));
    let problem = server.get(&format!("{DAY}?row_ticks=2")).problem(404, "missing-day");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("old archive")), "{problem}");
    assert!(server.get(&format!("{DAY}?format=text")).ok().text().contains("AB"), "it is drawn all the same");

    take(lake, "bars.csv", BARS);
    let server = Server::over(lake);
    let now = server.get(DAY).ok().json();
    assert_eq!((&now["calculation_version"], &now["poc"]), (&json!("tpo-1"), &json!(103.0)));
    assert_eq!(server.get(&format!("{DAY}?version=legacy")).ok().json(), was);
    assert_eq!(server.get("/api/v1/tpo/TEST/2025-01-14").ok().json()["calculation_version"], "legacy");
    let both = server.get("/api/v1/tpo/TEST/range?start=2025-01-14&end=2025-01-15&version=legacy").data();
    assert_eq!(both.len(), 2);
    assert_eq!(
        put(lake, vec![original("2025-01-15", 104.0, 'b'), original("2025-01-15", 99.0, 'c')]),
        [Fate::AlreadyThere, Fate::Conflict]
    );
}

fn a_range_tells_what_is_missing(lake: &Lake) {
    filled(lake);
    let server = Server::over(lake);
    let range = "/api/v1/tpo/TEST/range?start=2025-01-11&end=2025-01-16";
    let reply = server.get(range).ok();
    let answer = reply.json();
    let condition = server.get(DAY).ok().json()["condition"].clone();
    let told: Vec<(&Value, &Value)> =
        answer["days"].as_array().expect("days").iter().map(|day| (&day["condition"], &day["revision"])).collect();
    let (closed, missing) = (json!("closed"), json!("missing"));
    let none = Value::Null;
    assert_eq!(
        told,
        [
            (&closed, &none),
            (&closed, &none),
            (&missing, &none),
            (&missing, &none),
            (&condition, &json!(1)),
            (&missing, &none)
        ]
    );
    assert_eq!(reply.header("pitlake-missing-days"), "2025-01-13,2025-01-14,2025-01-16");
    assert_eq!(reply.header("pitlake-condition"), "missing");
    assert_eq!((&answer["session"], &answer["count"]), (&json!("rth"), &json!(1)));
    assert_eq!(answer["data"], json!([server.get(DAY).ok().json()]));
    let tag = reply.header("etag").to_owned();
    assert_eq!(server.get_with(range, &[("if-none-match", &tag)]).status, 304);
    assert_eq!(server.get_with(&format!("{range}&session=full"), &[("if-none-match", &tag)]).status, 200);

    let ndjson = server.get(&format!("{range}&format=ndjson")).ok();
    assert_eq!(serde_json::from_str::<Value>(ndjson.text().trim_end()).expect("one object"), answer["data"][0]);
    let csv = server.get(&format!("{range}&format=csv")).ok();
    assert!(
        csv.text().starts_with(
            "date,session,calculation_version,revision,condition,reasons,session_type,bias,value_area_high,"
        )
    );
    assert!(csv.text().contains("\"\"period\"\":\"\"A\"\",\"\"high\"\":104.0,\"\"low\"\":100.0"), "{}", csv.text());
    let poc = |batch: &RecordBatch| {
        let column = batch.column_by_name("poc").expect("a column").as_primitive::<Float64Type>();
        column.values().to_vec()
    };
    let parquet = batches(server.get(&format!("{range}&format=parquet")).ok().body);
    assert_eq!(parquet.iter().flat_map(poc).collect::<Vec<_>>(), [103.0]);
    let arrow = server.get(&format!("{range}&format=arrow")).ok().body;
    let arrow = StreamReader::try_new(std::io::Cursor::new(arrow), None).expect("a stream");
    assert_eq!(arrow.flat_map(|batch| poc(&batch.expect("a batch"))).collect::<Vec<_>>(), [103.0]);
    let two = server.get(&format!("{range}&method=two-row")).data();
    assert_eq!(levels(&two[0]), [101.0, 103.0, 105.0, 100.0, 106.0]);
}

fn what_cannot_be_answered_is_refused_by_name(lake: &Lake) {
    filled(lake);
    let server = Server::over(lake);
    for (query, parameter) in [
        ("session=night", "session"),
        ("method=three-row", "method"),
        ("row_ticks=0", "row_ticks"),
        ("row_ticks=10001", "row_ticks"),
        ("row_ticks=2.5", "row_ticks"),
        ("at=16:30", "at"),
        ("at=9:45", "at"),
        ("at=09:30", "at"),
        ("version=tpo", "version"),
        ("revision=1", "revision"),
        ("settings=aa", "settings"),
        ("version=legacy&row_ticks=2", "row_ticks"),
        ("format=csv", "format"),
    ] {
        assert_eq!(
            server.get(&format!("{DAY}?{query}")).problem(400, "invalid-parameter")["parameter"],
            parameter,
            "{query}"
        );
    }
    assert_eq!(server.get(&format!("{DAY}?strike=1")).problem(400, "unknown-parameter")["parameter"], "strike");
    let stock = server.get("/api/v1/tpo/BTC-USD/2025-01-15?session=rth").problem(400, "invalid-parameter");
    assert_eq!((&stock["parameter"], &stock["allowed"]), (&json!("session"), &json!(["full"])));
    server.get("/api/v1/tpo/NOBODY/2025-01-15").problem(404, "unknown-symbol");
    server.get("/api/v1/tpo/TEST/2025-01-14").problem(404, "missing-day");
    server.get("/api/v1/tpo/NQ/latest").problem(404, "missing-day");
    let closed = server.get("/api/v1/tpo/TEST/2025-01-11").problem(404, "closed-day");
    assert_eq!(closed["next_session"], "2025-01-13");
    server.get(&format!("{DAY}?at=09:45")).problem(404, "missing-day");
    server.get("/api/v1/tpo/TEST/range?start=2025-01-11&end=2025-01-12").problem(404, "closed-day");
    server.get("/api/v1/tpo/TEST/range?start=2025-01-13&end=2025-01-14").problem(404, "missing-day");
    assert_eq!(server.get_with(DAY, &[("accept", "text/html")]).status, 406);
}

/// Compacts in this process, under a clock of the test's own.
fn compact_at(lake: &Lake, now: &str) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let options = lake.server().map_or_else(StoreOptions::default, S3Server::options);
        let store = Store::open(&lake.root(), &options).await.expect("a lake");
        let instruments = pitlake::lake::instruments::load(&store).await.expect("instruments");
        let clock = Arc::new(FixedClock::new(now.parse().expect("an instant")));
        let compactor = Compactor::new(Arc::new(Bars), store, instruments, clock, CompactOptions::default());
        let compactor = compactor.then(Arc::new(Profiles));
        let days = compactor.plan(&Selection::default()).await.expect("a plan");
        for outcome in compactor.run(&days, &|_| ()).await {
            outcome.expect("compacted");
        }
    });
}

fn an_open_day_is_pending_and_leaves_nothing_behind(lake: &Lake) {
    lake.plant("_config/instruments.toml", INSTRUMENT);
    let ingest = |name: &str, text: &str| {
        let file = lake.file(name, text);
        let arguments =
            ["ingest", "bars", "--symbol", "TEST", "--tz", "America/New_York", "--interval", "30m", "--json"];
        lake.run(&[&arguments[..], &[&file]].concat()).ends(0);
    };
    let until_eleven: Vec<&str> = BARS.lines().take(5).collect();
    ingest("morning.csv", &until_eleven.join("\n"));
    compact_at(lake, "2025-01-15T15:30:00Z");
    let open = Server::over(lake).get(DAY).ok();
    assert_eq!((open.header("pitlake-condition"), &open.json()["tpo_counts"]["total"]), ("pending", &json!(10)));

    ingest("day.csv", BARS);
    compact_at(lake, "2025-01-16T12:00:00Z");
    let closed = Server::over(lake).get(DAY).ok().json();
    assert_eq!((&closed["revision"], &closed["tpo_counts"]["total"]), (&json!(1), &json!(13)));
    assert_ne!(closed["condition"], "pending");
    assert!(lake.objects_under("profiles_history/").is_empty());
    let manifest: Value =
        serde_json::from_slice(&lake.get("_manifest/profiles/symbol=TEST/2025.json")).expect("a manifest");
    assert_eq!(manifest["revision"], 1);
}

fn damage_is_found_and_made_again_from_bars(lake: &Lake) {
    const CURRENT: &str = "profiles/symbol=TEST/year=2025/part-0.parquet";
    const HISTORY: &str = "profiles_history/symbol=TEST/year=2025/part-0.parquet";
    filled(lake);
    put(lake, vec![original("2025-01-14", 104.0, 'a')]);
    lake.is_sound();
    let whole = lake.get(CURRENT);
    lake.plant(CURRENT, whole.slice(..whole.len() / 2));
    lake.run(&["verify"]).ends(1);
    lake.run(&["verify", "--repair"]).ends(0);
    assert!(lake.get(CURRENT) == whole, "the same bars and the same history give the same bytes");
    lake.is_sound();

    let history = lake.get(HISTORY);
    let half = history.slice(..history.len() / 2);
    lake.plant(HISTORY, half.clone());
    lake.run(&["verify", "--repair"]).ends(1);
    assert!(lake.get(HISTORY) == half, "what cannot be made again is not written over");
    assert!(lake.get(CURRENT) == whole);
    lake.plant(HISTORY, history);
    lake.is_sound();
}

#[test]
fn duckdb_reads_the_lists_of_a_session() {
    let lake = Lake::in_folder();
    filled(&lake);
    let duckdb = duckdb::Connection::open_in_memory().expect("DuckDB");
    let only = lake.run(&["ddl", "--engine", "duckdb", "--dataset", "profiles"]).ends(0).stdout;
    duckdb.execute_batch(&only).expect("statements that run");
    let sql = "SELECT string_agg(format('{} {} {}', p.period, p.low, p.high), ',' ORDER BY p.period) FROM \
               (SELECT unnest(tpo_structure) AS p FROM profiles WHERE symbol = 'TEST' AND session = 'rth')";
    let told: String = duckdb.query_row(sql, [], |row| row.get(0)).expect(sql);
    assert_eq!(told, "A 100.0 104.0,B 102.0 106.0,C 103.0 105.0");
    let sql = "SELECT list_max(list_transform(single_prints, lambda x: x.high)) FROM profiles WHERE session = 'rth'";
    assert_eq!(duckdb.query_row(sql, [], |row| row.get::<_, f64>(0)).expect(sql), 106.0);
}
