//! Text files as editors and shells save them.

/// The byte order mark of UTF-8, which some editors put in front of a text.
const UTF_8_MARK: &[u8] = &[0xef, 0xbb, 0xbf];
/// Those of UTF-16, which are how those of UTF-32 begin or end.
const UTF_16_MARKS: [&[u8]; 3] = [&[0xff, 0xfe], &[0xfe, 0xff], &[0, 0, 0xfe, 0xff]];

/// Why a file is not text that is read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    #[error(
        "it is UTF-16 or UTF-32 text; save it as UTF-8 (in Windows PowerShell: Get-Content FILE | Set-Content -Encoding utf8 NEW-FILE)"
    )]
    Wide,
    #[error("it is not UTF-8 text: line {line} has an invalid byte")]
    NotUtf8 { line: usize },
}

/// The content without a byte order mark.
pub fn content(file: &[u8]) -> Result<&[u8], TextError> {
    if UTF_16_MARKS.iter().any(|mark| file.starts_with(mark)) {
        return Err(TextError::Wide);
    }
    Ok(file.strip_prefix(UTF_8_MARK).unwrap_or(file))
}

/// The text without a byte order mark.
pub fn text(file: &[u8]) -> Result<&str, TextError> {
    let content = content(file)?;
    std::str::from_utf8(content).map_err(|error| {
        let before = content.iter().take(error.valid_up_to());
        let line = 1 + before.filter(|octet| **octet == b'\n').count();
        TextError::NotUtf8 { line }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_no_part_of_the_text() {
        for (file, read) in [
            (&b""[..], Ok("")),
            (b"a\r\nb", Ok("a\r\nb")),
            (b"\xef\xbb\xbf", Ok("")),
            (b"\xef\xbb\xbfa: b", Ok("a: b")),
            // Only the first one is a mark.
            (b"\xef\xbb\xbf\xef\xbb\xbfa", Ok("\u{feff}a")),
            (b"\xff\xfea\0", Err(TextError::Wide)),
            (b"\xfe\xff\0a", Err(TextError::Wide)),
            (b"\xff\xfe\0\0a\0\0\0", Err(TextError::Wide)),
            (b"\0\0\xfe\xff\0\0\0a", Err(TextError::Wide)),
            (b"a\nb\xff", Err(TextError::NotUtf8 { line: 2 })),
            (b"\xef\xbb", Err(TextError::NotUtf8 { line: 1 })),
        ] {
            assert_eq!(text(file), read, "{file:?}");
        }
    }
}
