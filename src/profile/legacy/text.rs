//! One file of the archive as text: looked through compression and encodings. Reads files, never writes; whatever a file is, the
//! outcome is text or a finding.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use super::code::{Code, Finding};

/// More than this of a file, unpacked, is not read.
pub const FILE_BYTES: u64 = 64 << 20;

/// What a file was.
#[derive(Debug)]
pub enum FileText {
    Text(String),
    Fault(Finding),
    /// Neither JSON nor named like it: not of the archive.
    Other,
}

/// Reads a file. What is neither named like JSON nor begins like it is none of the archive.
pub fn read(path: &Path) -> FileText {
    let named = is_named_json(path);
    let bytes = match bytes(path) {
        Ok(bytes) => bytes,
        Err(error) => {
            return FileText::Fault(Finding::new(Code::FileUnreadable, "", error.to_string()));
        }
    };
    if bytes.len() as u64 > FILE_BYTES {
        let evidence = format!("more than {} MiB", FILE_BYTES >> 20);
        return if named || begins_like_json(&bytes) {
            FileText::Fault(Finding::new(Code::FileTooLarge, "", evidence))
        } else {
            FileText::Other
        };
    }
    match decode(bytes) {
        Ok(text) if named || begins_like_json(text.as_bytes()) => FileText::Text(text),
        Err(finding) if named => FileText::Fault(finding),
        _ => FileText::Other,
    }
}

fn is_named_json(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    [".json", ".jsonl", ".ndjson"].iter().any(|ending| name.contains(ending))
}

fn begins_like_json(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
    // A list of objects, an object with a name in it, or a comment before one of them.
    match bytes {
        [b'{' | b'[', rest @ ..] => matches!(rest.trim_ascii_start().first(), Some(b'{' | b'[' | b'"' | b'\'' | b'/')),
        [b'/', b'/' | b'*', ..] => memchr::memchr(b'{', bytes).is_some(),
        _ => false,
    }
}

fn bytes(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut input = BufReader::with_capacity(1 << 16, File::open(path)?);
    let mut bytes = Vec::new();
    let start = std::io::BufRead::fill_buf(&mut input)?;
    match start {
        [0x1f, 0x8b, ..] => {
            flate2::bufread::MultiGzDecoder::new(input).take(FILE_BYTES + 1).read_to_end(&mut bytes)?;
        }
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            zstd::Decoder::with_buffer(input)?.take(FILE_BYTES + 1).read_to_end(&mut bytes)?;
        }
        _ => {
            input.take(FILE_BYTES + 1).read_to_end(&mut bytes)?;
        }
    }
    Ok(bytes)
}

/// UTF-8, UTF-16 with its mark, or an older encoding whose letters beyond ASCII are of no account here.
fn decode(bytes: Vec<u8>) -> Result<String, Finding> {
    let wide = |order: fn([u8; 2]) -> u16| -> String {
        let units = bytes[2..].chunks_exact(2).map(|pair| order([pair[0], pair[1]]));
        char::decode_utf16(units).map(|letter| letter.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
    };
    match bytes.as_slice() {
        [0xff, 0xfe, ..] => return Ok(wide(u16::from_le_bytes)),
        [0xfe, 0xff, ..] => return Ok(wide(u16::from_be_bytes)),
        _ => {}
    }
    if let Some(at) = memchr::memchr(0, &bytes) {
        return Err(Finding::new(Code::NotText, "", format!("a zero byte at {at}")));
    }
    Ok(String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn written(name: &str, bytes: &[u8]) -> FileText {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        read(&path)
    }

    #[test]
    fn text_is_read_through_compression_and_encodings() {
        let text = r#"{"symbol": "NQ"}"#;
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(text.as_bytes()).unwrap();
        let gz = gz.finish().unwrap();
        let wide: Vec<u8> = [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
        for (name, bytes) in [
            ("a.json", text.as_bytes()),
            ("a", text.as_bytes()),
            ("a.json.gz", &gz),
            ("a.json", &gz),
            ("a.json", &zstd::encode_all(text.as_bytes(), 1).unwrap()),
            ("a.json", &wide),
        ] {
            let FileText::Text(read) = written(name, bytes) else { panic!("{name}") };
            assert_eq!(read, text);
        }
        let FileText::Fault(finding) = written("a.json.gz", &gz[..gz.len() - 12]) else { panic!() };
        assert_eq!(finding.code, Code::FileUnreadable);
        let FileText::Fault(finding) = written("a.json", b"{\0\0") else { panic!() };
        assert_eq!(finding.code, Code::NotText);
        for (name, bytes) in [("notes.txt", &b"[x] call them"[..]), ("a.png", b"\x89PNG\0"), ("a.csv", b"a,b\n")] {
            assert!(matches!(written(name, bytes), FileText::Other), "{name}");
        }
    }
}
