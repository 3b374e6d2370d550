//! `lake-layout.md` against the code: the paths, the schemas and the sort orders that it shows in marked places.

use arrow::datatypes::{DataType, TimeUnit};
use pitlake::greeks;
use pitlake::lake::layout::{Key, PartitionId, config_key};
use pitlake::lake::{catalog::Catalog, instruments};
use pitlake::profile;
use pitlake::server::DATASETS;

fn page() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/lake-layout.md")).expect("lake-layout.md")
}

/// What stands between two marks; each mark is there once.
fn between<'a>(page: &'a str, open: &str, close: &str) -> &'a str {
    let parts: Vec<&str> = page.split(open).collect();
    assert_eq!(parts.len(), 2, "{open} is there {} times", parts.len() - 1);
    parts[1].split_once(close).unwrap_or_else(|| panic!("{open} does not end with {close}")).0
}

fn spelled(data_type: &DataType) -> String {
    let name = match data_type {
        DataType::Timestamp(TimeUnit::Microsecond, Some(zone)) if zone.as_ref() == "UTC" => "timestamp(µs, UTC)",
        DataType::Date32 => "date32",
        DataType::Float64 => "double",
        DataType::Int64 => "int64",
        DataType::Int32 => "int32",
        DataType::Utf8 => "string",
        DataType::Boolean => "boolean",
        DataType::List(element) => return format!("list<{}>", spelled(element.data_type())),
        DataType::Struct(members) => {
            let members = members.iter().map(|member| format!("{} {}", member.name(), spelled(member.data_type())));
            return format!("struct<{}>", members.collect::<Vec<_>>().join(", "));
        }
        other => panic!("the page has no name for {other}"),
    };
    name.to_owned()
}

#[test]
fn schemas() {
    let page = page();
    for dataset in DATASETS.iter() {
        let table = between(&page, &format!("<!-- schema:{} -->", dataset.name), "<!-- /schema -->");
        let told: Vec<[String; 3]> = table
            .lines()
            .filter(|line| line.starts_with("| `"))
            .map(|line| {
                let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
                assert_eq!(cells.len(), 4, "{line}");
                assert!(cells[3].len() > 5, "a column without a meaning: {line}");
                [cells[0].trim_matches('`').to_owned(), cells[1].to_owned(), cells[2].to_owned()]
            })
            .collect();
        let made: Vec<[String; 3]> = (dataset.schema)()
            .fields()
            .iter()
            .map(|field| {
                let nullable = if field.is_nullable() { "yes" } else { "no" };
                [field.name().clone(), spelled(field.data_type()), nullable.to_owned()]
            })
            .collect();
        assert_eq!(told, made, "{}", dataset.name);
    }
    assert_eq!(page.matches("<!-- schema:").count(), DATASETS.len(), "a table of something else");
}

#[test]
fn sort_orders() {
    let page = page();
    for dataset in DATASETS.iter() {
        let told = between(&page, &format!("<!-- sorted:{} -->", dataset.name), "<!-- /sorted -->");
        assert_eq!(told.split(", ").collect::<Vec<_>>(), dataset.sorted_by, "{}", dataset.name);
    }
    assert_eq!(page.matches("<!-- sorted:").count(), DATASETS.len());
}

#[test]
fn paths() {
    let page = page();
    let told: Vec<&str> = between(&page, "<!-- paths -->", "<!-- /paths -->")
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with("```"))
        .collect();
    let symbol: pitlake::market::Symbol = "SPY".parse().expect("a symbol");
    let date: pitlake::market::TradingDate = "2025-01-15".parse().expect("a date");
    let id = "0123456789abcdef0123456789abcdef".to_owned();
    let capture = |dataset: &str| {
        Key::Capture { dataset: dataset.into(), symbol: symbol.clone(), date, id: id.clone() }.to_string()
    };
    let [strikes, by_minute, by_day] = greeks::DATASETS.map(|dataset| dataset.name);
    let day = |dataset| PartitionId::day(dataset, &symbol, date);
    let year = |dataset| PartitionId::year(dataset, &symbol, 2025);
    let made = [
        capture(strikes),
        capture("chains"),
        capture("bars"),
        Key::Rejected { dataset: strikes.into(), date, id: id.clone() }.to_string(),
        day(strikes).data_key(),
        day(by_minute).data_key(),
        year(by_day).data_key(),
        day("bars").data_key(),
        year(profile::record::PROFILES).data_key(),
        year(profile::record::PROFILES_HISTORY).data_key(),
        day(strikes).manifest_key(),
        day(by_minute).manifest_key(),
        year(by_day).manifest_key(),
        year(profile::record::PROFILES).manifest_key(),
        year(profile::record::PROFILES_HISTORY).manifest_key(),
        year(strikes).manifest_key(),
        Catalog::key(strikes),
        config_key("keys.json"),
        config_key(instruments::FILE),
        config_key(profile::settings_file::FILE),
    ];
    assert_eq!(told, made);
    for path in told {
        assert_eq!(path.parse::<Key>().map(|key| key.to_string()).ok().as_deref(), Some(path), "and reads them back");
    }
}
