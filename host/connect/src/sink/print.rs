//! Standard output as a sink: whole batches, each written under the lock.

use std::io::{self, Write};

use weir_model::describe::Port;
use weir_model::id::OperatorUid;
use weir_model::rows::Batch;
use weir_model::section::Section;
use weir_model::{Error, ErrorKind, Result};

use super::render::{Renderer, SinkFormat};

/// Memory kept for the next batch.
const BUFFER_BYTES_KEPT: usize = 1 << 20;

/// Standard output as the job file says it.
#[derive(Debug, Clone)]
pub struct PrintConfig {
    format: SinkFormat,
}

impl PrintConfig {
    pub(super) fn parse(mut section: Section) -> Result<Self> {
        let format = SinkFormat::take(&mut section)?;
        section.finish()?;
        Ok(Self { format })
    }

    pub(super) fn open(&self, uid: &OperatorUid, input: &Port) -> PrintWriter {
        PrintWriter { uid: uid.clone(), renderer: Renderer::new(self.format, input), buffer: Vec::new() }
    }
}

/// One of the writers that share standard output.
#[derive(Debug)]
pub(super) struct PrintWriter {
    uid: OperatorUid,
    renderer: Renderer,
    buffer: Vec<u8>,
}

impl PrintWriter {
    pub(super) fn write(&mut self, batch: &Batch) -> Result<()> {
        self.write_to(batch, &mut io::stdout().lock())
    }

    pub(super) fn flush(&mut self) -> Result<()> {
        io::stdout().lock().flush().map_err(|error| self.failed(&error))
    }

    /// Renders before it writes: another subtask's batch never gets between the lines of this one.
    fn write_to(&mut self, batch: &Batch, out: &mut impl Write) -> Result<()> {
        self.buffer.clear();
        self.renderer.render(batch, &mut self.buffer);
        out.write_all(&self.buffer).and_then(|()| out.flush()).map_err(|error| self.failed(&error))?;
        self.buffer.clear();
        self.buffer.shrink_to(BUFFER_BYTES_KEPT);
        Ok(())
    }

    fn failed(&self, error: &io::Error) -> Error {
        let what = format!("sink `{}`: standard output", self.uid);
        if error.kind() == io::ErrorKind::BrokenPipe {
            let why = "nobody reads it any more";
            return Error::new(ErrorKind::Interrupted, what, why, "this is how a pipe into `head` ends; keep the reader running to get all records");
        }
        Error::job(what, format!("it can't be written: {error}"), "check what it is connected to")
    }
}

#[cfg(test)]
mod tests {
    use weir_model::codec::Codec;
    use weir_model::rows::{BatchBuilder, NO_TIMESTAMP};

    use super::*;
    use crate::test_support::section;

    /// Refuses to be written with an error of this kind.
    struct Refusing(io::ErrorKind);

    impl Write for Refusing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Counts how often it is written.
    #[derive(Default)]
    struct Counting {
        writes: usize,
        text: Vec<u8>,
    }

    impl Write for Counting {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.writes += 1;
            self.text.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn writer_and_batch() -> (PrintWriter, Batch) {
        let input = Port { name: "out".into(), key: Codec::Utf8, value: Codec::Utf8 };
        let writer = PrintConfig::parse(section("sinks.out", "")).unwrap().open(&OperatorUid::new("out").unwrap(), &input);
        let mut batch = BatchBuilder::default();
        batch.push(Some(b"a"), b"1", NO_TIMESTAMP).unwrap();
        batch.push(Some(b"b"), b"2", NO_TIMESTAMP).unwrap();
        (writer, batch.take())
    }

    #[test]
    fn a_batch_is_written_at_once() {
        let (mut writer, batch) = writer_and_batch();
        let mut out = Counting::default();
        writer.write_to(&batch, &mut out).unwrap();
        writer.write_to(&batch, &mut out).unwrap();
        assert_eq!((out.writes, out.text), (2, b"a\t1\nb\t2\na\t1\nb\t2\n".to_vec()));
    }

    #[test]
    fn a_reader_that_has_gone_is_no_failure_of_the_job() {
        let (mut writer, batch) = writer_and_batch();
        assert_eq!(writer.write_to(&batch, &mut Refusing(io::ErrorKind::BrokenPipe)).unwrap_err().kind, ErrorKind::Interrupted);
        let error = writer.write_to(&batch, &mut Refusing(io::ErrorKind::StorageFull)).unwrap_err();
        assert!(error.kind == ErrorKind::Job && error.what == "sink `out`: standard output", "{error}");
    }
}
