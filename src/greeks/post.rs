//! One posted body to documents for the spool: any shape and packing that `ingest` reads, within bounds. Called by the
//! capture route, on a blocking thread; all of a body is read before anything of it is handed on.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use bytes::{Buf, Bytes};
use chrono::{DateTime, Utc};

use super::ingest::{Take, collect, decompress};
use super::record::GREEKS;
use crate::lake::journal::{Note, digest};
use crate::lake::spool::{Document, Home, Post, Refused, Room};
use crate::market::{Clock, Instruments, Symbol, TradingDate};
use crate::{Error, Result};

/// The largest body, as sent.
pub const BODY_BYTES: usize = 32 << 20;
/// The largest body, unpacked.
pub const PLAIN_BYTES: u64 = 256 << 20;
/// A refused document is kept up to this size.
const REFUSED_TEXT_BYTES: usize = 1 << 20;

/// Why a body is not read.
#[derive(Debug)]
pub enum Unread {
    /// It has more than [`PLAIN_BYTES`] when unpacked.
    TooLarge,
    /// There is no memory for it now.
    Busy,
    /// It cannot be read at all.
    Invalid(Error),
}

/// Reads a body. `room` grows with what is unpacked.
///
/// # Errors
/// See [`Unread`]; what single documents lack is among the post's refused instead.
pub fn read(body: Bytes, instruments: &Instruments, clock: &dyn Clock, room: &mut Room) -> Result<Post, Unread> {
    let stop = Arc::new(AtomicU8::new(GOING));
    let mut taken = Taken { dataset: GREEKS.into(), post: Post::default() };
    let read = decompress(Box::new(body.reader())).and_then(|plain| {
        let bounded = Bounded { plain, bytes: 0, room, stop: Arc::clone(&stop) };
        collect(bounded, instruments, clock, &|_| {}, &mut taken)
    });
    match (stop.load(Ordering::Relaxed), read) {
        (TOO_LARGE, _) => Err(Unread::TooLarge),
        (BUSY, _) => Err(Unread::Busy),
        (_, Err(error)) => Err(Unread::Invalid(error)),
        (_, Ok(())) => Ok(taken.settled()),
    }
}

const GOING: u8 = 0;
const TOO_LARGE: u8 = 1;
const BUSY: u8 = 2;

/// Stops the reading when there is too much of it.
struct Bounded<'a> {
    plain: Box<dyn Read + Send>,
    bytes: u64,
    room: &'a mut Room,
    stop: Arc<AtomicU8>,
}

impl Read for Bounded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.plain.read(buffer)?;
        self.bytes += read as u64;
        let why = if self.bytes > PLAIN_BYTES {
            TOO_LARGE
        } else if !self.room.grow_to(self.bytes) {
            BUSY
        } else {
            return Ok(read);
        };
        self.stop.store(why, Ordering::Relaxed);
        Err(std::io::Error::other("more than may be read"))
    }
}

struct Taken {
    dataset: Arc<str>,
    post: Post,
}

impl Taken {
    /// What was refused before any document of the body belongs to the first one's day; without a document, to none.
    fn settled(mut self) -> Post {
        let first = self.post.documents.first().map(|document| (document.home.symbol.clone(), document.home.date));
        for refused in self.post.refused.iter_mut().filter(|refused| refused.home.is_none()) {
            refused.home.clone_from(&first);
        }
        self.post
    }
}

impl Take for Taken {
    fn document(
        &mut self,
        symbol: &Symbol,
        date: TradingDate,
        received_at: DateTime<Utc>,
        document: &[u8],
        rows: u64,
    ) -> Result<()> {
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
        let said = home.map(|(symbol, date)| (symbol.clone(), date));
        let before = || self.post.documents.last().map(|last| (last.home.symbol.clone(), last.home.date));
        self.post.refused.push(Refused {
            dataset: Arc::clone(&self.dataset),
            home: said.or_else(before),
            received_at,
            note,
            text: text[..text.len().min(REFUSED_TEXT_BYTES)].to_vec(),
        });
        Ok(())
    }
}
