//! Posts that came with a key of their own, and the receipts they got: a retry gets the same one. Bounded. Pure.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::frame::{Framer, Head};
use super::{PostKey, Receipt};
use crate::Result;
use crate::lake::journal::Note;

/// Remembered at once; the oldest goes first. A retry after that is still known by what its documents say.
const MOST: usize = 65_536;
/// What all of them may take: reasons quote what was posted.
const MOST_BYTES: usize = 32 << 20;
const KEPT_FOR: TimeDelta = TimeDelta::hours(24);

#[derive(Debug, Clone)]
struct Given {
    body: [u8; 32],
    at: DateTime<Utc>,
    receipt: Arc<Receipt>,
}

/// The table of receipts.
#[derive(Debug, Default)]
pub struct Answers {
    given: HashMap<[u8; 32], Given>,
    order: VecDeque<([u8; 32], DateTime<Utc>)>,
    bytes: usize,
}

/// What a key means for a post.
#[derive(Debug, Clone, PartialEq)]
pub enum Asked {
    /// Never seen, or long forgotten.
    First,
    /// The same post again.
    Again(Arc<Receipt>),
    /// The key came with another body.
    Reused,
}

impl Answers {
    pub fn asked(&self, key: &PostKey) -> Asked {
        match self.given.get(&key.id) {
            None => Asked::First,
            Some(given) if given.body == key.body => Asked::Again(Arc::clone(&given.receipt)),
            Some(_) => Asked::Reused,
        }
    }

    pub fn give(&mut self, key: &PostKey, at: DateTime<Utc>, receipt: Arc<Receipt>) {
        self.bytes += size(&receipt);
        match self.given.insert(key.id, Given { body: key.body, at, receipt }) {
            None => self.order.push_back((key.id, at)),
            Some(before) => self.bytes -= size(&before.receipt),
        }
        while let Some((id, given_at)) = self.order.front().copied()
            && (self.order.len() > MOST || self.bytes > MOST_BYTES || at - given_at > KEPT_FOR)
        {
            self.order.pop_front();
            self.forget(&id);
        }
    }

    fn forget(&mut self, id: &[u8; 32]) {
        if let Some(given) = self.given.remove(id) {
            self.bytes -= size(&given.receipt);
        }
    }

    /// All of them as frames of segment 0.
    pub fn to_frames(&self) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        for (id, _) in &self.order {
            if let Some(given) = self.given.get(id) {
                let head = Head::Answered { id: *id, body: given.body, at: given.at };
                Framer { segment: 0, start: 0, out: &mut out }.answered(&head, &receipt_json(&given.receipt)?)?;
            }
        }
        Ok(out)
    }
}

/// About what a receipt takes, in memory as in a frame.
fn size(receipt: &Receipt) -> usize {
    let note = |note: &Note| {
        let field = note.field.as_ref().map_or(0, String::len);
        128 + note.code.len() + note.place.len() + field + note.reason.len()
    };
    256 + receipt.reasons.iter().map(note).sum::<usize>()
}

/// The receipt as a frame's body.
pub fn receipt_json(receipt: &Receipt) -> Result<Vec<u8>> {
    serde_json::to_vec(receipt)
        .map_err(|error| crate::Error::internal("a receipt could not be written down").caused_by(error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lake::journal::Counts;

    fn key(id: u8, body: u8) -> PostKey {
        PostKey { id: [id; 32], body: [body; 32] }
    }

    fn receipt(documents: u64) -> Arc<Receipt> {
        Arc::new(Receipt { counts: Counts { documents, ..Counts::default() }, reasons: Vec::new() })
    }

    #[test]
    fn a_key_is_known_by_its_body_for_a_day() {
        let noon: DateTime<Utc> = "2025-01-15T12:00:00Z".parse().unwrap();
        let mut answers = Answers::default();
        assert_eq!(answers.asked(&key(1, 1)), Asked::First);
        answers.give(&key(1, 1), noon, receipt(3));
        assert_eq!(answers.asked(&key(1, 1)), Asked::Again(receipt(3)));
        assert_eq!(answers.asked(&key(1, 2)), Asked::Reused);
        answers.give(&key(2, 2), noon + TimeDelta::hours(24), receipt(4));
        assert_eq!(answers.asked(&key(1, 1)), Asked::Again(receipt(3)));
        answers.give(&key(3, 3), noon + TimeDelta::hours(25), receipt(5));
        assert_eq!(answers.asked(&key(1, 1)), Asked::First);
        assert_eq!(answers.asked(&key(2, 2)), Asked::Again(receipt(4)));
    }

    #[test]
    fn the_oldest_goes_when_there_are_too_many() {
        let noon: DateTime<Utc> = "2025-01-15T12:00:00Z".parse().unwrap();
        let numbered = |number: u32| {
            let mut id = [0; 32];
            id[..4].copy_from_slice(&number.to_le_bytes());
            PostKey { id, body: [0; 32] }
        };
        let mut answers = Answers::default();
        for number in 0..=65_536 {
            answers.give(&numbered(number), noon, receipt(1));
        }
        assert_eq!(answers.asked(&numbered(0)), Asked::First);
        assert_eq!(answers.asked(&numbered(1)), Asked::Again(receipt(1)));
    }

    #[test]
    fn the_oldest_goes_when_they_take_too_much() {
        let noon: DateTime<Utc> = "2025-01-15T12:00:00Z".parse().unwrap();
        let mebibyte = || {
            let note = Note {
                code: "not_json".into(),
                place: "document 1, line 1".into(),
                field: None,
                timestamp: None,
                reason: "x".repeat(1 << 20),
            };
            Arc::new(Receipt { counts: Counts::default(), reasons: vec![note] })
        };
        let mut answers = Answers::default();
        for number in 0..31 {
            answers.give(&key(number, 0), noon, mebibyte());
        }
        answers.give(&key(30, 0), noon, mebibyte());
        assert_eq!(answers.asked(&key(0, 0)), Asked::Again(mebibyte()), "31 MiB, one of them given twice");
        for number in 31..100 {
            answers.give(&key(number, 0), noon, mebibyte());
        }
        assert_eq!(answers.asked(&key(68, 0)), Asked::First);
        assert_eq!(answers.asked(&key(69, 0)), Asked::Again(mebibyte()));
        assert!(answers.to_frames().unwrap().len() <= 32 << 20);
    }
}
