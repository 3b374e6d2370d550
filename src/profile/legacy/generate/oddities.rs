//! Faults that lie around a record: in its file's name, in a second copy, in a text that is no record at all.

use std::collections::BTreeMap;

use super::faults::{AROUND, closed_near, in_conflict};
use super::random::Draws;
use super::shelves::Shelf;
use super::spelling::{Style, written};
use super::{Archive, Code, Day, Entry, each};
use crate::Result;
use crate::market::TradingDate;

/// Years from a session to one that is not yet.
const FUTURE_YEARS: i32 = 60;

impl Archive<'_> {
    /// A day for each, and files of their own.
    pub(super) fn oddities(&mut self, left: &mut BTreeMap<TradingDate, &Day>, days: usize) -> Result<()> {
        self.taking.file("README.txt", b"Sessions of the old system, one way or another.\n")?;
        self.taking.file(".DS_Store", b"\0\0\0\x01Bud1\0")?;
        for code in AROUND {
            let mut draws = self.draws(code.as_str());
            for turn in 0..each(days) {
                let dates: Vec<TradingDate> = left.keys().copied().collect();
                let date = dates[draws.below(dates.len())];
                if let Some(day) = left.remove(&date) {
                    self.oddity(code, day, turn, &mut draws)?;
                }
            }
        }
        Ok(())
    }

    fn oddity(&mut self, code: Code, day: &Day, turn: usize, draws: &mut Draws) -> Result<()> {
        let symbol = self.symbol().to_owned();
        let date = day.date;
        let usual = Shelf::File.path(&symbol, date);
        let mut entry = Entry::right(date, day.right.clone());
        let record = &mut entry.faulty.record;
        let mut path = usual.clone();
        match code {
            Code::NoSymbol => {
                record.symbol = None;
                path = format!("unsorted/part_{turn}.json");
            }
            Code::NoDate => {
                record.date = None;
                path = format!("unsorted/{symbol}_part_{turn}.json");
            }
            Code::BadDate => {
                entry.faulty.instead = Some((super::super::field::Field::Date, "\"2025-02-30\"".to_owned()));
            }
            Code::ClosedDay => {
                record.date = closed_near(self.instrument, date, &self.elsewhere);
                self.elsewhere.extend(record.date);
                path = record.date.map_or(path, |date| Shelf::File.path(&symbol, date));
            }
            Code::FutureDate => {
                let far = TradingDate::from_ymd(date.year() + FUTURE_YEARS, 3, 1 + turn as u32);
                let mut far = far.map(|far| self.instrument.next_session_date(far));
                while let Some(taken) = far.filter(|far| self.elsewhere.contains(far)) {
                    far = Some(self.instrument.next_session_date(taken));
                }
                record.date = far;
                self.elsewhere.extend(far);
                path = record.date.map_or(path, |date| Shelf::File.path(&symbol, date));
            }
            Code::FileDateDiffers => {
                let other = self.instrument.next_session_date(date);
                path = format!("corrected/{symbol}_{other}_{turn}.json");
            }
            Code::FileSymbolDiffers => {
                let other = if symbol == "ES" { "NQ" } else { "ES" };
                path = Shelf::File.path(other, date);
            }
            Code::DuplicateIdentical | Code::DuplicateConflict => return self.copies(code, entry, draws),
            _ => return self.no_record(code, entry, &usual, turn),
        }
        entry.planted.push(code);
        let bytes = text(&entry, &Style::draw(draws));
        self.put(&path, bytes.as_bytes(), &[entry])
    }

    /// The same session twice; the copy stands in a folder that sorts behind.
    fn copies(&mut self, code: Code, first: Entry, draws: &mut Draws) -> Result<()> {
        let symbol = self.symbol().to_owned();
        let mut first = first;
        let mut second = first.clone();
        second.planted.push(code);
        if code == Code::DuplicateConflict {
            first.planted.push(code);
            second.faulty.record = in_conflict(&first.faulty.record);
            second.with_bars.clear();
        }
        let name = Shelf::File.path(&symbol, first.date);
        let bytes = text(&first, &Style::draw(draws));
        self.put(&format!("a/{name}"), bytes.as_bytes(), &[first])?;
        let bytes = text(&second, &Style::draw(draws));
        self.put(&format!("backup/{name}"), bytes.as_bytes(), &[second])
    }

    /// A file without a record that can be read.
    fn no_record(&mut self, code: Code, mut entry: Entry, path: &str, turn: usize) -> Result<()> {
        let whole = text(&entry, &Style::PLAIN);
        let bytes: Vec<u8> = match code {
            Code::Truncated => whole.as_bytes()[..whole.len() * (turn % 3 + 1) / 4].to_vec(),
            Code::NotJson => whole.replacen(": ", if turn.is_multiple_of(2) { " = " } else { ": ]" }, 3).into_bytes(),
            Code::EmptyFile => [b"".as_slice(), b"\n"][turn % 2].to_vec(),
            Code::NotText => whole.bytes().map(|byte| if byte == b' ' { 0 } else { byte }).collect(),
            Code::NoRecord => {
                [b"{}\n".as_slice(), b"[]\n", b"{\"version\": 3, \"generated\": \"by hand\"}\n"][turn % 3].to_vec()
            }
            Code::NotARecord => [b"[null]\n".as_slice(), b"[{}]\n", b"[42]\n"][turn % 3].to_vec(),
            Code::FileUnreadable => {
                use std::io::Write;
                let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                let packed = gz.write_all(whole.as_bytes()).and_then(|()| gz.finish()).map_err(super::failed)?;
                packed[..packed.len() / 2].to_vec()
            }
            _ => return Ok(()),
        };
        let path = if code == Code::FileUnreadable { format!("{path}.gz") } else { path.to_owned() };
        entry.planted.push(code);
        self.put(&path, &bytes, &[entry])
    }
}

fn text(entry: &Entry, style: &Style) -> String {
    let instead = entry.faulty.instead.as_ref().map(|(field, raw)| (*field, raw.as_str()));
    written(&entry.faulty.record, style, instead, &entry.faulty.more) + "\n"
}
