//! What a capture's id is made of: what was said and refused, in order, never when it was received. Used by those who write captures
//! and by rooms that look for one they may hold already.

use sha2::{Digest, Sha256};

use super::line::Note;

/// An id in the making.
#[derive(Clone, Default)]
pub struct Identity(Sha256);

impl Identity {
    /// Takes a document; gives what it hashes to.
    pub fn document(&mut self, document: &[u8]) -> [u8; 32] {
        let digest = Sha256::digest(document).into();
        self.0.update(digest);
        digest
    }

    pub fn refused(&mut self, note: &Note) {
        self.0.update(Sha256::digest(format!("refused {} {}", note.code, note.place)));
    }

    /// The id of a capture of what was taken so far.
    pub fn id(&self) -> String {
        hex::encode(&self.0.clone().finalize()[..16])
    }
}
