//! The outline of a JSON text without its values: where brackets close, which children an object or a list has. Far more lenient
//! than any parser, so that what is broken spoils only itself. Pure; never recursive, so no depth is too deep.

use std::ops::Range;

/// How a value ends that began somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Behind its last byte.
    At(usize),
    /// Nowhere: the text is over first.
    Cut,
    /// A bracket closes that was not open, or a string has no end.
    Broken(usize),
}

/// A value inside of another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Child<'t> {
    /// Without its quotes; of an object's children.
    pub key: Option<&'t str>,
    pub range: Range<usize>,
}

/// The children of an object or a list, as far as they could be told apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Children<'t> {
    pub whole: Vec<Child<'t>>,
    /// Where the first child begins that has no end, or what is no child.
    pub broken: Option<(Option<&'t str>, usize)>,
}

/// The first byte from `at` on that is neither white space nor of a comment.
pub fn skip_blank(text: &str, mut at: usize) -> usize {
    let bytes = text.as_bytes();
    while at < bytes.len() {
        match bytes[at] {
            b' ' | b'\t' | b'\r' | b'\n' => at += 1,
            b'/' => match comment_end(bytes, at) {
                Some(end) => at = end,
                None => return at,
            },
            // A byte order mark or a no-break space in the middle of concatenated files.
            0xef if bytes[at..].starts_with(b"\xef\xbb\xbf") => at += 3,
            _ => return at,
        }
    }
    at
}

/// The end of the value that begins at `at`.
pub fn end(text: &str, at: usize) -> End {
    let bytes = text.as_bytes();
    let Some(&first) = bytes.get(at) else { return End::Cut };
    if !matches!(first, b'{' | b'[') {
        return scalar_end(bytes, at);
    }
    let mut open = Vec::with_capacity(8);
    let mut at = at;
    while at < bytes.len() {
        match bytes[at] {
            bracket @ (b'{' | b'[') => {
                open.push(bracket);
                at += 1;
            }
            bracket @ (b'}' | b']') => {
                if open.pop() != Some(bracket - 2) {
                    return End::Broken(at);
                }
                at += 1;
                if open.is_empty() {
                    return End::At(at);
                }
            }
            b'"' | b'\'' => match string_end(bytes, at) {
                Some(end) => at = end,
                None => return no_string_end(bytes, at),
            },
            b'/' => at = comment_end(bytes, at).unwrap_or(at + 1),
            _ => at += 1,
        }
    }
    End::Cut
}

/// The children of the object or list that begins at `start` and lies before `limit`.
pub fn children(text: &str, start: usize, limit: usize) -> Children<'_> {
    let bytes = text.as_bytes();
    let is_object = bytes.get(start) == Some(&b'{');
    let mut children = Children::default();
    let mut at = start + 1;
    loop {
        at = skip_blank(text, at);
        while at < limit && bytes[at] == b',' {
            at = skip_blank(text, at + 1);
        }
        if at >= limit {
            children.broken = Some((None, limit.min(text.len())));
            return children;
        }
        if matches!(bytes[at], b'}' | b']') {
            return children;
        }
        let begin = at;
        let mut key = None;
        if is_object {
            let End::At(key_end) = key_end(bytes, at) else {
                children.broken = Some((None, begin));
                return children;
            };
            key = text.get(at..key_end).map(|key| key.trim_matches(['"', '\'']));
            at = skip_blank(text, key_end);
            if bytes.get(at) != Some(&b':') {
                children.broken = Some((key, begin));
                return children;
            }
            at = skip_blank(text, at + 1);
        }
        match end(text, at) {
            End::At(end) if end <= limit && end > at => {
                children.whole.push(Child { key, range: at..end });
                at = end;
            }
            _ => {
                children.broken = Some((key, at.min(limit)));
                return children;
            }
        }
    }
}

fn key_end(bytes: &[u8], at: usize) -> End {
    match bytes[at] {
        b'"' | b'\'' => string_end(bytes, at).map_or(End::Broken(at), End::At),
        _ => {
            let word = bytes[at..].iter().take_while(|byte| is_word(**byte)).count();
            if word == 0 { End::Broken(at) } else { End::At(at + word) }
        }
    }
}

fn scalar_end(bytes: &[u8], at: usize) -> End {
    match bytes[at] {
        b'"' | b'\'' => string_end(bytes, at).map_or_else(|| no_string_end(bytes, at), End::At),
        byte if is_word(byte) || byte == b'+' => {
            End::At(at + bytes[at..].iter().take_while(|byte| is_word(**byte) || **byte == b'+').count())
        }
        _ => End::Broken(at),
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'$') || byte >= 0x80
}

/// Behind the closing quote; strings do not go over lines.
fn string_end(bytes: &[u8], at: usize) -> Option<usize> {
    let quote = bytes[at];
    let mut at = at + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'\n' => return None,
            byte if byte == quote => return Some(at + 1),
            _ => at += 1,
        }
    }
    None
}

/// A string without an end in the last line was cut off; in another one its quote was forgotten.
fn no_string_end(bytes: &[u8], at: usize) -> End {
    let rest = memchr::memchr(b'\n', &bytes[at..]).map_or(&[][..], |line| &bytes[at + line..]);
    if rest.trim_ascii().is_empty() { End::Cut } else { End::Broken(at) }
}

/// Behind the comment that begins at `at`, if one does.
fn comment_end(bytes: &[u8], at: usize) -> Option<usize> {
    match bytes.get(at + 1)? {
        b'/' => Some(memchr::memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |length| at + length)),
        b'*' => memchr::memmem::find(&bytes[at + 2..], b"*/").map(|length| at + 2 + length + 2),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn brackets_in_strings_and_comments_are_of_no_account() {
        let text = "{\"a]\": '}', // }\n b: [1, /* ] */ 2,],}";
        assert_eq!(end(text, 0), End::At(text.len()));
        let children = children(text, 0, text.len());
        let found: Vec<_> =
            children.whole.iter().map(|child| (child.key.unwrap(), &text[child.range.clone()])).collect();
        assert_eq!(found, [("a]", "'}'"), ("b", "[1, /* ] */ 2,]")]);
        assert_eq!(children.broken, None);
    }

    #[test]
    fn what_has_no_end_is_told_from_what_is_broken() {
        assert_eq!(end("{\"a\": [1, 2", 0), End::Cut);
        assert_eq!(end("[1, 2}", 0), End::Broken(5));
        assert_eq!(end("[\"a\n]", 0), End::Broken(1));
        assert_eq!(end("[\"a\n", 0), End::Cut);
        let text = "[{\"a\": 1}, {\"a\": 2";
        let cut = children(text, 0, text.len());
        assert_eq!((cut.whole.len(), cut.broken), (1, Some((None, 11))));
    }

    proptest! {
        #[test]
        fn any_text_has_an_outline(text in "[\\[\\]{}\",:'/* \\\\a1\néT-]{0,60}", at in 0usize..60) {
            let at = at.min(text.len());
            if text.is_char_boundary(at) {
                if let End::At(end) = end(&text, at) {
                    prop_assert!(end <= text.len() && text.is_char_boundary(end));
                }
                if text[at..].starts_with(['{', '[']) {
                    for child in children(&text, at, text.len()).whole {
                        prop_assert!(text.get(child.range).is_some());
                    }
                }
                prop_assert!(skip_blank(&text, at) <= text.len());
            }
        }
    }
}
