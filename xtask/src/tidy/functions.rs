//! Finds the functions of a Rust file and counts their lines, without a parser.
//!
//! Comments and literals are blanked first, so that braces inside them don't count. Then a function reaches from its `fn` to the
//! brace that closes its body; one inside another counts in both. Functions in a `#[cfg(test)] mod` are left out: a table of cases
//! may be long. Braces in a signature (`[u8; { N }]`) would be taken for the body: nobody here writes that.

/// A function with a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Function {
    /// Its name; the second of that name in a file is `name#2`.
    pub(super) name: String,
    /// Where its `fn` stands, from 1.
    pub(super) line: usize,
    /// From its `fn` to its closing brace, both included.
    pub(super) lines: usize,
}

/// All functions of a file, outside its test modules, in the order of their first lines.
pub(super) fn find(source: &str) -> Vec<Function> {
    let code = code_only(source);
    let mut scan = Scan::default();
    for (number, line) in code.lines().enumerate() {
        scan.line = number + 1;
        let mut rest = line;
        while let Some(first) = rest.chars().next() {
            // A raw name, `r#match`, goes by what follows.
            rest = rest.strip_prefix("r#").unwrap_or(rest);
            let word = rest.split(|c: char| !is_word(c)).next().unwrap_or_default();
            if word.is_empty() {
                scan.punctuation(first);
                rest = rest.split_at(first.len_utf8()).1;
            } else {
                scan.word(word);
                rest = rest.split_at(word.len()).1;
            }
        }
    }
    scan.found.sort_by_key(|function| function.line);
    number_namesakes(&mut scan.found);
    scan.found
}

fn number_namesakes(functions: &mut [Function]) {
    let names: Vec<String> = functions.iter().map(|function| function.name.clone()).collect();
    for (index, function) in functions.iter_mut().enumerate() {
        let earlier = names.iter().take(index).filter(|name| **name == function.name).count();
        if earlier > 0 {
            function.name = format!("{}#{}", function.name, earlier + 1);
        }
    }
}

/// Where a walk over the words and signs of a file has come to.
#[derive(Default)]
struct Scan {
    line: usize,
    braces: usize,
    /// Open `(` and `[`: a `;` or `{` inside them belongs to a type, not to the function.
    brackets: usize,
    /// The word before was `fn`, here.
    after_fn: Option<usize>,
    /// A function's name and line, its body not yet reached; and how many brackets were open at the name.
    signature: Option<(String, usize, usize)>,
    /// Functions whose bodies are open: name, line, braces open around the body.
    open: Vec<(String, usize, usize)>,
    in_cfg: bool,
    for_tests: bool,
    after_mod: bool,
    /// The braces open around the test module that we are in.
    test_module: Option<usize>,
    found: Vec<Function>,
}

impl Scan {
    fn word(&mut self, word: &str) {
        match word {
            "fn" => self.after_fn = Some(self.line),
            "mod" => self.after_mod = true,
            "cfg" => self.in_cfg = true,
            "not" => self.in_cfg = false,
            "test" if self.in_cfg => self.for_tests = true,
            name => {
                if let Some(line) = self.after_fn.take() {
                    self.signature = Some((name.to_owned(), line, self.brackets));
                }
            }
        }
    }

    fn punctuation(&mut self, sign: char) {
        if !sign.is_whitespace() {
            self.after_fn = None;
        }
        match sign {
            '(' | '[' => self.brackets += 1,
            ')' | ']' => {
                self.brackets = self.brackets.saturating_sub(1);
                self.in_cfg &= sign != ']';
            }
            ';' => {
                if self.signature.as_ref().is_some_and(|(_, _, brackets)| *brackets == self.brackets) {
                    self.signature = None;
                }
                self.item_begins();
            }
            '{' => self.open_brace(),
            '}' => self.close_brace(),
            _ => {}
        }
    }

    fn open_brace(&mut self) {
        if self.for_tests && self.after_mod && self.test_module.is_none() {
            self.test_module = Some(self.braces);
        }
        self.item_begins();
        if let Some((name, line, _)) = self.signature.take_if(|(_, _, brackets)| *brackets == self.brackets) {
            self.open.push((name, line, self.braces));
        }
        self.braces += 1;
    }

    fn close_brace(&mut self) {
        self.braces = self.braces.saturating_sub(1);
        if self.test_module.is_some_and(|braces| braces == self.braces) {
            self.test_module = None;
        }
        if let Some((name, line, _)) = self.open.pop_if(|(_, _, braces)| *braces == self.braces)
            && self.test_module.is_none()
        {
            self.found.push(Function { name, line, lines: self.line + 1 - line });
        }
    }

    /// Attributes and keywords seen so far belonged to what has just ended or opened.
    fn item_begins(&mut self) {
        self.for_tests = false;
        self.after_mod = false;
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The source with comments and literals replaced by spaces, its lines kept.
fn code_only(source: &str) -> String {
    let mut code = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let skipped = comment_bytes(rest).or_else(|| literal_bytes(rest));
        let (head, tail) = rest.split_at(skipped.unwrap_or(first.len_utf8()));
        match skipped {
            Some(_) => code.extend(head.chars().map(|c| if c == '\n' { '\n' } else { ' ' })),
            None => code.push(first),
        }
        rest = tail;
    }
    code
}

/// The length of the comment that begins here, if one does.
fn comment_bytes(text: &str) -> Option<usize> {
    if text.starts_with("//") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    if !text.starts_with("/*") {
        return None;
    }
    let mut depth = 0_usize;
    let mut at = 0;
    // Comments nest, and each mark is two bytes long.
    while let Some(step) = text.split_at(at).1.find(['/', '*']) {
        at += step;
        let here = text.split_at(at).1;
        if here.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with("*/") {
            depth -= 1;
            at += 2;
        } else {
            at += 1;
        }
        if depth == 0 {
            return Some(at);
        }
    }
    Some(text.len())
}

/// The length of the string or character that begins here, if one does; prefixes other than `r` don't matter.
fn literal_bytes(text: &str) -> Option<usize> {
    if let Some(raw) = text.strip_prefix('r') {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        let body = raw.split_at(hashes).1.strip_prefix('"')?;
        let end = format!("\"{}", "#".repeat(hashes));
        let opening = text.len() - body.len();
        return Some(body.find(&end).map_or(text.len(), |at| opening + at + end.len()));
    }
    if let Some(body) = text.strip_prefix('"') {
        return Some(quoted_bytes(body, '"').map_or(text.len(), |bytes| 1 + bytes));
    }
    let body = text.strip_prefix('\'')?;
    let mut characters = body.chars();
    let (first, second) = (characters.next()?, characters.next()?);
    // `'a` without a closing quote is a lifetime.
    if first == '\\' || second == '\'' { quoted_bytes(body, '\'').map(|bytes| 1 + bytes) } else { None }
}

/// The length up to and with the closing quote, escapes passed over.
fn quoted_bytes(body: &str, quote: char) -> Option<usize> {
    let mut is_escaped = false;
    for (at, c) in body.char_indices() {
        if !is_escaped && c == quote {
            return Some(at + c.len_utf8());
        }
        is_escaped = !is_escaped && c == '\\';
    }
    None
}

#[cfg(test)]
mod tests;
