//! The way through an archive: looked over once for what only the whole of it can tell, then record by record. Reads the archive
//! and, through [`Recompute`], bars; writes nothing. Files are read in parallel and handed on in their order, so that memory
//! does not grow with the archive but by some bytes a record.

use std::ops::Range;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use rayon::prelude::*;

use super::archive::{Archive, ArchiveFile};
use super::checks::{self, Recompute, Subject};
use super::code::{Code, Finding, Verdict, verdict};
use super::identity::{self, Identity};
use super::path_names;
use super::pieces::{self, Content};
use super::record::LegacyRecord;
use super::survey::Survey;
use super::text::{self, FileText};
use crate::Result;
use crate::market::{Grid, Instruments};

/// Files are taken together up to so many, or so many bytes.
const TOGETHER: usize = 256;
const TOGETHER_BYTES: u64 = 32 << 20;

/// A record as it stands in the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Original {
    /// Relative to the archive's folder.
    pub file: Arc<str>,
    /// Where it begins, from 1.
    pub line: u64,
    /// Which one of its file it is, from 0.
    pub index: u32,
    /// Verbatim; empty when the file could not be read.
    pub text: String,
}

/// A record and what was found.
#[derive(Debug, Clone)]
pub struct Judged {
    pub original: Original,
    /// As far as it could be read.
    pub record: LegacyRecord,
    pub identity: Identity,
    /// The gravest first.
    pub findings: Vec<Finding>,
    pub verdict: Verdict,
    /// Whether a profile made of bars was there to compare it with, and it was.
    pub is_compared: bool,
}

impl Judged {
    pub fn has(&self, code: Code) -> bool {
        self.findings.iter().any(|finding| finding.code == code)
    }
}

/// A record that was read and not judged yet.
pub(super) struct Found {
    pub original: Original,
    pub record: LegacyRecord,
    pub identity: Identity,
    pub findings: Vec<Finding>,
}

/// An archive that was looked over.
#[derive(Debug)]
pub struct Audit {
    archive: Archive,
    instruments: Arc<Instruments>,
    now: DateTime<Utc>,
    survey: Survey,
}

impl Audit {
    /// Looks the archive over; `told` hears the number of files each time some were read.
    pub fn survey(
        archive: Archive,
        instruments: Arc<Instruments>,
        now: DateTime<Utc>,
        told: &(dyn Fn(u64) + Sync),
    ) -> Self {
        let mut survey = Survey::default();
        for files in batches(archive.files()) {
            let first = files.start;
            let found: Vec<_> = archive.files()[files.clone()]
                .par_iter()
                .map(|file| found(file, &instruments, now).map(|found| Survey::entries(&found)))
                .collect();
            for (at, entries) in found.into_iter().enumerate() {
                match entries {
                    Some(entries) => survey.add((first + at) as u32, entries),
                    None => survey.add_other((first + at) as u32),
                }
            }
            told(files.len() as u64);
        }
        survey.settle();
        Self { archive, instruments, now, survey }
    }

    pub fn archive(&self) -> &Archive {
        &self.archive
    }

    pub fn instruments(&self) -> &Arc<Instruments> {
        &self.instruments
    }

    /// Files that are none of the archive: neither JSON nor named like it.
    pub fn other_files(&self) -> impl Iterator<Item = &str> {
        self.survey.other_files().iter().map(|at| self.archive.files()[*at as usize].name.as_str())
    }

    /// Judges every record and hands it on, in the order of files and of records in them. Blocks; `bars` may as well.
    ///
    /// # Errors
    /// Those of `bars` and of `take`; never for what is in the archive.
    pub fn each(
        &self,
        bars: Option<&dyn Recompute>,
        told: &(dyn Fn(u64) + Sync),
        take: &mut dyn FnMut(Judged) -> Result<()>,
    ) -> Result<()> {
        for files in batches(self.archive.files()) {
            let judged: Vec<Result<Vec<Judged>>> =
                files.clone().into_par_iter().map(|at| self.judge_file(at, bars)).collect();
            for judged in judged {
                judged?.into_iter().try_for_each(&mut *take)?;
            }
            told(files.len() as u64);
        }
        Ok(())
    }

