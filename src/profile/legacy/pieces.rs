//! Finds the records in a text, however they are wrapped: one object, a list, one object a line, objects keyed by date or symbol,
//! `{"data":[…]}`. Everything that stands where a record should is one piece, good or bad, so that nothing is lost. Pure.

use std::ops::Range;

use jsonc_parser::ast::Value;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

use super::code::{Code, Finding};
use super::field::Field;
use super::outline::{Child, End, children, end, skip_blank};
use super::read::{self, Read};
use super::value::shown;

/// Wrappers deeper than this are none.
const DEPTH: usize = 24;
/// How much is looked through again behind what is broken: so many lengths of the text, and so many bytes.
const SECOND_LOOKS: usize = 8;
const SECOND_LOOK_BYTES: usize = 256 << 20;
/// Fields of a session that tell an object among others; a period has two.
const TELLING: usize = 3;

/// What stands around a record: keys from the outside in, and what a wrapper says for all that is in it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Around {
    pub keys: Vec<String>,
    pub symbol: Option<String>,
    pub date: Option<String>,
    pub session: Option<String>,
}

/// One record, or what stands in the place of one.
#[derive(Debug, Clone)]
pub struct Piece {
    /// In the text.
    pub range: Range<usize>,
    pub around: Around,
    pub content: Content,
}

#[derive(Debug, Clone)]
pub enum Content {
    Record(Box<Read>),
    Bad(Finding),
}

/// All pieces of a text in their order; at least one.
pub fn pieces(text: &str) -> Vec<Piece> {
    let mut finder =
        Finder { text, pieces: Vec::new(), looks_left: SECOND_LOOKS * text.len() + SECOND_LOOK_BYTES, counted: (0, 1) };
    finder.top();
    finder.pieces
}

struct Finder<'t> {
    text: &'t str,
    pieces: Vec<Piece>,
    looks_left: usize,
    /// A place, and the line that it is in.
    counted: (usize, usize),
}

impl<'t> Finder<'t> {
    /// Values one behind the other, with commas between them or none.
    fn top(&mut self) {
        let bytes = self.text.as_bytes();
        let mut at = 0;
        loop {
            at = skip_blank(self.text, at);
            while bytes.get(at) == Some(&b',') {
                at = skip_blank(self.text, at + 1);
            }
            if at >= bytes.len() {
                break;
            }
            at = match end(self.text, at) {
                End::At(end) if matches!(bytes[at], b'{' | b'[') => {
                    self.value(at..end, &Around::default(), 0, true);
                    end
                }
                End::At(end) => {
                    self.bad(at..end, &Around::default(), Code::NotARecord, shown(&self.text[at..end]));
                    end
                }
                fault => self.salvage(at, bytes.len(), fault, &Around::default(), 0),
            };
        }
        if self.pieces.is_empty() {
            let range = 0..self.text.len();
            let blank = self.text.trim().is_empty();
            let (code, evidence) =
                if blank { (Code::EmptyFile, String::new()) } else { (Code::NoRecord, shown(self.text)) };
            self.bad(range, &Around::default(), code, evidence);
        }
    }

