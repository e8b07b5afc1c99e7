//! Results as JUnit XML, which build servers read.

use std::fmt::Write as _;

use crate::suite::{CaseResult, Verdict};
use crate::text::failure_text;

/// All results as one document; `plugin` is what the suites are called by.
#[must_use]
pub fn junit(plugin: &str, results: &[CaseResult]) -> String {
    let mut files: Vec<&str> = results.iter().map(|result| result.file.as_str()).collect();
    files.dedup();
    let mut xml = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"{}\"{}>\n", escaped(plugin), totals(results.iter()));
    for file in files {
        let of_file = || results.iter().filter(|result| result.file == file);
        // Writing to a string can't fail.
        let _ = writeln!(xml, "  <testsuite name=\"{}\"{}>", escaped(file), totals(of_file()));
        of_file().for_each(|result| case(&mut xml, result));
        xml.push_str("  </testsuite>\n");
    }
    xml.push_str("</testsuites>\n");
    xml
}

fn totals<'a>(results: impl Iterator<Item = &'a CaseResult>) -> String {
    let (mut tests, mut failures, mut skipped, mut took_ns) = (0u32, 0u32, 0u32, 0u64);
    for result in results {
        tests += 1;
        took_ns += result.took_ns;
        match result.verdict {
            Verdict::Passed => {}
            Verdict::Skipped(_) => skipped += 1,
            Verdict::Failed(_) => failures += 1,
        }
    }
    format!(" tests=\"{tests}\" failures=\"{failures}\" errors=\"0\" skipped=\"{skipped}\" time=\"{}\"", seconds(took_ns))
}

fn case(xml: &mut String, result: &CaseResult) {
    let (name, function) = (escaped(&result.name), escaped(&result.function));
    let _ = write!(xml, "    <testcase name=\"{name}\" classname=\"{function}\" time=\"{}\"", seconds(result.took_ns));
    let _ = match &result.verdict {
        Verdict::Passed => writeln!(xml, "/>"),
        Verdict::Skipped(why) => writeln!(xml, ">\n      <skipped message=\"{}\"/>\n    </testcase>", escaped(why)),
        Verdict::Failed(failures) => {
            let first = failures.first().and_then(|failure| failure.differences.first());
            let message = first.map_or(String::new(), |first| format!("{}: {} expected, {} found", first.what, first.expected, first.found));
            writeln!(xml, ">\n      <failure message=\"{}\">{}</failure>\n    </testcase>", escaped(&message), escaped(&failure_text(result)))
        }
    };
}

fn seconds(ns: u64) -> String {
    format!("{:.3}", ns as f64 / 1e9)
}

/// Text for XML: what may not stand there is replaced, and what would be markup is written out.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            '\n' | '\t' => escaped.push(letter),
            '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            plain => escaped.push(plain),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::tests::failed;

    #[test]
    fn results_are_a_document_that_any_reader_of_xml_takes() {
        let passed = CaseResult { verdict: Verdict::Passed, took_ns: 0, ..failed() };
        let skipped = CaseResult { verdict: Verdict::Skipped("it needs a plugin `b`".to_owned()), file: "b.toml".to_owned(), took_ns: 0, ..failed() };
        let expected = r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="a&lt;b.wasm" tests="3" failures="1" errors="0" skipped="1" time="1.500">
  <testsuite name="cases.toml" tests="2" failures="1" errors="0" skipped="0" time="1.500">
    <testcase name="sums &amp; &lt;more&gt;" classname="count" time="1.500">
      <failure message="output, record 0: value 1 expected, value &quot;2&quot; found">cases.toml:3: sums &amp; &lt;more&gt; (function count)
  as written, batches of one:
    output, record 0
      expected  value 1
      found     value &quot;2&quot;
  a restart after every record:
    output, record 0
      expected  value 1
      found     nothing�
</failure>
    </testcase>
    <testcase name="sums &amp; &lt;more&gt;" classname="count" time="0.000"/>
  </testsuite>
  <testsuite name="b.toml" tests="1" failures="0" errors="0" skipped="1" time="0.000">
    <testcase name="sums &amp; &lt;more&gt;" classname="count" time="0.000">
      <skipped message="it needs a plugin `b`"/>
    </testcase>
  </testsuite>
</testsuites>
"#;
        assert_eq!(junit("a<b.wasm", &[failed(), passed, skipped]), expected);
    }

    #[test]
    fn nothing_breaks_out_of_the_text() {
        let check = |text: &str, expected: &str| assert_eq!(escaped(text), expected);
        check("]]>\"'", "]]&gt;&quot;&apos;");
        check("\u{0}\u{8}\u{1b}\u{ffff}\u{feff}\n", "\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{feff}\n");
    }
}
