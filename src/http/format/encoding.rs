//! Compression of an answer: zstd or gzip when asked, nothing otherwise. Chosen before the answer is made, since the ETag
//! differs by it.

use std::io::Write;

use axum::http::HeaderMap;
use axum::http::header::ACCEPT_ENCODING;

use crate::{Error, Result};

/// Fast levels: the answer is made while the caller waits.
const ZSTD_LEVEL: i32 = 1;
const GZIP_LEVEL: u32 = 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    Identity,
    Gzip,
    Zstd,
}

impl Encoding {
    /// What the caller prefers of what we have; of equals zstd, then gzip.
    pub fn wanted(headers: &HeaderMap) -> Self {
        let mut best = (0.0, Encoding::Identity);
        for value in headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok()) {
            for part in value.split(',') {
                let mut pieces = part.split(';').map(str::trim);
                let encoding = match pieces.next().unwrap_or_default().to_ascii_lowercase().as_str() {
                    "zstd" => Encoding::Zstd,
                    "gzip" | "x-gzip" => Encoding::Gzip,
                    _ => continue,
                };
                let quality: f32 = pieces.find_map(|piece| piece.strip_prefix("q=")?.parse().ok()).unwrap_or(1.0);
                let preferred = quality > best.0 || (quality == best.0 && encoding == Encoding::Zstd);
                if quality > 0.0 && preferred {
                    best = (quality, encoding);
                }
            }
        }
        best.1
    }

    /// As `Content-Encoding` spells it.
    pub fn name(self) -> &'static str {
        match self {
            Encoding::Identity => "identity",
            Encoding::Gzip => "gzip",
            Encoding::Zstd => "zstd",
        }
    }
}

/// A compressor that takes an answer piece by piece.
pub enum Encoder {
    Identity,
    Gzip(flate2::write::GzEncoder<Vec<u8>>),
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
}

impl Encoder {
    pub fn new(encoding: Encoding) -> Result<Self> {
        Ok(match encoding {
            Encoding::Identity => Encoder::Identity,
            Encoding::Gzip => {
                Encoder::Gzip(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(GZIP_LEVEL)))
            }
            Encoding::Zstd => Encoder::Zstd(zstd::stream::write::Encoder::new(Vec::new(), ZSTD_LEVEL).map_err(broken)?),
        })
    }

    /// What is ready after `piece`; the rest comes with later pieces.
    pub fn encode(&mut self, piece: Vec<u8>) -> Result<Vec<u8>> {
        match self {
            Encoder::Identity => Ok(piece),
            Encoder::Gzip(encoder) => {
                encoder.write_all(&piece).map_err(broken)?;
                Ok(std::mem::take(encoder.get_mut()))
            }
            Encoder::Zstd(encoder) => {
                encoder.write_all(&piece).map_err(broken)?;
                Ok(std::mem::take(encoder.get_mut()))
            }
        }
    }

    pub fn finish(self) -> Result<Vec<u8>> {
        match self {
            Encoder::Identity => Ok(Vec::new()),
            Encoder::Gzip(encoder) => encoder.finish().map_err(broken),
            Encoder::Zstd(encoder) => encoder.finish().map_err(broken),
        }
    }
}

fn broken(error: std::io::Error) -> Error {
    Error::internal("an answer could not be compressed").caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(header: &str) -> Encoding {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_ENCODING, header.parse().unwrap());
        Encoding::wanted(&headers)
    }

    #[test]
    fn the_callers_weights_decide() {
        assert_eq!(wanted("gzip, deflate, br, zstd"), Encoding::Zstd);
        assert_eq!(wanted("zstd;q=0.5, gzip;q=0.9"), Encoding::Gzip);
        assert_eq!(wanted("gzip;q=0, br"), Encoding::Identity);
        assert_eq!(Encoding::wanted(&HeaderMap::new()), Encoding::Identity);
    }

    #[test]
    fn pieces_come_back_whole() {
        let text = b"a line of text that repeats itself\n".repeat(5000);
        for encoding in [Encoding::Gzip, Encoding::Zstd] {
            let mut encoder = Encoder::new(encoding).unwrap();
            let mut bytes = Vec::new();
            for piece in text.chunks(1000) {
                bytes.extend(encoder.encode(piece.to_vec()).unwrap());
            }
            bytes.extend(encoder.finish().unwrap());
            assert!(bytes.len() < text.len() / 10);
            let mut back = Vec::new();
            match encoding {
                Encoding::Gzip => {
                    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&bytes[..]), &mut back).unwrap();
                }
                _ => back = zstd::decode_all(&bytes[..]).unwrap(),
            }
            assert_eq!(back, text);
        }
    }
}