    fn judge_file(&self, at: usize, bars: Option<&dyn Recompute>) -> Result<Vec<Judged>> {
        let file = &self.archive.files()[at];
        let found = found(file, &self.instruments, self.now).unwrap_or_else(|| {
            if self.survey.other_files().contains(&(at as u32)) {
                return Vec::new();
            }
            // It had records when the archive was looked over: they are not to be lost without a word.
            let original = Original { file: file.name.as_str().into(), line: 1, index: 0, text: String::new() };
            vec![bad(original, Finding::new(Code::FileUnreadable, "", "it changed while the archive was read"))]
        });
        found.into_iter().map(|found| self.judge(at as u32, found, bars)).collect()
    }

    fn judge(&self, file: u32, found: Found, bars: Option<&dyn Recompute>) -> Result<Judged> {
        let Found { original, record, identity, mut findings } = found;
        let rejected = verdict(&findings) == Verdict::Rejected;
        let mut is_compared = false;
        if let (Some(instrument), Some(session), false) = (&identity.instrument, identity.session, rejected) {
            let subject = Subject::new(&record, instrument, session);
            let place = (file, original.index);
            let archive = self.survey.of(place, &identity, |place| self.place(place));
            is_compared = checks::check(&subject, &archive, bars, &mut findings)?;
        }
        findings.sort_by_key(|finding| (std::cmp::Reverse(finding.severity()), finding.code));
        let verdict = verdict(&findings);
        Ok(Judged { original, record, identity, findings, verdict, is_compared })
    }

    fn place(&self, (file, index): (u32, u32)) -> String {
        format!("{}[{index}]", self.archive.files()[file as usize].name)
    }
}

/// All records of a file; `None` when it is none of the archive.
fn found(file: &ArchiveFile, instruments: &Instruments, now: DateTime<Utc>) -> Option<Vec<Found>> {
    let name: Arc<str> = file.name.as_str().into();
    let text = match text::read(file.path()) {
        FileText::Text(text) => text,
        FileText::Fault(finding) => {
            let original = Original { file: name, line: 1, index: 0, text: String::new() };
            return Some(vec![bad(original, finding)]);
        }
        FileText::Other => return None,
    };
    let path = path_names::names(&file.name);
    let (mut line, mut counted) = (1, 0);
    let mut records = Vec::new();
    for (index, piece) in pieces::pieces(&text).into_iter().enumerate() {
        line += text.as_bytes()[counted..piece.range.start].iter().filter(|byte| **byte == b'\n').count() as u64;
        counted = piece.range.start;
        let original =
            Original { file: name.clone(), line, index: index as u32, text: text[piece.range.clone()].to_owned() };
        records.push(match piece.content {
            Content::Bad(finding) => bad(original, finding),
            Content::Record(mut read) => {
                let (identity, whose) = identity::identify(&read, &piece.around, &path, instruments, now);
                if let Some(instrument) = &identity.instrument {
                    read.record.snap(Grid::of(instrument));
                }
                let mut findings = read.findings;
                findings.extend(whose);
                Found { original, record: read.record, identity, findings }
            }
        });
    }
    Some(records)
}

fn bad(original: Original, finding: Finding) -> Found {
    Found { original, record: LegacyRecord::default(), identity: Identity::default(), findings: vec![finding] }
}

/// Ranges of files to be read together.
fn batches(files: &[ArchiveFile]) -> Vec<Range<usize>> {
    let mut batches = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (at, file) in files.iter().enumerate() {
        bytes += file.bytes;
        if at + 1 - start == TOGETHER || bytes >= TOGETHER_BYTES || at + 1 == files.len() {
            batches.push(start..at + 1);
            (start, bytes) = (at + 1, 0);
        }
    }
    batches
}
