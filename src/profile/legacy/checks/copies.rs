//! Other copies of the same session in the archive.

use super::super::code::{Code, Finding};
use super::super::survey::OfArchive;
use super::Subject;

pub(super) fn check(subject: &Subject<'_>, archive: &OfArchive, findings: &mut Vec<Finding>) {
    if let Some(first) = &archive.same_as {
        findings.push(Finding::new(Code::DuplicateIdentical, "", format!("the same as {first}")));
    }
    if let Some((other, fields)) = &archive.conflicts_with {
        let here = fields.iter().map(|field| format!("{} {}", field.name(), subject.record.shown(*field)));
        let evidence = format!("{other} has others; here {}", here.collect::<Vec<_>>().join(", "));
        findings.push(Finding::new(Code::DuplicateConflict, "", evidence));
    }
}