    /// A whole value. `expected` when a record should stand here, so that anything else is a finding.
    fn value(&mut self, range: Range<usize>, around: &Around, depth: usize, expected: bool) {
        let inside = children(self.text, range.start, range.end);
        if depth > DEPTH {
            return self.bad(range, around, Code::NotJson, format!("brackets nested deeper than {DEPTH}"));
        }
        if self.text.as_bytes()[range.start] == b'[' {
            return self.list(range, &inside.whole, inside.broken.map(|(_, at)| at), around, depth, expected);
        }
        let fields: Vec<Option<Field>> = inside.whole.iter().map(|child| child.key.and_then(Field::named)).collect();
        let contents = fields.iter().flatten().filter(|field| field.is_content()).count();
        let is_container = |child: &Child<'_>| matches!(self.text.as_bytes()[child.range.start], b'{' | b'[');
        let wraps =
            inside.whole.iter().zip(&fields).any(|(child, field)| is_container(child) && field.is_none_or(may_wrap));
        let telling = if expected { 2 } else { TELLING };
        let names_one = fields.iter().flatten().any(|field| expected || !field.is_content());
        if contents >= telling || inside.broken.is_some() || (!wraps && names_one) {
            return self.record(range, around);
        }
        let before = self.pieces.len();
        if wraps {
            self.wrapper(&inside.whole, around, depth);
        }
        if expected && self.pieces.len() == before {
            let code = if depth == 0 && around.keys.is_empty() { Code::NoRecord } else { Code::NotARecord };
            self.bad(range.clone(), around, code, shown(&self.text[range]));
        }
    }

    fn list(
        &mut self,
        range: Range<usize>,
        whole: &[Child<'t>],
        broken: Option<usize>,
        around: &Around,
        depth: usize,
        expected: bool,
    ) {
        let is_container = |child: &Child<'_>| matches!(self.text.as_bytes()[child.range.start], b'{' | b'[');
        if !expected && broken.is_none() && !whole.iter().any(is_container) {
            // A list of names or numbers beside the records.
            return;
        }
        for child in whole {
            if is_container(child) {
                self.value(child.range.clone(), around, depth + 1, true);
            } else {
                self.bad(child.range.clone(), around, Code::NotARecord, shown(&self.text[child.range.clone()]));
            }
        }
        if let Some(at) = broken {
            let mut at = at;
            while at < range.end {
                at = self.salvage(at, range.end, End::Broken(at), around, depth + 1);
            }
        }
    }

    /// An object around records: what it says itself holds for all of them.
    fn wrapper(&mut self, children: &[Child<'t>], around: &Around, depth: usize) {
        let mut inner = around.clone();
        for child in children {
            let scalar = || Some(self.text[child.range.clone()].trim_matches(['"', '\'']).to_owned());
            if matches!(self.text.as_bytes()[child.range.start], b'{' | b'[') {
                continue;
            }
            match child.key.and_then(Field::named) {
                Some(Field::Symbol) => inner.symbol = scalar(),
                Some(Field::Date) => inner.date = scalar(),
                Some(Field::Session) => inner.session = scalar(),
                _ => {}
            }
        }
        for child in children {
            let key = child.key.unwrap_or_default();
            let named = super::date_spelling::date(key).is_some();
            if matches!(self.text.as_bytes()[child.range.start], b'{' | b'[') {
                inner.keys.push(key.to_owned());
                self.value(child.range.clone(), &inner, depth + 1, named);
                inner.keys.pop();
            } else if named {
                inner.keys.push(key.to_owned());
                self.bad(child.range.clone(), &inner, Code::NotARecord, shown(&self.text[child.range.clone()]));
                inner.keys.pop();
            }
        }
    }

    fn record(&mut self, range: Range<usize>, around: &Around) {
        let text = &self.text[range.clone()];
        let content = match parse(text) {
            Ok(read) => Content::Record(Box::new(read)),
            Err((line, why)) => {
                let line = line - 1 + self.line(range.start);
                Content::Bad(Finding::new(Code::NotJson, "", format!("line {line}: {why}")))
            }
        };
        self.pieces.push(Piece { range, around: around.clone(), content });
    }

    /// What begins at `at` has no end, or is no value: takes out of it what is whole and gives where to go on.
    fn salvage(&mut self, at: usize, limit: usize, fault: End, around: &Around, depth: usize) -> usize {
        let bytes = self.text.as_bytes();
        let next = self.next_start(at, limit);
        let container = matches!(bytes.get(at), Some(b'{' | b'['));
        if container && depth <= DEPTH {
            let inside = children(self.text, at, limit);
            let looks_like_record =
                bytes[at] == b'{' && inside.whole.iter().filter_map(|child| Field::named(child.key?)).count() >= 2;
            let has_containers = inside.whole.iter().any(|child| matches!(bytes[child.range.start], b'{' | b'['));
            // Without a key it is no child of an object.
            let broken_inside = inside.broken.is_some_and(|(key, broken)| {
                (bytes[at] == b'[' || key.is_some())
                    && broken > at + 1
                    && matches!(bytes.get(broken), Some(b'{' | b'['))
            });
            if !looks_like_record && (has_containers || broken_inside) {
                return self.salvage_children(at, limit, around, depth);
            }
        }
        let end = next.unwrap_or(limit);
        let line = self.line(at);
        let (code, evidence) = match fault {
            End::Cut => (Code::Truncated, format!("line {line}: no end to what begins here")),
            End::Broken(at) if at >= end => (Code::Truncated, format!("line {line}: no end to what begins here")),
            End::Broken(at) => {
                (Code::NotJson, format!("line {}: {}", self.line(at), shown(self.around_fault(at, end))))
            }
            End::At(_) => (Code::NotJson, format!("line {line}: {}", shown(&self.text[at..end]))),
        };
        self.bad(at..end, around, code, evidence);
        end
    }

    /// A wrapper or a list that is not whole: its whole children count, then what is left.
    fn salvage_children(&mut self, at: usize, limit: usize, around: &Around, depth: usize) -> usize {
        let inside = children(self.text, at, limit);
        let broken = inside.broken;
        if self.text.as_bytes()[at] == b'[' {
            for child in &inside.whole {
                self.value_or_bad(child.range.clone(), around, depth + 1);
            }
        } else {
            self.wrapper(&inside.whole, around, depth);
        }
        let last = inside.whole.last().map_or(at + 1, |child| child.range.end);
        match broken {
            Some((key, from)) => {
                let mut inner = around.clone();
                inner.keys.extend(key.map(str::to_owned));
                let from = from.max(last).min(limit);
                if from >= limit || self.text[from..limit].trim().is_empty() {
                    // The closing bracket alone is missing.
                    if self.pieces.is_empty() {
                        let evidence = format!("line {}: no end to what begins here", self.line(at));
                        self.bad(at..limit, around, Code::Truncated, evidence);
                    }
                    return limit;
                }
                match end(self.text, from) {
                    End::At(end) if end <= limit && matches!(self.text.as_bytes()[from], b'{' | b'[') => {
                        self.value(from..end, &inner, depth + 1, true);
                        end
                    }
                    fault => self.salvage(from, limit, fault, &inner, depth + 1),
                }
            }
            // Its bracket closed what was not open: go on behind it.
            None => last + 1,
        }
        .max(at + 1)
    }

    fn value_or_bad(&mut self, range: Range<usize>, around: &Around, depth: usize) {
        if matches!(self.text.as_bytes()[range.start], b'{' | b'[') {
            self.value(range, around, depth, true);
        } else {
            let evidence = shown(&self.text[range.clone()]);
            self.bad(range, around, Code::NotARecord, evidence);
        }
    }

    /// The next line behind `at` that begins with an object that is whole and has a session's fields.
    fn next_start(&mut self, at: usize, limit: usize) -> Option<usize> {
        let bytes = self.text.as_bytes();
        let mut from = at + 1;
        while let Some(line) = memchr::memchr(b'\n', bytes.get(from..limit)?) {
            from += line + 1;
            let start =
                from + bytes[from..limit].iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r')).count();
            if bytes.get(start) != Some(&b'{') || start >= limit {
                continue;
            }
            let End::At(end) = end(self.text, start) else {
                self.looks_left = self.looks_left.saturating_sub(limit - start);
                if self.looks_left == 0 {
                    return None;
                }
                continue;
            };
            self.looks_left = self.looks_left.saturating_sub(end - start);
            if self.looks_left == 0 {
                return None;
            }
            let inside = children(self.text, start, end);
            let fields: Vec<Field> = inside.whole.iter().filter_map(|child| Field::named(child.key?)).collect();
            let is_named = fields.iter().any(|field| matches!(field, Field::Symbol | Field::Date));
            if fields.len() > TELLING || (is_named && fields.len() >= 2) {
                return Some(start);
            }
        }
        None
    }

    fn bad(&mut self, range: Range<usize>, around: &Around, code: Code, evidence: String) {
        self.pieces.push(Piece {
            range,
            around: around.clone(),
            content: Content::Bad(Finding::new(code, "", evidence)),
        });
    }

    /// The line of a place, from 1. Places mostly come in their order.
    fn line(&mut self, at: usize) -> usize {
        let at = at.min(self.text.len());
        let (from, line) = if at >= self.counted.0 { self.counted } else { (0, 1) };
        let newlines = memchr::memchr_iter(b'\n', &self.text.as_bytes()[from..at]).count();
        self.counted = (at, line + newlines);
        self.counted.1
    }

    fn around_fault(&self, at: usize, end: usize) -> &'t str {
        let end = (at + 60).min(end);
        let end = (at..=end).rev().find(|end| self.text.is_char_boundary(*end)).unwrap_or(at);
        self.text.get(at..end).unwrap_or_default()
    }
}

/// Fields whose names a wrapper may use for its records.
fn may_wrap(field: Field) -> bool {
    matches!(field, Field::Session | Field::Date | Field::Symbol)
}

/// Reads one object; fails with the line in it, from 1, and why.
fn parse(text: &str) -> Result<Read, (usize, String)> {
    let collect = CollectOptions::default();
    let strict = ParseOptions {
        allow_comments: false,
        allow_loose_object_property_names: false,
        allow_trailing_commas: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    };
    let read = |parsed: Option<Value<'_>>| match parsed {
        Some(Value::Object(object)) => Ok(read::read(&object, text)),
        _ => Err((1, "no object".to_owned())),
    };
    if let Ok(parsed) = parse_to_ast(text, &collect, &strict) {
        return read(parsed.value);
    }
    let parsed = parse_to_ast(text, &collect, &ParseOptions::default())
        .map_err(|error| (error.line_display(), error.kind().to_string()))?;
    let mut read = read(parsed.value)?;
    let without = |options: ParseOptions| parse_to_ast(text, &collect, &options).is_err();
    let lenient = ParseOptions::default;
    if without(ParseOptions { allow_comments: false, ..lenient() }) {
        read.findings.push(Finding::new(Code::Comments, "", ""));
    }
    if without(ParseOptions { allow_trailing_commas: false, ..lenient() }) {
        read.findings.push(Finding::new(Code::TrailingComma, "", ""));
    }
    if without(ParseOptions { allow_comments: true, allow_trailing_commas: true, ..strict }) {
        read.findings.push(Finding::new(Code::LooseJson, "", ""));
    }
    Ok(read)
}

#[cfg(test)]
mod tests;
