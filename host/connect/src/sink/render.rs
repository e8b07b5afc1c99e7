//! Records as a person or another program reads them: text, CSV, JSON lines.

use weir_model::Result;
use weir_model::codec::Codec;
use weir_model::describe::Port;
use weir_model::rows::{Batch, Row};
use weir_model::section::Section;

/// `format` of a sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SinkFormat {
    /// Key, tab, value; without a key the value alone.
    Text,
    /// Key and value as fields; without a key the value alone.
    Csv,
    /// `{"key":…,"value":…}`; without a key `{"value":…}`.
    JsonLines,
}

impl SinkFormat {
    /// Takes `format`.
    pub(super) fn take(section: &mut Section) -> Result<Self> {
        let choices = [("text", Self::Text), ("csv", Self::Csv), ("json-lines", Self::JsonLines)];
        Ok(section.take_choice("format", &choices)?.unwrap_or(Self::Text))
    }

    /// What a file of this format is called after its dot.
    pub(super) fn extension(self) -> &'static str {
        match self {
            Self::Text => "txt",
            Self::Csv => "csv",
            Self::JsonLines => "jsonl",
        }
    }
}

/// Renders the records of one input.
#[derive(Debug, Clone)]
pub(super) struct Renderer {
    format: SinkFormat,
    key: Codec,
    value: Codec,
}

impl Renderer {
    /// Renders records that are to be read as `input` says.
    pub(super) fn new(format: SinkFormat, input: &Port) -> Self {
        Self { format, key: input.key.clone(), value: input.value.clone() }
    }

    /// Appends `batch`, a line for each record.
    pub(super) fn render(&self, batch: &Batch, out: &mut Vec<u8>) {
        match self.format {
            SinkFormat::Text => batch.iter().for_each(|row| self.text(&row, out)),
            SinkFormat::Csv => self.csv(batch, out),
            SinkFormat::JsonLines => batch.iter().for_each(|row| self.json_line(&row, out)),
        }
    }

    /// The names of the CSV columns.
    pub(super) fn csv_header(&self) -> &'static [u8] {
        if self.key == Codec::None { b"value\n" } else { b"key,value\n" }
    }

    #[inline]
    fn text(&self, row: &Row<'_>, out: &mut Vec<u8>) {
        if let Some(key) = row.key {
            self.key.render_text(key, out);
            out.push(b'\t');
        }
        self.value.render_text(row.value, out);
        out.push(b'\n');
    }

    /// Every record has as many fields as the header, whether it has a key or not.
    fn csv(&self, batch: &Batch, out: &mut Vec<u8>) {
        let keyed = self.key != Codec::None;
        let (mut key, mut value) = (Vec::new(), Vec::new());
        let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(out);
        for row in batch.iter() {
            key.clear();
            value.clear();
            if let Some(bytes) = row.key {
                self.key.render_text(bytes, &mut key);
            }
            self.value.render_text(row.value, &mut value);
            // Writing to a Vec can't fail.
            drop(if keyed || row.key.is_some() { writer.write_record([&key, &value]) } else { writer.write_record([&value]) });
        }
        drop(writer.flush());
    }

    fn json_line(&self, row: &Row<'_>, out: &mut Vec<u8>) {
        let start = out.len();
        out.push(b'{');
        if let Some(key) = row.key {
            out.extend_from_slice(b"\"key\":");
            self.key.render_json(key, out);
            out.push(b',');
        }
        out.extend_from_slice(b"\"value\":");
        self.value.render_json(row.value, out);
        // A value that is JSON already may be spread over lines. Strings have no raw newline in them, so each is white space.
        let line = out.get_mut(start..).unwrap_or_default();
        if memchr::memchr2(b'\n', b'\r', line).is_some() {
            line.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
        }
        out.extend_from_slice(b"}\n");
    }
}

#[cfg(test)]
mod tests {
    use weir_model::rows::{BatchBuilder, NO_TIMESTAMP};

    use super::*;

    fn check(format: SinkFormat, key: &str, value: &str, records: &[(Option<&[u8]>, &[u8])], expected: &str) {
        let mut batch = BatchBuilder::default();
        for (key, value) in records {
            batch.push(*key, value, NO_TIMESTAMP).unwrap();
        }
        let input = Port { name: "out".into(), key: Codec::from_name(key), value: Codec::from_name(value) };
        let mut out = b"before\n".to_vec();
        Renderer::new(format, &input).render(&batch.take(), &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), format!("before\n{expected}"));
    }

    #[test]
    fn text_is_key_tab_value() {
        let seven = 7u64.to_le_bytes();
        check(SinkFormat::Text, "utf8", "u64-le", &[(Some("ä".as_bytes()), &seven), (Some(b""), &seven)], "ä\t7\n\t7\n");
        check(SinkFormat::Text, "none", "utf8", &[(None, b"a line"), (None, b"")], "a line\n\n");
        check(SinkFormat::Text, "bytes", "bytes", &[(Some(&[0xff]), b"x")], "0xff\tx\n");
    }

    #[test]
    fn csv_quotes_what_needs_it() {
        let records: &[(Option<&[u8]>, &[u8])] = &[(Some(b"a,b"), b"say \"hi\""), (Some(b"a"), b"two\nlines"), (None, b""), (Some(b""), b"x")];
        check(SinkFormat::Csv, "utf8", "utf8", records, "\"a,b\",\"say \"\"hi\"\"\"\na,\"two\nlines\"\n,\n,x\n");
        check(SinkFormat::Csv, "none", "utf8", &[(None, b"x"), (None, b"")], "x\n\"\"\n");
        check(SinkFormat::Csv, "none", "utf8", &[], "");
    }

    #[test]
    fn json_lines_have_one_line_a_record() {
        let seven = 7u64.to_le_bytes();
        check(SinkFormat::JsonLines, "utf8", "u64-le", &[(Some(b"a\"\n"), &seven)], "{\"key\":\"a\\\"\\n\",\"value\":7}\n");
        check(SinkFormat::JsonLines, "none", "json", &[(None, b"{\n \"a\": [1]\r\n}")], "{\"value\":{  \"a\": [1]  }}\n");
        check(SinkFormat::JsonLines, "none", "utf8", &[(None, b"x")], "{\"value\":\"x\"}\n");
    }
}
