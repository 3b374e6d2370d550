//! A capture being written: compressed to a temporary file while its id is worked out. Used by the writer only.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use super::DocumentDigest;
use super::identity::Identity;
use super::line::{Note, print_document, print_note};
use crate::{Error, Result};
use chrono::{DateTime, Utc};

/// Raw captures compress well at the default level; higher ones slow ingest for a few percent.
const ZSTD_LEVEL: i32 = 3;

/// One capture on its way. The encoder may be put aside (`rest`) and taken up again: zstd frames concatenate.
pub struct Spill {
    path: PathBuf,
    encoder: Option<zstd::Encoder<'static, File>>,
    digests: BufWriter<File>,
    digests_path: PathBuf,
    identity: Identity,
    line: Vec<u8>,
    pub documents: u64,
    pub rows: u64,
    /// When it was last written to, in appends of the whole writer: the least recent encoder rests first.
    pub touched: u64,
}

/// A capture ready to be stored.
pub struct Finished {
    pub path: PathBuf,
    pub id: String,
    /// What each document hashes to, with its rows, in order.
    pub digests: Vec<(DocumentDigest, u64)>,
}

impl Spill {
    pub fn create(folder: &Path, name: &str) -> Result<Self> {
        let path = folder.join(format!("{name}.zst"));
        let digests_path = folder.join(format!("{name}.digests"));
        let digests = BufWriter::new(File::create(&digests_path).map_err(io)?);
        File::create(&path).map_err(io)?;
        Ok(Self {
            path,
            encoder: None,
            digests,
            digests_path,
            identity: Identity::default(),
            line: Vec::new(),
            documents: 0,
            rows: 0,
            touched: 0,
        })
    }

    pub fn is_open(&self) -> bool {
        self.encoder.is_some()
    }

    /// The id it would have if it ended here.
    pub fn id(&self) -> String {
        self.identity.id()
    }

    pub fn document(&mut self, received_at: DateTime<Utc>, document: &[u8], rows: u64) -> Result<()> {
        let digest = self.identity.document(document);
        self.digests.write_all(&digest[..16]).map_err(io)?;
        self.digests.write_all(&rows.to_le_bytes()).map_err(io)?;
        self.documents += 1;
        self.rows += rows;
        self.line.clear();
        print_document(received_at, document, &mut self.line);
        self.write_line()
    }

    pub fn note(&mut self, received_at: DateTime<Utc>, note: &Note) -> Result<()> {
        self.identity.refused(note);
        self.line.clear();
        print_note(received_at, note, &mut self.line)?;
        self.write_line()
    }

    fn write_line(&mut self) -> Result<()> {
        if self.encoder.is_none() {
            let file = OpenOptions::new().append(true).open(&self.path).map_err(io)?;
            let mut encoder = zstd::Encoder::new(file, ZSTD_LEVEL).map_err(io)?;
            // The id covers what was said; this covers every byte, times of receipt too.
            encoder.include_checksum(true).map_err(io)?;
            self.encoder = Some(encoder);
        }
        match &mut self.encoder {
            Some(encoder) => encoder.write_all(&self.line).map_err(io),
            None => Ok(()),
        }
    }

    /// Ends the current frame and frees the encoder's memory.
    pub fn rest(&mut self) -> Result<()> {
        if let Some(encoder) = self.encoder.take() {
            encoder.finish().map_err(io)?;
        }
        Ok(())
    }

    /// Ends the capture: its file, its id, and what each document hashes to with its rows.
    pub fn finish(mut self) -> Result<Finished> {
        self.rest()?;
        self.digests.flush().map_err(io)?;
        let mut bytes = Vec::new();
        File::open(&self.digests_path).and_then(|mut file| file.read_to_end(&mut bytes)).map_err(io)?;
        let digests = bytes
            .chunks_exact(24)
            .map(|entry| {
                let mut digest = [0; 16];
                digest.copy_from_slice(&entry[..16]);
                let mut rows = [0; 8];
                rows.copy_from_slice(&entry[16..]);
                (digest, u64::from_le_bytes(rows))
            })
            .collect();
        let id = self.id();
        Ok(Finished { path: self.path, id, digests })
    }
}

pub fn io(error: std::io::Error) -> Error {
    Error::unavailable(format!("the temporary folder cannot be used ({error}); check space and rights, or set TMPDIR"))
        .caused_by(error)
}
