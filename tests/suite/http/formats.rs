//! Every format holds the same rows, however it was asked for and however it is compressed.

use std::io::Read;

use bytes::Bytes;
use serde_json::Value;

use super::table::{FORMATS, read};
use crate::lake::{DAY, Said, World, over_every_lake, said};
use crate::pitlake_binary::batches;

over_every_lake!(
    every_format_holds_the_same_rows,
    every_format_of_an_empty_selection_is_whole,
    the_accept_header_chooses_too,
    a_whole_day_as_parquet_is_the_lakes_own_file,
    compressed_answers_unpack_to_the_plain_ones,
    head_says_what_get_would,
);

const COLUMNS: [&str; 6] = ["timestamp", "expiration", "strike", "gamma_exposure", "vanna_exposure", "charm_exposure"];

fn unpacked(encoding: &str, body: &Bytes) -> Vec<u8> {
    match encoding {
        "gzip" => {
            let mut plain = Vec::new();
            flate2::read::GzDecoder::new(body.as_ref()).read_to_end(&mut plain).expect("whole gzip");
            plain
        }
        "zstd" => zstd::decode_all(body.as_ref()).expect("whole zstd"),
        other => panic!("no {other}"),
    }
}

fn every_format_holds_the_same_rows(world: &World) {
    let all = said("SPY", DAY);
    let rows =
        |plain: &dyn Fn(&Said) -> bool| all.iter().filter(|row| plain(row)).map(Said::row).collect::<Vec<Value>>();
    let nulls: Vec<Value> = said("QQQ", DAY).iter().map(Said::row).collect();
    // Small and in one piece, large and streamed, whole, and full of nulls.
    let questions: [(&str, String, Vec<Value>); 4] = [
        ("SPY", "strike=585".to_owned(), rows(&|row| row.strike == 585.0)),
        ("SPY", "strike_min=580".to_owned(), rows(&|row| row.strike >= 580.0)),
        ("SPY", String::new(), rows(&|_| true)),
        ("QQQ", String::new(), nulls),
    ];
    for (symbol, query, expected) in questions {
        for (format, media_type) in FORMATS {
            let path = format!("/api/v1/greeks/{symbol}/{DAY}?format={format}&{query}");
            let reply = world.server.get(&path).ok();
            let table = read(format, &reply.body);
            assert_eq!(table.columns, COLUMNS, "{path}");
            assert!(table.rows == expected, "{path}: {} rows, not {}", table.rows.len(), expected.len());
            assert!(reply.header("content-type").starts_with(media_type), "{path}: {}", reply.header("content-type"));
            let condition = if symbol == "QQQ" { "degraded" } else { "available" };
            assert_eq!(reply.header("pitlake-condition"), condition, "{path}");
            assert_eq!(reply.header("pitlake-revision"), "1", "{path}");
        }
    }
    let by_json = world.server.get(&format!("/api/v1/greeks/QQQ/{DAY}/aggregate?by=strike")).data();
    for (format, _) in FORMATS {
        let reply = world.server.get(&format!("/api/v1/greeks/QQQ/{DAY}/aggregate?by=strike&format={format}")).ok();
        assert_eq!(read(format, &reply.body).rows, by_json, "sums as {format}");
    }
}

fn every_format_of_an_empty_selection_is_whole(world: &World) {
    for (format, _) in FORMATS {
        let reply = world.server.get(&format!("/api/v1/greeks/SPY/{DAY}?strike=1&format={format}")).ok();
        let table = read(format, &reply.body);
        assert!(table.rows.is_empty(), "{format}");
        if ["csv", "arrow"].contains(&format) {
            assert_eq!(table.columns, COLUMNS, "{format} names its columns");
        }
    }
}

fn the_accept_header_chooses_too(world: &World) {
    let path = format!("/api/v1/greeks/SPY/{DAY}?strike=585");
    let expected: Vec<Value> = said("SPY", DAY).iter().filter(|row| row.strike == 585.0).map(Said::row).collect();
    let more = [("json", "*/*"), ("json", "text/html, */*;q=0.1"), ("csv", "application/json;q=0.5, text/csv")];
    for (format, accept) in FORMATS.into_iter().chain(more) {
        let reply = world.server.get_with(&path, &[("accept", accept)]).ok();
        assert!(read(format, &reply.body).rows == expected, "{accept}");
        assert!(reply.header("vary").to_ascii_lowercase().contains("accept"), "{accept}");
    }
    // What stands in the address is meant.
    let both = world.server.get_with(&format!("{path}&format=ndjson"), &[("accept", "text/csv")]).ok();
    assert!(read("ndjson", &both.body).rows == expected);
}

