//! Streams sessions into a writer: blocks of minutes are computed on all cores, one block ahead of the writing, and
//! written in order. Called by [`super::generate`]; memory does not grow with the size of the file.

use std::io::Write;
use std::sync::mpsc::sync_channel;

use rayon::prelude::*;

use super::day::Day;
use super::plan::Plan;
use super::snapshot::{Shape, Snapshot};
use super::truth::Refused;
use crate::{Error, Result};

/// Rows computed at a time: enough for all cores, and a few megabytes of text.
const ROWS_IN_A_BLOCK: usize = 40_000;
/// Blocks that wait to be written.
const BLOCKS_AHEAD: usize = 2;

/// A writer that knows which line it is at.
pub struct LineWriter<'a> {
    out: &'a mut dyn Write,
    lines: u64,
    refused: Vec<Refused>,
}

struct Printed {
    text: Vec<u8>,
    refused: Option<Refused>,
}

impl<'a> LineWriter<'a> {
    pub fn new(out: &'a mut dyn Write) -> Self {
        Self { out, lines: 0, refused: Vec::new() }
    }

    /// Writes one session.
    ///
    /// # Errors
    /// Unavailable when the writer fails; the cause is the `std::io::Error`.
    pub fn write(&mut self, day: &Day, plan: &Plan, shape: Shape) -> Result<()> {
        let rows_a_minute = (day.expirations.len() * day.strikes.len()).max(1);
        let minutes_a_block = (ROWS_IN_A_BLOCK / rows_a_minute).max(1);
        std::thread::scope(|scope| {
            let (sender, receiver) = sync_channel::<Vec<Printed>>(BLOCKS_AHEAD);
            scope.spawn(move || {
                for start in (0..day.minutes).step_by(minutes_a_block) {
                    let end = (start + minutes_a_block).min(day.minutes);
                    let snapshots: Vec<_> = (start..end).flat_map(|minute| plan.of_minute(day, minute)).collect();
                    let block = snapshots
                        .par_iter()
                        .map_init(Vec::new, |rows, snapshot| {
                            let mut text = Vec::with_capacity(day.strikes.len() * 72);
                            snapshot.print(day, shape, rows, &mut text);
                            Printed { text, refused: refused(day, snapshot, shape) }
                        })
                        .collect();
                    // Nobody receives any more once a write has failed.
                    if sender.send(block).is_err() {
                        return;
                    }
                }
            });
            receiver.into_iter().try_for_each(|block| block.into_iter().try_for_each(|printed| self.put(printed)))
        })
    }

    fn put(&mut self, printed: Printed) -> Result<()> {
        self.out.write_all(&printed.text).map_err(not_written)?;
        if let Some(refused) = printed.refused {
            self.refused.push(Refused { line: self.lines + 1, ..refused });
        }
        self.lines += memchr::memchr_iter(b'\n', &printed.text).count() as u64;
        Ok(())
    }

    /// Flushes; gives the number of lines, and those among them that must be refused.
    ///
    /// # Errors
    /// Unavailable when the writer fails.
    pub fn finish(self) -> Result<(u64, Vec<Refused>)> {
        self.out.flush().map_err(not_written)?;
        Ok((self.lines, self.refused))
    }
}

/// A spoilt snapshot as the truth tells it; its line is not known yet.
fn refused(day: &Day, snapshot: &Snapshot, shape: Shape) -> Option<Refused> {
    let spoilt = snapshot.spoilt?;
    let tells_strike = shape == Shape::Flat || spoilt.fault.is_at_a_strike();
    Some(Refused {
        line: 0,
        code: spoilt.fault.code().to_owned(),
        timestamp: day.instant(snapshot.minute),
        date: day.session.date,
        expiration: day.expirations[snapshot.expiration].date,
        strike: tells_strike.then(|| day.strikes[spoilt.strike].price),
    })
}

fn not_written(error: std::io::Error) -> Error {
    Error::unavailable(format!("the generated lines could not be written ({error}): check the space and rights there"))
        .caused_by(error)
}
