//! One object of the archive to a [`LegacyRecord`], with a finding for everything that was not as it should be written. Pure;
//! whose session it is, and whether the numbers can be, is for others to say.

use std::collections::BTreeMap;

use jsonc_parser::ast::{Object, Value};

use super::code::{Code, Finding};
use super::field::Field;
use super::record::LegacyRecord;
use super::value::{self, Spelled, shown};
use super::{date_spelling, shapes};

/// A record as far as it could be read.
#[derive(Debug, Clone, Default)]
pub struct Read {
    pub record: LegacyRecord,
    pub findings: Vec<Finding>,
    /// A date is there and cannot be read.
    pub bad_date: Option<String>,
}

/// Reads `object`; `text` is what its ranges point into.
pub fn read(object: &Object<'_>, text: &str) -> Read {
    let mut reader = Reader { text, read: Read::default(), notes: BTreeMap::new(), first: BTreeMap::new() };
    for property in &object.properties {
        reader.property(property.name.as_str(), &property.value);
    }
    let mut read = reader.read;
    read.findings.extend(reader.notes.into_iter().map(|(code, evidence)| Finding::new(code, "", evidence.join(", "))));
    read
}

struct Reader<'t> {
    text: &'t str,
    read: Read,
    /// What was read leniently: a finding each, however often it happened.
    notes: BTreeMap<Code, Vec<String>>,
    /// What each field was given first, for the second time.
    first: BTreeMap<Field, String>,
}

impl<'t> Reader<'t> {
    fn property(&mut self, name: &str, value: &Value<'_>) {
        let Some(field) = Field::named(name) else {
            return self.note(Code::UnknownField, shown(name));
        };
        if name != field.name() {
            self.note(Code::FieldSpelling, format!("{} for {}", shown(name), field.name()));
        }
        if value::is_nothing(value) {
            return;
        }
        if let Some(fields) = field.of_group() {
            return self.group(field, fields, value);
        }
        // A group inside of "session": {"high":…,"low":…}.
        if field == Field::Session && value.as_object().is_some() {
            let fields = [Field::SessionHigh, Field::SessionLow];
            return self.group(Field::SessionRange, fields, value);
        }
        self.field(field, value);
    }

    fn field(&mut self, field: Field, value: &Value<'_>) {
        match field {
            Field::Symbol => match value {
                Value::StringLit(text) => {
                    let symbol = text.value.trim().to_owned();
                    if self.is_first(field, &symbol) {
                        self.read.record.symbol = Some(symbol);
                    }
                }
                _ => self.unreadable(field, value),
            },
            Field::Date => self.date(value),
            Field::Session => self.word(field, value, value::session, |record, word| record.session = Some(word)),
            Field::SessionType => {
                self.word(field, value, value::session_type, |record, word| record.session_type = Some(word));
            }
            Field::Bias => self.word(field, value, value::bias, |record, word| record.bias = Some(word)),
            Field::SinglePrints => {
                let shaped = shapes::single_prints(value);
                if let Some(prints) = self.shaped(field, value, shaped) {
                    self.read.record.single_prints = Some(prints);
                }
            }
            Field::TpoStructure => {
                let shaped = shapes::periods(value);
                if let Some(periods) = self.shaped(field, value, shaped) {
                    self.read.record.tpo_structure = Some(periods);
                }
            }
            Field::PoorHigh | Field::PoorLow | Field::ExcessHigh | Field::ExcessLow => match value::flag(value) {
                Some(flag) => {
                    if !flag.plain {
                        self.note(Code::WordSpelling, format!("{} {}", field.name(), self.written(value)));
                    }
                    if self.is_first(field, &flag.value.to_string())
                        && let Some(place) = self.read.record.flag_mut(field)
                    {
                        *place = Some(flag.value);
                    }
                }
                None => self.unreadable(field, value),
            },
            number => {
                let read =
                    if number == Field::CashSessionReturn { value::fraction(value) } else { value::number(value) };
                match read {
                    Some(read) => {
                        if !read.plain {
                            self.note(Code::NumberAsText, format!("{} {}", field.name(), self.written(value)));
                        }
                        self.number(field, read.value);
                    }
                    None => self.unreadable(field, value),
                }
            }
        }
    }

    fn number(&mut self, field: Field, value: f64) {
        if self.is_first(field, &value.to_string())
            && let Some(place) = self.read.record.number_mut(field)
        {
            *place = Some(value);
        }
    }

