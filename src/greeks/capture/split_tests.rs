//! The three shapes of JSON input, whole and broken, in pieces of every size.

use std::io::Read;

use super::*;

/// Hands out one byte at a time, so that no cut depends on how reads fall.
struct Dribble<'a>(&'a [u8]);

impl Read for Dribble<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let take = self.0.len().min(buffer.len()).min(1);
        buffer[..take].copy_from_slice(&self.0[..take]);
        self.0 = &self.0[take..];
        Ok(take)
    }
}

fn split(text: &str) -> Vec<(String, u64, u64)> {
    let mut splitter = Splitter::new(Dribble(text.as_bytes()));
    let mut found = Vec::new();
    while let Some(batch) = splitter.next_batch().unwrap() {
        for piece in batch.pieces {
            let document = String::from_utf8(batch.text[piece.range.clone()].to_vec()).unwrap();
            found.push((document, piece.document, piece.line));
        }
    }
    found
}

fn documents(text: &str) -> Vec<String> {
    split(text).into_iter().map(|(document, _, _)| document).collect()
}

#[test]
fn one_document_a_line() {
    let found = split("{\"a\":1}\n\n{\"a\":2}\r\n  {\"a\":3}");
    assert_eq!(found, [("{\"a\":1}".into(), 1, 1), ("{\"a\":2}".into(), 2, 3), ("{\"a\":3}".into(), 3, 4)]);
}

#[test]
fn a_broken_line_costs_only_itself() {
    assert_eq!(documents("{\"a\":1}\n{\"a\":\n{\"a\":3}\n"), ["{\"a\":1}", "{\"a\":", "{\"a\":3}"]);
}

#[test]
fn a_broken_first_line_is_still_a_line() {
    assert_eq!(documents("{\"a\":[1,\n{\"a\":2}\n{\"a\":3}\n"), ["{\"a\":[1,", "{\"a\":2}", "{\"a\":3}"]);
}

#[test]
fn pretty_printed_documents() {
    let found = split("{\n  \"a\": \"}{\\\"\"\n}\n{\n  \"b\": [{}, {}]\n}\n");
    assert_eq!(found[0], ("{\n  \"a\": \"}{\\\"\"\n}".into(), 1, 1));
    assert_eq!(found[1], ("{\n  \"b\": [{}, {}]\n}".into(), 2, 4));
    assert_eq!(found.len(), 2);
}

#[test]
fn one_array_of_documents() {
    assert_eq!(documents("[{\"a\":1}, {\"a\":2},\n {\"a\":[3]}]"), ["{\"a\":1}", "{\"a\":2}", "{\"a\":[3]}"]);
    assert_eq!(documents("[\n]"), Vec::<String>::new());
}

#[test]
fn a_missing_brace_does_not_swallow_the_documents_behind_it() {
    let text = "[\n  {\"timestamp\": 1,\n   \"strikes\": [{\"strike\": 1}\n  ,\n  {\"timestamp\": 2, \"x\": {}},\n  {\"timestamp\": 3}\n]";
    let found = documents(text);
    assert_eq!(found.last().unwrap(), "{\"timestamp\": 3}");
    assert!(found.contains(&"{\"timestamp\": 2, \"x\": {}}".to_owned()), "{found:?}");
    assert!(found[0].starts_with("{\"timestamp\": 1"), "{found:?}");
    assert_eq!(found.len(), 3);
}

#[test]
fn words_between_documents_are_pieces_of_their_own() {
    assert_eq!(documents("{\n\"a\":1}\noops\n{\n\"a\":2}"), ["{\n\"a\":1}", "oops", "{\n\"a\":2}"]);
}

#[test]
fn a_byte_order_mark_is_not_part_of_a_document() {
    assert_eq!(documents("\u{feff}{\"a\":1}\n{\"a\":2}\n"), ["{\"a\":1}", "{\"a\":2}"]);
    assert_eq!(documents("\u{feff}[{\"a\":1}]"), ["{\"a\":1}"]);
}

#[test]
fn nothing_in_nothing_out() {
    assert!(documents("").is_empty());
    assert!(documents("\n \n").is_empty());
}

#[test]
fn batches_lose_nothing_at_their_edges() {
    let line = format!("{{\"a\":\"{}\"}}\n", "x".repeat(1000));
    let text = line.repeat(10_000);
    let mut splitter = Splitter::new(text.as_bytes());
    let (mut count, mut last) = (0, 0);
    while let Some(batch) = splitter.next_batch().unwrap() {
        count += batch.pieces.len();
        last = batch.pieces.last().unwrap().line;
        assert!(batch.pieces.iter().all(|piece| batch.text[piece.range.clone()].len() == line.len() - 1));
    }
    assert_eq!((count, last), (10_000, 10_000));
}
