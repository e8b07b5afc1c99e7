//! The bare loop: the same words counted by one Rust function, with nothing between the file and the map.

use std::fs::File;
use std::hint::black_box;
use std::io::{BufRead, BufReader};
use std::path::Path;

use hashbrown::HashMap;

/// Words seen, and with `count` the running totals added up, so that none of the work can be left out.
pub(crate) fn run(path: &Path, count: bool) -> Result<u64, String> {
    let file = File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut reader = BufReader::with_capacity(1 << 18, file);
    let mut totals: HashMap<String, u64> = HashMap::new();
    let (mut line, mut lower) = (String::new(), String::new());
    let (mut words, mut sum) = (0u64, 0u64);
    loop {
        line.clear();
        if reader.read_line(&mut line).map_err(|error| error.to_string())? == 0 {
            break;
        }
        lower.clear();
        if line.is_ascii() {
            lower.push_str(&line);
            lower.make_ascii_lowercase();
        } else {
            lower.extend(line.chars().flat_map(char::to_lowercase));
        }
        for word in lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
            words += 1;
            if !count {
                black_box(word);
                continue;
            }
            let total = match totals.get_mut(word) {
                Some(total) => total,
                None => totals.entry(word.to_owned()).or_insert(0),
            };
            *total += 1;
            sum = sum.wrapping_add(*total);
        }
    }
    black_box(sum);
    Ok(words)
}
