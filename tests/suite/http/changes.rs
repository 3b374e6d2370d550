//! What was republished since an instant: nothing missed, in the order of publication, with what each revision changed.

use serde_json::{Value, json};

use super::table::read;
use crate::lake::{DAY, World, filled, objects_in_folder, over_every_lake};
use crate::pitlake_binary::{Lake, micros, nested, on_every_store};
use crate::server::{Reply, Server};

over_every_lake!(all_that_was_ever_published, since_is_exclusive, changes_refuse_what_they_cannot_read);

mod corrected {
    //! On lakes that hold their captures.
    super::on_every_store!(a_correction_is_told);
    use super::a_correction_is_told;
}

const INDEX: &str = "_manifest/greeks/symbol=SPY/2025.json";

fn changes(server: &Server, dataset: &str, since: &str) -> Reply {
    server.get(&format!("/api/v1/{dataset}/SPY/changes?since={since}")).ok()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

fn all_that_was_ever_published(world: &World) {
    for (dataset, partitions) in [("greeks", 8), ("greeks_by_minute", 8), ("greeks_by_day", 2)] {
        let reply = changes(&world.server, dataset, "2020-01-01T00:00:00Z");
        let start = format!(r#"{{"symbol":"SPY","dataset":"{dataset}","since":"2020-01-01T00:00:00Z","until":""#);
        assert!(reply.text().starts_with(&start), "{}", reply.text());
        let until = reply.json()["until"].clone();
        assert_eq!(reply.header("pitlake-until"), text(&until));
        // Five minutes behind the server's own clock.
        let said = chrono::DateTime::parse_from_rfc2822(reply.header("date")).expect("a date").timestamp();
        let behind = said - micros(text(&until)) / 1_000_000;
        assert!((299..=330).contains(&behind), "{behind} s");
        let rows = reply.data();
        assert_eq!(rows.len(), partitions, "{dataset}");
        assert!(rows.is_sorted_by_key(|row| micros(text(&row["published_at"]))));
        for row in &rows {
            let period =
                if dataset == "greeks_by_day" { row["year"].to_string() } else { text(&row["date"]).to_owned() };
            let key = format!("_manifest/{dataset}/symbol=SPY/{period}.json");
            let manifest: Value = serde_json::from_slice(&world.lake.get(&key)).expect("JSON");
            for member in ["path", "revision", "condition", "published_at", "bytes", "rows", "sha256"] {
                assert_eq!(row[member], manifest[member], "{period}: {member}");
            }
            assert_eq!(row["change"], Value::Null, "a first revision");
            assert!(micros(text(&row["listed_at"])) >= micros(text(&row["published_at"])), "{row}");
        }
    }
}

fn since_is_exclusive(world: &World) {
    let rows = changes(&world.server, "greeks", "2020-01-01T00:00:00Z").data();
    let last = rows.iter().map(|row| text(&row["listed_at"])).max_by_key(|at| micros(at)).expect("rows").to_owned();
    let reply = changes(&world.server, "greeks", &last);
    // Asked from an instant that the clock has barely passed, it does not go back behind it.
    assert!(micros(text(&reply.json()["until"])) >= micros(&last));
    assert_eq!(reply.data(), [] as [Value; 0]);
    let just_before = (chrono::DateTime::parse_from_rfc3339(&last).expect("an instant")
        - chrono::TimeDelta::microseconds(1))
    .to_rfc3339_opts(chrono::SecondsFormat::Micros, false)
    .replace('+', "%2B");
    assert!(!changes(&world.server, "greeks", &just_before).data().is_empty());
}

fn changes_refuse_what_they_cannot_read(world: &World) {
    let ask = |query: &str| world.server.get(&format!("/api/v1/greeks/SPY/changes{query}"));
    assert_eq!(ask("").problem(400, "missing-parameter")["parameter"], "since");
    for bad in ["2025-01-15", "2025-01-15T14:32:00", "yesterday", "1736951520", ""] {
        assert_eq!(ask(&format!("?since={bad}")).problem(400, "invalid-parameter")["parameter"], "since", "{bad}");
    }
    ask("?since=2025-01-15T00:00:00Z&start=2025-01-15").problem(400, "unknown-parameter");
    world.server.get("/api/v1/greeks/NOSUCH/changes?since=2025-01-15T00:00:00Z").problem(404, "unknown-symbol");
}

fn a_correction_is_told(lake: &Lake) {
    let said = |time: &str, gamma| nested(&format!("{DAY}T{time}-05:00"), "2025-01-17", None, &[(585.0, gamma, 2, 3)]);
    lake.ingest_lines(&[said("10:00:00", 1), said("10:01:00", 5)]);
    lake.ingest_lines(&[nested("2025-01-16T10:00:00-05:00", "2025-01-17", None, &[(585.0, 1, 2, 3)])]);
    lake.compact(&[]);
    let before = changes(&Server::over(lake), "greeks", "2020-01-01T00:00:00Z").data();
    assert_eq!(before.len(), 2);
    let last = before.iter().map(|row| text(&row["listed_at"])).max_by_key(|at| micros(at)).expect("rows");
    lake.ingest_lines(&[said("10:00:30", 7)]);
    lake.compact(&[]);
    let server = Server::over(lake);
    for dataset in ["greeks", "greeks_by_minute"] {
        let rows = changes(&server, dataset, last).data();
        assert_eq!(rows.len(), 1, "{rows:?}");
        assert_eq!((&rows[0]["date"], &rows[0]["revision"]), (&json!(DAY), &json!(2)));
    }
    assert_eq!(changes(&server, "greeks_by_day", last).data().len(), 1);
    // The command line says the same, from the lake itself and from the server.
    let asked = ["changes", "--dataset", "greeks", "--symbol", "SPY", "--since", last];
    let rows = changes(&server, "greeks", last).data();
    let direct = lake.run(&[&asked[..], &["--json"]].concat()).ends(0).json_lines();
    let by_server = lake.run(&[&asked[..], &["--json", "--server", &server.url]].concat()).ends(0).json_lines();
    for said in [&direct, &by_server] {
        assert_eq!(said[..said.len() - 1], rows);
        assert_eq!(said[said.len() - 1]["changes"], 1);
        assert!(text(&said[said.len() - 1]["until"]).ends_with('Z'));
    }
    let plain = lake.run(&asked).ends(0).stdout;
    assert!(plain.contains("2025-01-15  revision 2") && plain.contains("--since 2"), "{plain}");
    lake.run(&["changes", "--dataset", "nosuch", "--symbol", "SPY", "--since", last]).ends(2);
    lake.run(&["changes", "--dataset", "greeks", "--symbol", "SPY", "--since", "yesterday"]).ends(2);
    lake.run(&["changes", "--dataset", "greeks", "--symbol", "NOSUCH", "--since", last]).ends(1);
}

/// A lake whose index of 2025 was changed by hand before the server saw it.
fn with_index(change: impl FnOnce(&mut Value)) -> (Lake, Server) {
    let lake = filled(Lake::in_folder(), objects_in_folder());
    let mut index: Value = serde_json::from_slice(&lake.get(INDEX)).expect("JSON");
    change(&mut index);
    lake.plant(INDEX, index.to_string());
    let server = Server::over(&lake);
    (lake, server)
}

/// A compaction died before it wrote the index; the next one, a day later, did. What was published long ago is told as news.
#[test]
fn what_was_listed_late_is_not_missed() {
    let (_lake, server) = with_index(|index| {
        index["days"][0]["published_at"] = "2025-01-14T22:00:00Z".into();
        index["days"][1]["published_at"] = "2025-01-15T22:00:00Z".into();
        index["listed_at"] = json!({"2025-01-14": "2025-01-16T08:00:00Z", "2025-01-15": "2025-01-15T22:00:05Z"});
    });
    let dates = |since: &str| -> Vec<Value> {
        let rows = changes(&server, "greeks", since).data();
        let new = rows.into_iter().filter(|row| text(&row["date"]) > "2025");
        new.map(|row| row["date"].clone()).filter(|date| text(date) < "2025-02").collect()
    };
    assert_eq!(dates("2025-01-15T23:00:00Z"), ["2025-01-14"], "older than what was told before");
    assert_eq!(dates("2025-01-15T22:00:00Z"), ["2025-01-14", "2025-01-15"], "in order of publication");
    assert_eq!(dates("2025-01-16T08:00:00Z"), [""; 0]);
}

#[test]
fn what_a_revision_changed_is_told_in_every_format() {
    let change = json!({"from_revision": 1, "rows_added": 3, "rows_changed": 5, "rows_removed": 2,
        "captures_added": ["greeks/0a1b", "chains/2c3d"], "captures_removed": [], "calculation_changed": false});
    let (_lake, server) = with_index(|index| {
        index["days"][1]["revision"] = 2.into();
        index["days"][1]["change"] = change.clone();
    });
    let ask = |format: &str| {
        server.get(&format!("/api/v1/greeks/SPY/changes?since=2020-01-01T00:00:00Z&format={format}")).ok()
    };
    for format in ["json", "ndjson"] {
        let rows = read(format, &ask(format).body).rows;
        let day = rows.iter().find(|row| row["date"] == DAY).expect("the day");
        assert_eq!(day["change"], change, "{format}");
        assert!(rows.iter().filter(|row| row["date"] != DAY).all(|row| row["change"].is_null()), "{format}");
    }
    for format in ["arrow", "parquet"] {
        let table = read(format, &ask(format).body);
        let columns = [
            "date",
            "path",
            "revision",
            "condition",
            "published_at",
            "listed_at",
            "bytes",
            "rows",
            "sha256",
            "from_revision",
            "rows_added",
            "rows_changed",
            "rows_removed",
            "captures_added",
            "captures_removed",
            "calculation_changed",
        ];
        assert_eq!(table.columns, columns, "{format}");
        let day = table.rows.iter().find(|row| row["date"] == DAY).expect("the day");
        for (column, value) in change.as_object().expect("an object") {
            assert_eq!(&day[column], value, "{format} {column}");
        }
        let other = table.rows.iter().find(|row| row["date"] != DAY).expect("another day");
        assert!(other["from_revision"].is_null() && other["captures_added"].is_null(), "{other}");
    }
    let csv = ask("csv");
    let line = csv.text().lines().find(|line| line.starts_with(DAY)).expect("the day");
    assert!(line.ends_with(",1,3,5,2,greeks/0a1b;chains/2c3d,,false"), "{line}");
    let other = csv.text().lines().skip(1).find(|line| !line.starts_with(DAY)).expect("another day");
    assert!(other.ends_with(",,,,,,,"), "{other}");
}
