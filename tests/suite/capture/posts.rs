//! Every shape and packing is taken; what is not a document is refused with its reason; keys open what they are for.

use std::io::Write;

use serde_json::json;

use super::listener::{Listener, PATH, bytes_of_segments, counts, numbered};
use crate::pitlake_binary::{Lake, on_every_store};
use crate::server::Reply;

on_every_store!(
    every_shape_and_packing_is_taken_once,
    a_bad_document_is_refused_alone_and_kept,
    nothing_taken_is_a_422,
    a_post_of_too_many_faults_or_days_is_not_taken,
    what_a_reason_quotes_is_short,
    what_is_posted_is_compacted_like_what_is_ingested,
    keys_open_what_they_are_for,
);

const NESTED: &str = r#"{"timestamp":"2025-01-15T14:32:00-05:00","symbol":"SPY","expiration":"2025-01-17","spot":588.12,"strikes":[{"strike":580.0,"gamma":-52000000,"vanna":12000000,"charm":-4500000},{"strike":585,"gamma":1500000.5,"vanna":null}]}
{"timestamp":"2025-01-15T14:33:00-05:00","symbol":"SPY","expiration":"2025-01-19","spot":588.2,"strikes":[{"strike":580.0,"charm":77}]}
"#;

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text.as_bytes()).expect("gzip");
    encoder.finish().expect("gzip")
}