    fn group(&mut self, group: Field, fields: [Field; 2], value: &Value<'_>) {
        let Some(shaped) = shapes::group(value) else { return self.unreadable(group, value) };
        self.note(Code::ShapeSpelling, format!("{} as a group", group.name()));
        if shaped.text_numbers {
            self.note(Code::NumberAsText, group.name().to_owned());
        }
        for (field, value) in fields.into_iter().zip(shaped.value) {
            self.number(field, value);
        }
        if group == Field::ValueArea
            && let Value::Object(object) = value
            && let Some(poc) =
                object.properties.iter().find(|inner| Field::named(inner.name.as_str()) == Some(Field::Poc))
        {
            self.field(Field::Poc, &poc.value);
        }
    }

    fn date(&mut self, value: &Value<'_>) {
        let read = match value {
            Value::StringLit(text) => date_spelling::date(&text.value),
            Value::NumberLit(number) => {
                date_spelling::date_of_number(number.value).map(|value| Spelled { value, plain: false })
            }
            _ => None,
        };
        match read {
            Some(date) => {
                if !date.plain {
                    self.note(Code::DateSpelling, self.written(value));
                }
                if self.is_first(Field::Date, &date.value.to_string()) {
                    self.read.record.date = Some(date.value);
                }
            }
            None => self.read.bad_date = Some(self.written(value)),
        }
    }

    fn word<T: Copy + ToString>(
        &mut self,
        field: Field,
        value: &Value<'_>,
        read: impl Fn(&str) -> Option<Spelled<T>>,
        put: impl Fn(&mut LegacyRecord, T),
    ) {
        let word = match value {
            Value::StringLit(text) => text.value.as_ref(),
            Value::NumberLit(number) => number.value,
            _ => return self.unreadable(field, value),
        };
        match (read(word), field) {
            (Some(word), _) => {
                if !word.plain {
                    self.note(Code::WordSpelling, format!("{} {}", field.name(), self.written(value)));
                }
                if self.is_first(field, &word.value.to_string()) {
                    put(&mut self.read.record, word.value);
                }
            }
            (None, Field::SessionType) => self.found(Code::UnknownSessionType, field, self.written(value)),
            (None, Field::Bias) => self.found(Code::UnknownBias, field, self.written(value)),
            (None, _) => self.unreadable(field, value),
        }
    }

    fn shaped<T: std::fmt::Debug>(
        &mut self,
        field: Field,
        value: &Value<'_>,
        shaped: Option<shapes::Shaped<T>>,
    ) -> Option<T> {
        let Some(shaped) = shaped else {
            self.unreadable(field, value);
            return None;
        };
        if shaped.text_numbers {
            self.note(Code::NumberAsText, field.name().to_owned());
        }
        if !shaped.lenient.is_empty() {
            self.note(Code::ShapeSpelling, format!("{}: {}", field.name(), shaped.lenient.join(", ")));
        }
        if !shaped.swapped.is_empty() {
            self.found(Code::SwappedHighLow, field, shaped.swapped.join(", "));
        }
        if !shaped.repeated.is_empty() {
            self.found(Code::RepeatedField, field, format!("periods {}", shaped.repeated.join(", ")));
        }
        self.is_first(field, &format!("{:?}", shaped.value)).then_some(shaped.value)
    }

    /// Whether the field is given for the first time; a second time with another value is a finding.
    fn is_first(&mut self, field: Field, value: &str) -> bool {
        let Some(first) = self.first.get(&field) else {
            self.first.insert(field, value.to_owned());
            return true;
        };
        if first != value {
            let evidence = format!("{} and {}", shown(first), shown(value));
            self.found(Code::RepeatedField, field, evidence);
        }
        false
    }

    fn unreadable(&mut self, field: Field, value: &Value<'_>) {
        self.found(Code::UnreadableField, field, self.written(value));
    }

    fn found(&mut self, code: Code, field: Field, evidence: String) {
        self.read.findings.push(Finding::new(code, field.name(), evidence));
    }

    fn note(&mut self, code: Code, evidence: String) {
        self.notes.entry(code).or_default().push(evidence);
    }

    fn written(&self, value: &Value<'_>) -> String {
        let range = jsonc_parser::common::Ranged::range(value);
        self.text.get(range.start..range.end).map(shown).unwrap_or_default()
    }
}
