//! What every answer over many days says of each of them, in every format, and how a span may be asked for.

use serde_json::{Value, json};

use super::span_lake::{AHEAD, SPAN, Span, over_every_span};
use super::table::FORMATS;

over_every_span!(
    every_format_tells_missing_closed_and_degraded_days,
    an_open_day_counts,
    a_span_of_whole_days_says_nothing_else,
    a_span_with_nothing_stored_is_a_404,
    the_ends_of_a_span_are_checked,
    coverage_and_answers_agree,
);

const ROUTES: [&str; 4] = ["range?", "range?by=minute&", "screen?greek=gamma&above=0&", "export?"];

fn day(date: &str, condition: &str, revision: Option<u32>) -> Value {
    json!({"date": date, "condition": condition, "revision": revision})
}

fn days() -> Vec<Value> {
    vec![
        day("2024-12-30", "available", Some(1)),
        day("2024-12-31", "degraded", Some(1)),
        day("2025-01-01", "closed", None),
        day("2025-01-02", "missing", None),
        day("2025-01-03", "available", Some(1)),
        day("2025-01-04", "closed", None),
        day("2025-01-05", "closed", None),
        day("2025-01-06", "degraded", Some(1)),
    ]
}

fn every_format_tells_missing_closed_and_degraded_days(span: &Span) {
    for route in ROUTES {
        for (format, content_type) in FORMATS {
            let reply = span.server.get(&format!("/api/v1/greeks/SPY/{route}{SPAN}&format={format}")).ok();
            assert!(reply.header("content-type").starts_with(content_type), "{route} {format}");
            for (header, value) in [
                ("pitlake-condition", "missing"),
                ("pitlake-revision", "1"),
                ("pitlake-missing-days", "2025-01-02"),
                ("pitlake-degraded-days", "2024-12-31,2025-01-06"),
                ("pitlake-closed-days", "2025-01-01,2025-01-04,2025-01-05"),
                ("pitlake-pending-days", ""),
            ] {
                assert_eq!(reply.header(header), value, "{route} {format} {header}");
            }
            if format == "json" {
                assert!(reply.text().starts_with("{\"days\":[{"), "{route}");
                let answer = reply.json();
                assert_eq!(answer["days"], json!(days()), "{route}");
                assert_eq!(
                    (&answer["symbol"], &answer["start"], &answer["end"]),
                    (&json!("SPY"), &json!("2024-12-30"), &json!("2025-01-06"))
                );
            } else {
                let name = reply.header("content-disposition").to_owned();
                assert!(name.contains("greeks-SPY-2024-12-30-2025-01-06-") && name.contains(format), "{name}");
            }
        }
    }
}

fn an_open_day_counts(span: &Span) {
    for route in ROUTES {
        // A session that is ahead and has nothing yet is pending too.
        let reply = span.server.get(&format!("/api/v1/greeks/SPY/{route}start={AHEAD}&end=2199-01-08")).ok();
        assert_eq!(reply.header("pitlake-condition"), "pending", "{route}");
        assert_eq!(reply.header("pitlake-pending-days"), "2199-01-07,2199-01-08", "{route}");
        let expected = [day(AHEAD, "pending", Some(1)), day("2199-01-08", "pending", None)];
        assert_eq!(reply.json()["days"], json!(expected), "{route}");
        assert_eq!(reply.data().len(), 1, "{route}");
    }
}

fn a_span_of_whole_days_says_nothing_else(span: &Span) {
    for route in ROUTES {
        let reply = span.server.get(&format!("/api/v1/greeks/SPY/{route}start=2025-01-03&end=2025-01-03")).ok();
        assert_eq!(reply.header("pitlake-condition"), "available", "{route}");
        for header in ["missing", "degraded", "closed", "pending"] {
            assert_eq!(reply.headers.get(format!("pitlake-{header}-days")), None, "{route} {header}");
        }
    }
}

fn a_span_with_nothing_stored_is_a_404(span: &Span) {
    let ask = |route: &str, dates: &str| span.server.get(&format!("/api/v1/greeks/SPY/{route}{dates}"));
    for route in ROUTES {
        // A weekend; the same and a session day that is missing; a year of which there is nothing at all.
        let closed = ask(route, "start=2025-01-04&end=2025-01-05").problem(404, "closed-day");
        assert_eq!(closed["next_session"], "2025-01-06", "{route}");
        for dates in
            ["start=2024-12-28&end=2024-12-29", "start=2025-01-01&end=2025-01-02", "start=2020-02-03&end=2020-02-07"]
        {
            let kind = if dates.contains("2024-12-28") { "closed-day" } else { "missing-day" };
            let problem = ask(route, dates).problem(404, kind);
            let detail = problem["detail"].as_str().expect("a text");
            assert!(detail.contains("/api/v1/greeks/SPY/coverage"), "{route} {detail}");
        }
        let unknown = span.server.get(&format!("/api/v1/greeks/NOSUCH/{route}{SPAN}"));
        unknown.problem(404, "unknown-symbol");
    }
}

fn the_ends_of_a_span_are_checked(span: &Span) {
    for route in ROUTES {
        for (dates, kind, blamed) in [
            ("start=2025-01-01", "missing-parameter", "end"),
            ("end=2025-01-01", "missing-parameter", "start"),
            ("start=2025-01-03&end=2025-01-02", "invalid-parameter", "end"),
            ("start=2025-01-03&end=2025-02-30", "invalid-parameter", "end"),
            ("start=1900-01-01&end=2199-12-31", "invalid-parameter", "end"),
            ("start=2025-01-01&end=2025-01-03&days=3", "unknown-parameter", "days"),
            ("start=2025-01-01&end=2025-01-03&start=2025-01-02", "repeated-parameter", "start"),
        ] {
            let problem = span.server.get(&format!("/api/v1/greeks/SPY/{route}{dates}")).problem(400, kind);
            assert_eq!(problem["parameter"], blamed, "{route}{dates}");
        }
    }
}

fn coverage_and_answers_agree(span: &Span) {
    let coverage = span.server.get(&format!("/api/v1/greeks/SPY/coverage?{SPAN}")).data();
    let told: Vec<Value> = coverage
        .iter()
        .map(|day| json!({"date": day["date"], "condition": day["condition"], "revision": day["revision"]}))
        .collect();
    assert_eq!(told, days());
}
