//! The spool: a write-ahead log on local disk between a post and its capture. What a server acknowledges is on this disk,
//! synced; what is on this disk gets into the lake, each document once, however often either of them fails.
//!
//! A post travels so: [`Spool::write_down`] hands it to one writing thread (`commit`), which takes all posts that wait into
//! one write and one sync, and answers them after it. Each record is framed and checked (`frame`), segments of them
//! lie in a folder that one process owns (`folder`). From time to time [`Spool::seal`] closes the open segment, turns what is
//! closed into captures by the journal's writer, puts them, and only then removes the segments (`seal`). `known` remembers
//! what captures and segments hold, so that a document said twice is counted and not written again; `answers` remembers
//! posts that came with a key of their own.
//!
//! Knows datasets, symbols and dates, and nothing of what a document says. Called by rooms' capture routes and `server`.

mod answers;
mod backlog;
mod commit;
mod folder;
mod frame;
mod handle;
mod known;
mod seal;

pub use backlog::{Backlog, Tally};
pub use commit::Unwritten;
pub use handle::{Room, Sealed, Spool, SpoolOptions};

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::journal::{Counts, DocumentDigest, Note};
use crate::market::{Symbol, TradingDate};

/// How many reasons a receipt names.
const REASONS: usize = 10;

/// Where a document belongs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Home {
    pub dataset: Arc<str>,
    pub symbol: Symbol,
    pub date: TradingDate,
}

/// A good document on its way.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    pub home: Home,
    pub received_at: DateTime<Utc>,
    pub rows: u64,
    /// Of `bytes`, as the journal works it out.
    pub digest: DocumentDigest,
    /// JSON without line breaks.
    pub bytes: Vec<u8>,
}

/// A refused document, kept with its reason.
#[derive(Debug, Clone, PartialEq)]
pub struct Refused {
    pub dataset: Arc<str>,
    /// Where it is noted, if that day gets a capture of the same seal; without one it is kept and noted nowhere.
    pub home: Option<(Symbol, TradingDate)>,
    pub received_at: DateTime<Utc>,
    pub note: Note,
    pub text: Vec<u8>,
}

/// One request's documents, in order.
#[derive(Debug, Default)]
pub struct Post {
    pub documents: Vec<Document>,
    pub refused: Vec<Refused>,
    /// Given by the client so that a retry is known for one.
    pub key: Option<PostKey>,
}

/// What makes a retry known: whose it is, and what it said then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PostKey {
    /// A sha256 over the client and the key it gave.
    pub id: [u8; 32],
    /// A sha256 over the body.
    pub body: [u8; 32],
}

/// What became of a post: written down, on disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    #[serde(flatten)]
    pub counts: Counts,
    /// Why the first ten of the refused were refused.
    pub reasons: Vec<Note>,
}

impl Post {
    fn receipt(&self) -> Receipt {
        Receipt {
            counts: Counts {
                documents: self.documents.len() as u64,
                refused: self.refused.len() as u64,
                ..Counts::default()
            },
            reasons: self.refused.iter().take(REASONS).map(|refused| refused.note.clone()).collect(),
        }
    }
}
