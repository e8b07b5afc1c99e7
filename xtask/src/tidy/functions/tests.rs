//! What the scanner makes of Rust's corners.

use super::*;

/// `expect` is `name line lines`, joined by commas.
fn check(source: &str, expect: &str) {
    let found: Vec<String> = find(source).iter().map(|f| format!("{} {} {}", f.name, f.line, f.lines)).collect();
    assert_eq!(found.join(", "), expect, "in:\n{source}");
}

#[test]
fn functions_are_counted_from_fn_to_closing_brace() {
    check("fn a() {}\n", "a 1 1");
    check("\npub(crate) const unsafe fn a<T>(\n    x: T,\n) -> [u8; 3]\nwhere\n    T: Copy,\n{\n    x;\n}\n", "a 2 8");
    check("fn a() {\n}\nfn b() {\n\n}\n", "a 1 2, b 3 3");
    check("impl X {\n    fn a(&self) {\n        if x { y }\n    }\n}\nfn b() {}\n", "a 2 3, b 6 1");
    check("", "");
}

#[test]
fn a_function_in_a_function_counts_in_both() {
    check("fn a() {\n    fn b() {\n    }\n}\n", "a 1 4, b 2 2");
}

#[test]
fn what_has_no_body_is_no_function() {
    check("trait T {\n    fn a(&self);\n    fn b(x: [u8; 2]);\n    fn c() {}\n}\n", "c 4 1");
    check("type F = fn(u8) -> u8;\nstruct S { f: fn() }\nfn a(f: fn(u8)) {}\n", "a 3 1");
    check("extern \"C\" {\n    fn a();\n}\n", "");
}

#[test]
fn namesakes_are_numbered() {
    check("impl A { fn new() {} }\nimpl B { fn new() {} }\nimpl C { fn new() {} }\n", "new 1 1, new#2 2 1, new#3 3 1");
}

#[test]
fn braces_in_comments_and_literals_do_not_count() {
    check("fn a() {\n    // }\n    /* } /* } */ } */\n    \"}\\\"}\";\n}\n", "a 1 5");
    check("fn a() {\n    r#\"} \" }\"#;\n    br\"}\\\";\n    b'}';\n    '}';\n    '\\'';\n    '\\u{7d}';\n}\n", "a 1 8");
    check("fn a<'a>(x: &'a str) -> &'a str {\n    'l: loop { break 'l; }\n}\n", "a 1 3");
    check("fn a() {\n    \"a\n}\n\";\n}\n", "a 1 5");
    check("// fn not() {}\n/* fn not() {} */\nconst S: &str = \"fn not() {}\";\nfn a() {}\n", "a 4 1");
    check("fn r#match() {}\nfn über() { 'ü'; '}'; }\n", "match 1 1, über 2 1");
}

#[test]
fn test_modules_are_left_out_and_what_follows_them_is_not() {
    check("fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\nfn c() {}\n", "a 1 1, c 6 1");
    check("#[cfg(test)]\nmod tests;\nmod x { fn a() {} }\n", "a 3 1");
    check("#[cfg(test)]\nfn helper() {}\nmod x { fn a() {} }\n", "helper 2 1, a 3 1");
    check("#[cfg(all(test, unix))]\npub mod tests { mod deep { fn a() {} } fn b() {} }\n", "");
    check("#[cfg(not(test))]\nmod x { fn a() {} }\n", "a 2 1");
}

#[test]
fn a_file_that_ends_in_the_middle_is_read_to_its_end() {
    for source in ["fn a() {", "fn", "fn a", "\"", "'", "r#\"", "/*", "}}}", "'\\", "r", "/* /"] {
        check(source, "");
    }
}
