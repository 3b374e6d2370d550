//! What must be true of an answer's body for its time to count: it says how many rows it holds, and ends as a whole one does.

use memchr::memchr_iter;

use super::client::Sink;
use crate::{Error, Result};

/// Bytes kept of a body's end: more than the `count` member takes.
const KEPT: usize = 64;
/// What an Arrow stream ends with, by the specification of its IPC format: a continuation mark and a length of 0.
const ARROW_END: [u8; 8] = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];

/// Remembers the end of a body.
#[derive(Debug, Clone)]
pub struct End {
    bytes: [u8; KEPT],
    length: usize,
}

impl End {
    pub fn new() -> Self {
        Self { bytes: [0; KEPT], length: 0 }
    }

    /// The number that a JSON list ends with, `],"count":390}`.
    ///
    /// # Errors
    /// `Corrupt` when it does not end like that.
    pub fn count(&self) -> Result<u64> {
        let text = String::from_utf8_lossy(self.kept()).into_owned();
        let number = text.trim_end().strip_suffix('}').and_then(|text| text.rsplit_once("],\"count\":"));
        number
            .and_then(|(_, number)| number.parse().ok())
            .ok_or_else(|| Error::corrupt(format!("an answer ends with {text:?} instead of its count")))
    }

    /// Whether an Arrow stream came to its end.
    pub fn is_arrow_end(&self) -> bool {
        self.kept().ends_with(&ARROW_END)
    }

    fn kept(&self) -> &[u8] {
        &self.bytes[KEPT - self.length..]
    }
}

impl Sink for End {
    fn take(&mut self, piece: &[u8]) {
        let taken = &piece[piece.len().saturating_sub(KEPT)..];
        self.bytes.copy_within(taken.len().., 0);
        self.bytes[KEPT - taken.len()..].copy_from_slice(taken);
        self.length = (self.length + taken.len()).min(KEPT);
    }
}

/// Counts the objects of a body as well, for the answer that is looked at before those that are timed.
#[derive(Debug)]
pub struct Objects {
    pub end: End,
    pub opened: u64,
}

impl Objects {
    pub fn new() -> Self {
        Self { end: End::new(), opened: 0 }
    }
}

impl Sink for Objects {
    fn take(&mut self, piece: &[u8]) {
        self.opened += memchr_iter(b'{', piece).count() as u64;
        self.end.take(piece);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = "{\"symbol\":\"SPY\",\"data\":[{\"strike\":580.0,\"gamma_exposure\":-52000000},\n\
                        {\"strike\":581.0,\"gamma_exposure\":1}],\"count\":2}\n";

    #[test]
    fn the_count_is_found_however_the_body_is_cut() {
        for piece in 1..BODY.len() {
            let mut objects = Objects::new();
            BODY.as_bytes().chunks(piece).for_each(|piece| objects.take(piece));
            assert_eq!((objects.end.count().unwrap(), objects.opened), (2, 3), "in pieces of {piece}");
        }
    }

    #[test]
    fn a_body_that_broke_off_has_no_count() {
        for length in 0..BODY.len() - 2 {
            let mut end = End::new();
            end.take(&BODY.as_bytes()[..length]);
            assert!(end.count().is_err(), "after {length} bytes");
        }
    }

    #[test]
    fn the_end_of_an_arrow_stream() {
        let mut end = End::new();
        end.take(&[1; 100]);
        assert!(!end.is_arrow_end());
        end.take(&[0xff, 0xff, 0xff]);
        end.take(&[0xff, 0, 0, 0, 0]);
        assert!(end.is_arrow_end());
    }
}
