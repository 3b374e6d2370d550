//! Frames torn at every byte and spoiled at every bit: what is read back was written, and nothing before the damage is lost.

use proptest::prelude::*;

use super::*;

fn document(number: u64, bytes: &[u8]) -> Document {
    Document {
        home: Home { dataset: "greeks".into(), symbol: "SPY".parse().unwrap(), date: "2025-01-15".parse().unwrap() },
        received_at: "2025-01-15T19:32:01.000123Z".parse().unwrap(),
        rows: number,
        digest: digest(bytes),
        bytes: bytes.to_vec(),
    }
}

/// A segment with these documents, a refusal and a receipt behind them; and where each frame ends.
fn segment(number: u64, bodies: &[&[u8]]) -> (Vec<u8>, Vec<usize>) {
    let (mut out, mut ends) = (Vec::new(), Vec::new());
    for (at, body) in bodies.iter().enumerate() {
        // As the writing thread does: a buffer that will stand behind what is on disk.
        let mut more = Vec::new();
        let start = out.len() as u64;
        Framer { segment: number, start, out: &mut more }.document(&document(at as u64, body)).unwrap();
        out.extend(more);
        ends.push(out.len());
    }
    let note = Note {
        code: "not_json".into(),
        place: "document 2, line 2".into(),
        field: None,
        timestamp: None,
        reason: "not JSON".into(),
    };
    let refused = Refused {
        dataset: "greeks".into(),
        home: None,
        received_at: "2025-01-15T19:32:01Z".parse().unwrap(),
        note,
        text: b"{oops".to_vec(),
    };
    Framer { segment: number, start: 0, out: &mut out }.refused(&refused).unwrap();
    ends.push(out.len());
    let head = Head::answered(&PostKey { id: [7; 32], body: [8; 32] }, "2025-01-15T19:32:01Z".parse().unwrap());
    Framer { segment: number, start: 0, out: &mut out }.answered(&head, b"{}").unwrap();
    ends.push(out.len());
    (out, ends)
}

fn bodies(number: u64, bytes: &[u8]) -> Vec<Vec<u8>> {
    Frames::new(number, bytes).map(|frame| frame.body.to_vec()).collect()
}

const SAID: [&[u8]; 3] = [b"{\"a\":1}", b"{}", b"{\"b\":[1,2,3],\"c\":\"a longer one\"}"];

#[test]
fn what_was_written_is_read_back() {
    let (bytes, ends) = segment(3, &SAID);
    let mut frames = Frames::new(3, &bytes);
    let found: Vec<Frame<'_>> = frames.by_ref().collect();
    assert_eq!((found.len(), frames.intact_until(), frames.spoiled()), (5, bytes.len(), 0));
    assert_eq!(ends.last(), Some(&bytes.len()));
    for (number, (frame, said)) in found.iter().zip(SAID).enumerate() {
        assert_eq!(frame.body, said);
        assert_eq!(frame.digest, digest(said));
        let Head::Document { home, received_at, rows } = &frame.head else { panic!("{:?}", frame.head) };
        assert_eq!((home.symbol.as_str(), home.date.to_string().as_str()), ("SPY", "2025-01-15"));
        assert_eq!(received_at.timestamp_micros(), 1_736_969_521_000_123, "by `date -d 2025-01-15T19:32:01Z +%s`");
        assert_eq!(*rows, number as u64);
    }
    assert!(matches!(&found[3].head, Head::Refused { note, .. } if note.code == "not_json"));
    assert!(matches!(&found[4].head, Head::Answered { id, .. } if *id == [7; 32]));
}

#[test]
fn torn_anywhere_the_whole_records_before_it_are_there() {
    let (bytes, ends) = segment(3, &SAID);
    for cut in 0..bytes.len() {
        let mut frames = Frames::new(3, &bytes[..cut]);
        let whole = ends.iter().filter(|end| **end <= cut).count();
        assert_eq!(frames.by_ref().count(), whole, "cut at {cut}");
        assert_eq!(frames.intact_until(), if whole == 0 { 0 } else { ends[whole - 1] }, "cut at {cut}");
        assert_eq!(frames.spoiled(), 0, "cut at {cut}");
    }
}

#[test]
fn a_spoiled_bit_costs_its_own_record_alone() {
    let (bytes, ends) = segment(3, &SAID);
    for bit in 0..bytes.len() * 8 {
        let mut spoiled = bytes.clone();
        spoiled[bit / 8] ^= 1 << (bit % 8);
        let hit = ends.iter().position(|end| bit / 8 < *end).unwrap();
        let mut expected: Vec<Vec<u8>> = bodies(3, &bytes);
        expected.remove(hit);
        let mut frames = Frames::new(3, &spoiled);
        let found: Vec<Vec<u8>> = frames.by_ref().map(|frame| frame.body.to_vec()).collect();
        assert_eq!(found, expected, "bit {bit}");
        assert_eq!(
            frames.spoiled() > 0,
            hit + 1 < ends.len(),
            "bit {bit}: damage in the middle is told from a torn end"
        );
    }
}

#[test]
fn a_frame_is_one_only_where_it_was_written() {
    let (bytes, ends) = segment(3, &SAID);
    assert!(bodies(4, &bytes).is_empty(), "another segment");
    assert!(bodies(3, &bytes[ends[0]..]).is_empty(), "another place");
    // A document that holds a frame, torn: what it holds is not taken for a record.
    let (outer, _) = segment(3, &[&bytes]);
    assert!(bodies(3, &outer[..outer.len() - 400]).len() <= 1);
    let torn = &outer[..PREFIX + 300];
    assert!(bodies(3, torn).is_empty());
}

proptest! {
    #[test]
    fn any_garbage_behind_whole_records_changes_nothing(
        said in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 0..6),
        garbage in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let said: Vec<&[u8]> = said.iter().map(Vec::as_slice).collect();
        let (mut bytes, _) = segment(9, &said);
        let whole = bodies(9, &bytes);
        let length = bytes.len();
        bytes.extend_from_slice(&garbage);
        let mut frames = Frames::new(9, &bytes);
        let found: Vec<Vec<u8>> = frames.by_ref().map(|frame| frame.body.to_vec()).collect();
        prop_assert_eq!(found, whole);
        prop_assert_eq!(frames.intact_until(), length);
    }
}