fn a_whole_day_as_parquet_is_the_lakes_own_file(world: &World) {
    for (symbol, date) in [("SPY", DAY), ("SPY", "2024-11-29"), ("QQQ", DAY)] {
        let stored = world.lake.get(&format!("greeks/symbol={symbol}/date={date}/part-0.parquet"));
        for encodings in ["identity", "gzip, zstd"] {
            let asked = [("accept-encoding", encodings), ("accept", "application/vnd.apache.parquet")];
            let reply = world.server.get_with(&format!("/api/v1/greeks/{symbol}/{date}"), &asked).ok();
            assert!(reply.body == stored, "{symbol} {date}: the bytes of the lake");
            assert_eq!(reply.header("content-length"), stored.len().to_string());
            assert_eq!(reply.header("content-encoding"), "", "Parquet is compressed inside");
        }
    }
    let filtered = world.server.get(&format!("/api/v1/greeks/SPY/{DAY}?format=parquet&greeks=gamma")).ok();
    assert_eq!(batches(filtered.body)[0].num_columns(), 4);
}

fn compressed_answers_unpack_to_the_plain_ones(world: &World) {
    for (query, format) in
        [("?strike=585", "json"), ("", "json"), ("", "csv"), ("", "ndjson"), ("?strike=585", "arrow")]
    {
        let path = format!("/api/v1/greeks/SPY/{DAY}{query}");
        let path = format!("{path}{}format={format}", if query.is_empty() { "?" } else { "&" });
        let plain = world.server.get(&path).ok();
        assert_eq!(plain.header("content-encoding"), "");
        for (asked, encoding) in [
            ("gzip", "gzip"),
            ("zstd", "zstd"),
            ("gzip, deflate, br, zstd", "zstd"),
            ("gzip;q=1.0, zstd;q=0.5", "gzip"),
            ("zstd;q=0, gzip", "gzip"),
        ] {
            let reply = world.server.get_with(&path, &[("accept-encoding", asked)]).ok();
            assert_eq!(reply.header("content-encoding"), encoding, "{asked}");
            assert!(unpacked(encoding, &reply.body) == plain.body, "{path} as {encoding}");
            assert!(reply.body.len() < plain.body.len(), "{path}: smaller as {encoding}");
        }
        for unknown in ["br", "deflate", "identity", "zstd;q=0"] {
            let reply = world.server.get_with(&path, &[("accept-encoding", unknown)]).ok();
            assert_eq!(reply.header("content-encoding"), "", "{unknown}");
        }
    }
}

fn head_says_what_get_would(world: &World) {
    for path in [
        format!("/api/v1/greeks/SPY/{DAY}?strike=585"),
        format!("/api/v1/greeks/SPY/{DAY}"),
        format!("/api/v1/greeks/SPY/{DAY}?format=parquet"),
        format!("/api/v1/greeks/SPY/{DAY}/aggregate"),
        "/api/v1/greeks/SPY/2025-01-18".to_owned(),
    ] {
        let get = world.server.get(&path);
        let mut socket = world.server.connect().expect("a connection");
        let host = world.server.host();
        let request = format!("HEAD {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        std::io::Write::write_all(&mut socket, request.as_bytes()).expect("sent");
        let mut bytes = Vec::new();
        socket.read_to_end(&mut bytes).expect("a head");
        assert!(bytes.ends_with(b"\r\n\r\n"), "{path}: nothing follows the head");
        let head = String::from_utf8(bytes).expect("text").to_ascii_lowercase();
        assert!(head.starts_with(&format!("http/1.1 {}", get.status)), "{path}: {head}");
        for name in ["etag", "content-type", "pitlake-condition", "pitlake-revision", "content-length"] {
            let value = get.header(name).to_ascii_lowercase();
            let line = format!("\r\n{name}: {value}\r\n");
            assert!(value.is_empty() || head.contains(&line), "{path}: {name} is {value} in {head}");
        }
    }
}