fn every_shape_and_packing_is_taken_once(lake: &Lake) {
    let listener = Listener::over(lake);
    assert_eq!(counts(&listener.post(NESTED).ok()), [2, 3, 0, 0]);
    let array = format!("[{}]", NESTED.trim().replace('\n', ","));
    let pretty = NESTED.replace(',', " ,\n   ").replace('{', "{\n  ").replace('}', "\n}");
    let zstd = zstd::encode_all(NESTED.as_bytes(), 3).expect("zstd");
    type Sent = (Vec<u8>, &'static [(&'static str, &'static str)]);
    let again: [Sent; 6] = [
        (array.into(), &[]),
        (pretty.into(), &[]),
        (gzip(NESTED), &[("content-encoding", "gzip")]),
        (gzip(NESTED), &[]),
        (zstd.clone(), &[("content-encoding", "zstd")]),
        (zstd, &[]),
    ];
    for (at, (body, headers)) in again.into_iter().enumerate() {
        assert_eq!(counts(&listener.post_with(body, headers).ok()), [2, 0, 3, 0], "{at}: there already");
    }
    let csv = "timestamp,symbol,expiration,strike,gamma_exposure\n2025-01-15T19:34:00Z,SPY,2025-01-17,590,5\n";
    assert_eq!(counts(&listener.post(csv).ok()), [1, 1, 0, 0]);
    let strange = listener.post_with(NESTED, &[("content-encoding", "br")]);
    strange.problem(415, "unsupported-encoding");
    listener.post_with(NESTED, &[("content-encoding", "gzip")]).problem(400, "invalid-request");
    let torn = gzip(NESTED);
    listener.post(&torn[..torn.len() / 2]).problem(400, "invalid-request");
    let long = zstd::encode_all(std::io::Read::take(std::io::repeat(b' '), (256 << 20) + 1), 1).expect("zstd");
    listener.post(long).problem(413, "too-large");
    listener.post(vec![b' '; (32 << 20) + 1]).problem(413, "too-large");
    assert_eq!(listener.server.get(PATH).status, 405);
    let document = listener.server.get("/openapi.json").ok().json();
    assert!(document["paths"][PATH]["post"]["responses"]["429"].is_object(), "{document}");
    listener.stop();
    lake.compact(&[]);
    assert_eq!(lake.strikes("SPY", "2025-01-15").len(), 4);
    lake.is_sound();
}

fn a_bad_document_is_refused_alone_and_kept(lake: &Lake) {
    let listener = Listener::over(lake);
    let bad = numbered("SPY", 580).replace("\"strike\":580", "\"strike\":-1");
    let body = format!("{}\noops\n{bad}\n{}\n", numbered("SPY", 580), numbered("SPY", 581));
    let reply = listener.post(body).ok();
    assert_eq!(counts(&reply), [2, 2, 0, 2]);
    let reasons = reply.json()["reasons"].clone();
    assert_eq!(reasons[0]["code"], "not_json");
    assert_eq!(reasons[0]["place"], "document 2, line 2");
    assert_eq!((&reasons[1]["code"], &reasons[1]["field"]), (&json!("strike_not_positive"), &json!("strike")));
    let many = format!("{}\n{}", numbered("SPY", 582), "oops\n".repeat(25));
    let reply = listener.post(many).ok();
    assert_eq!(counts(&reply), [1, 1, 0, 25]);
    assert_eq!(reply.json()["reasons"].as_array().map(Vec::len), Some(10));
    listener.stop();
    let rejected = lake.objects_under("raw/_rejected/greeks/");
    let kept: Vec<u8> = rejected.values().flat_map(|bytes| zstd::decode_all(bytes.as_ref()).expect("zstd")).collect();
    let kept = String::from_utf8(kept).expect("UTF-8");
    assert_eq!(kept.lines().count(), 27);
    assert!(kept.lines().next().is_some_and(|line| line.contains("\"text\":\"oops\"")), "{kept}");
    lake.compact(&[]);
    assert_eq!(lake.manifest("SPY", "2025-01-15")["counts"]["refused"], 27);
}

fn nothing_taken_is_a_422(lake: &Lake) {
    let listener = Listener::over(lake);
    let problem = listener.post("oops\n{}\n").problem(422, "nothing-taken");
    assert_eq!((&problem["documents"], &problem["refused"]), (&json!(0), &json!(2)));
    assert_eq!(problem["reasons"][1]["code"], "field_missing");
    listener.post("").problem(422, "nothing-taken");
    listener.post("\n \n").problem(422, "nothing-taken");
    listener.stop();
    assert_eq!(lake.objects_under("raw/_rejected/").len(), 1);
    assert!(lake.objects_under("raw/greeks/").is_empty());
}

fn a_post_of_too_many_faults_or_days_is_not_taken(lake: &Lake) {
    let listener = Listener::over(lake);
    let problem = listener.post(gzip(&"1\n".repeat(1 << 20))).problem(422, "nothing-taken");
    assert_eq!(problem["max_refused"], 10_000);
    let one_good = format!("{}\n{}", numbered("SPY", 1), "1\n".repeat(10_001));
    listener.post_with(one_good, &[("idempotency-key", "a")]).problem(422, "nothing-taken");
    let days: Vec<String> = (1990..2030)
        .flat_map(|year| {
            (1..13).flat_map(move |month| [3, 10, 17, 24].map(|day| format!("{year}-{month:02}-{day:02}")))
        })
        .map(|date| numbered("SPY", 1).replace("2025-01-15", &date).replace("2025-01-17", "2035-01-19"))
        .collect();
    let problem = listener.post(days.join("\n")).problem(413, "too-large");
    assert_eq!(problem["max_days"], 1_000);
    assert_eq!(bytes_of_segments(&listener.spool), 0, "nothing of them was written down");
    let reply = listener.post_with(numbered("SPY", 1), &[("idempotency-key", "a")]).ok();
    assert_eq!(counts(&reply), [1, 1, 0, 0], "neither the document nor the key is there already");
    listener.stop();
    assert!(lake.objects_under("raw/_rejected/").is_empty());
}

fn what_a_reason_quotes_is_short(lake: &Lake) {
    let listener = Listener::over(lake);
    let fraction = format!("1970-01-15T14:32:00.{}-05:00", "1".repeat(1 << 20));
    let bad = numbered("SPY", 1).replace("2025-01-15T14:32:00-05:00", &fraction);
    let problem = listener.post(gzip(&bad)).problem(422, "nothing-taken");
    let reason = problem["reasons"][0]["reason"].as_str().expect("a reason");
    assert_eq!(reason.chars().count(), 301, "{reason}");
    assert!(reason.starts_with("timestamp '1970-01-15T14:32:00.11") && reason.ends_with('…'), "{reason}");
    listener.stop();
}

fn what_is_posted_is_compacted_like_what_is_ingested(lake: &Lake) {
    let ingested = lake.another();
    ingested.ingest(&ingested.file("lines.jsonl", NESTED));
    let listener = Listener::over(lake);
    listener.post(NESTED).ok();
    listener.stop();
    let keys = |lake: &Lake| lake.objects_under("raw/").into_keys().collect::<Vec<_>>();
    assert_eq!(keys(lake), keys(&ingested), "the same documents make the same capture");
    let counts = lake.ingest(&lake.file("lines.jsonl", NESTED));
    assert_eq!((&counts["rows"], &counts["duplicates"]), (&json!(0), &json!(3)));
    ingested.compact(&[]);
    lake.compact(&[]);
    assert_eq!(lake.strikes("SPY", "2025-01-15"), ingested.strikes("SPY", "2025-01-15"));
}

fn keys_open_what_they_are_for(lake: &Lake) {
    let made = |more: &[&str]| {
        let made = lake.run(&[&["keys", "create", "--json", "--name", "source"], more].concat()).ends(0).json();
        made["key"].as_str().expect("a key").to_owned()
    };
    let listener = Listener::over(lake);
    listener.post(numbered("SPY", 1)).ok();
    let reader = made(&["--scope", "read"]);
    let all = made(&["--scope", "capture"]);
    let qqq = made(&["--scope", "capture", "--symbol", "QQQ"]);
    let bars = made(&["--scope", "capture", "--dataset", "bars"]);
    listener.stop();
    let listener = Listener::over(lake);
    let with = |key: &str, body: String| -> Reply { listener.post_with(body, &[("x-api-key", key)]) };
    listener.post(numbered("SPY", 2)).problem(401, "unauthorized");
    with(&reader, numbered("SPY", 2)).problem(403, "forbidden");
    with(&bars, "oops".into()).problem(403, "forbidden");
    assert_eq!(counts(&with(&qqq, numbered("QQQ", 2)).ok()), [1, 1, 0, 0]);
    let mixed = format!("{}\n{}", numbered("QQQ", 3), numbered("SPY", 3));
    let problem = with(&qqq, mixed).problem(403, "forbidden");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("SPY")), "{problem}");
    assert_eq!(counts(&with(&all, numbered("QQQ", 3)).ok()), [1, 1, 0, 0], "nothing of the mixed post was taken");
    listener.server.get("/health").ok();
}
