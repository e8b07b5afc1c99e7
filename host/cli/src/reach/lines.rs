//! Lines of a stream, no longer than agreed.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};

/// The longest line, its end included.
pub(super) const LINE_BYTES_MAX: usize = 1 << 20;

/// The next line; `None` at the end of the stream. What the stream ends in without a line's end is no line.
///
/// # Errors
/// When it can't be read, or is too long: nothing more can be read then.
pub(super) async fn next_line(reader: &mut (impl AsyncBufRead + Unpin), bytes_max: usize) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    reader.take(bytes_max as u64).read_until(b'\n', &mut line).await?;
    match line.last() {
        Some(b'\n') => Ok(Some(line)),
        _ if line.len() >= bytes_max => Err(io::Error::new(io::ErrorKind::InvalidData, format!("a line is longer than {bytes_max} bytes"))),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_whole_or_not_at_all() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let check = |text: &str, expected: &[&str], fails: bool| {
            let mut reader = text.as_bytes();
            let mut lines = Vec::new();
            let ended = runtime.block_on(async {
                while let Some(line) = next_line(&mut reader, 8).await? {
                    lines.push(String::from_utf8(line).unwrap());
                }
                io::Result::Ok(())
            });
            assert_eq!((lines.iter().map(String::as_str).collect::<Vec<_>>().as_slice(), ended.is_err()), (expected, fails), "{text:?}");
        };
        check("", &[], false);
        check("a\n\nb\n", &["a\n", "\n", "b\n"], false);
        check("a\nhalf", &["a\n"], false);
        check("1234567\nx\n", &["1234567\n", "x\n"], false);
        check("12345678\n", &[], true);
        check("12345678", &[], true);
    }
}
