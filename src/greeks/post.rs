//! One posted body to documents for the spool: any shape and packing that `ingest` reads, within bounds. Called by the
//! capture route, on a blocking thread; all of a body is read before anything of it is handed on.

use std::cell::RefCell;
use std::collections::HashSet;
use std::io::Read;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use chrono::{DateTime, Utc};

use super::ingest::{Take, collect};
use super::record::GREEKS;
use crate::lake::journal::{Note, decompress, digest};
use crate::lake::spool::{Document, Home, Post, Refused, Room};
use crate::market::{Clock, Instruments, Symbol, TradingDate};
use crate::{Error, Result};

/// The largest body, as sent.
pub const BODY_BYTES: usize = 32 << 20;
/// The largest body, unpacked.
pub const PLAIN_BYTES: u64 = 256 << 20;
/// A refused document is kept up to this size.
const REFUSED_TEXT_BYTES: usize = 1 << 20;

/// Refusals of one post; nothing is taken of one that has more.
pub const MOST_REFUSED: usize = 10_000;
/// Days of one post, each symbol's by itself.
pub const MOST_HOMES: usize = 1_000;
/// Memory for what is read of one body, with what each document costs beyond its text.
pub const KEPT_BYTES: u64 = 320 << 20;
const EACH_DOCUMENT: u64 = 256;
const EACH_REFUSED: u64 = 1 << 10;

/// Why a body is not read.
#[derive(Debug)]
pub enum Unread {
    /// It has more than [`PLAIN_BYTES`] when unpacked.
    TooLarge,
    /// What is in it takes more than [`KEPT_BYTES`].
    TooManyDocuments,
    /// It is of more than [`MOST_HOMES`].
    TooManyHomes,
    /// More than [`MOST_REFUSED`] were refused; the first one's note.
    TooManyRefused(Box<Note>),
    /// There is no memory for it now.
    Busy,
    /// It cannot be read at all.
    Invalid(Error),
}

/// Reads a body. `room` grows with what is unpacked and kept.
///
/// # Errors
/// See [`Unread`]; what single documents lack is among the post's refused instead.
pub fn read(body: Bytes, instruments: &Instruments, clock: &dyn Clock, room: &mut Room) -> Result<Post, Unread> {
    let meter = RefCell::new(Meter { room, plain: 0, kept: 0, stop: None });
    let mut taken = Taken { dataset: GREEKS.into(), post: Post::default(), homes: HashSet::new(), meter: &meter };
    let read = decompress(Box::new(body.reader())).and_then(|plain| {
        let bounded = Bounded { plain, meter: &meter };
        collect(bounded, instruments, clock, &|_| {}, &mut taken)
    });
    let post = taken.settled();
    match (meter.into_inner().stop, read) {
        (Some(why), _) => Err(why),
        (None, Err(error)) => Err(Unread::Invalid(error)),
        (None, Ok(())) => Ok(post),
    }
}

/// What a body takes, and why it was stopped.
struct Meter<'a> {
    room: &'a mut Room,
    plain: u64,
    kept: u64,
    stop: Option<Unread>,
}

impl Meter<'_> {
    fn read(&mut self, bytes: u64) -> Result<()> {
        self.plain += bytes;
        if self.plain > PLAIN_BYTES { Err(self.stop(Unread::TooLarge)) } else { self.grow() }
    }

    fn keep(&mut self, bytes: u64) -> Result<()> {
        self.kept += bytes;
        if self.kept > KEPT_BYTES { Err(self.stop(Unread::TooManyDocuments)) } else { self.grow() }
    }

    fn grow(&mut self) -> Result<()> {
        if self.room.grow_to(self.plain.max(self.kept)) { Ok(()) } else { Err(self.stop(Unread::Busy)) }
    }

    fn stop(&mut self, why: Unread) -> Error {
        self.stop.get_or_insert(why);
        Error::invalid("more than may be read")
    }
}

/// Stops the reading when there is too much of it.
struct Bounded<'a, 'room> {
    plain: Box<dyn Read + Send>,
    meter: &'a RefCell<Meter<'room>>,
}

impl Read for Bounded<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.plain.read(buffer)?;
        self.meter.borrow_mut().read(read as u64).map_err(std::io::Error::other)?;
        Ok(read)
    }
}

struct Taken<'a, 'room> {
    dataset: Arc<str>,
    post: Post,
    homes: HashSet<(Symbol, TradingDate)>,
    meter: &'a RefCell<Meter<'room>>,
}

impl Taken<'_, '_> {
    /// What was refused before any document of the body belongs to the first one's day; without a document, to none.
    fn settled(mut self) -> Post {
        let first = self.post.documents.first().map(|document| (document.home.symbol.clone(), document.home.date));
        for refused in self.post.refused.iter_mut().filter(|refused| refused.home.is_none()) {
            refused.home.clone_from(&first);
        }
        self.post
    }

    fn visit(&mut self, symbol: &Symbol, date: TradingDate) -> Result<()> {
        self.homes.insert((symbol.clone(), date));
        if self.homes.len() > MOST_HOMES {
            return Err(self.meter.borrow_mut().stop(Unread::TooManyHomes));
        }
        Ok(())
    }
}

impl Take for Taken<'_, '_> {
    fn document(
        &mut self,
        symbol: &Symbol,
        date: TradingDate,
        received_at: DateTime<Utc>,
        document: &[u8],
        rows: u64,
    ) -> Result<()> {
        self.visit(symbol, date)?;
        self.meter.borrow_mut().keep(document.len() as u64 + EACH_DOCUMENT)?;
        self.post.documents.push(Document {
            home: Home { dataset: Arc::clone(&self.dataset), symbol: symbol.clone(), date },
            received_at,
            rows,
            digest: digest(document),
            bytes: document.to_vec(),
        });
        Ok(())
    }

    fn refuse(
        &mut self,
        home: Option<(&Symbol, TradingDate)>,
        received_at: DateTime<Utc>,
        note: Note,
        text: &[u8],
    ) -> Result<()> {
        if self.post.refused.len() == MOST_REFUSED {
            let first = self.post.refused.first().map_or(&note, |first| &first.note);
            return Err(self.meter.borrow_mut().stop(Unread::TooManyRefused(Box::new(first.clone()))));
        }
        if let Some((symbol, date)) = home {
            self.visit(symbol, date)?;
        }
        let text = &text[..text.len().min(REFUSED_TEXT_BYTES)];
        self.meter.borrow_mut().keep(text.len() as u64 + EACH_REFUSED)?;
        let said = home.map(|(symbol, date)| (symbol.clone(), date));
        let before = || self.post.documents.last().map(|last| (last.home.symbol.clone(), last.home.date));
        self.post.refused.push(Refused {
            dataset: Arc::clone(&self.dataset),
            home: said.or_else(before),
            received_at,
            note,
            text: text.to_vec(),
        });
        Ok(())
    }
}

#[cfg(test)]
#[path = "post_tests.rs"]
mod tests;
