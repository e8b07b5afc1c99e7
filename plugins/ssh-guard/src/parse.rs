//! From a line of sshd's log to a log-in attempt.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use weir_guest::{Collector, Counter, FlatMap, OpenContext, Postcard, Result, Utf8};

/// One line's log-in attempts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogIn {
    /// When, as the log says it: syslog's times have no year and no zone, so they are not made into event time.
    pub time: String,
    /// The name that was tried.
    pub user: String,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// Refused, this many times: syslog folds repeated messages into one line.
    Failed(u64),
    /// Let in.
    Accepted,
}

/// Reads sshd's log lines into log-in attempts, keyed by source address; all other lines are dropped.
#[derive(Debug, Default)]
pub struct Parse {
    /// Lines that are no attempt, among the metrics.
    ignored: Option<Counter>,
}

impl FlatMap for Parse {
    type In = Utf8;
    type Out = (String, Postcard<LogIn>);

    fn open(ctx: &mut OpenContext) -> Self {
        Self { ignored: Some(ctx.counter("ignored-lines")) }
    }

    fn flat_map(&mut self, line: &str, out: &mut Collector<Self::Out>) -> Result<()> {
        match parse_line(line) {
            Some(attempt) => out.collect(attempt),
            None => self.ignored.iter().for_each(|counter| counter.add(1)),
        }
        Ok(())
    }
}

/// The source address and the attempt of a line; `None` for a line that is no finished attempt.
///
/// `Invalid user …` lines don't count: the refusal of the password follows them.
#[must_use]
pub fn parse_line(line: &str) -> Option<(String, LogIn)> {
    let (time, rest) = split_time(line)?;
    let (program, message) = rest.split_once(' ')?.1.split_once(": ")?;
    if !(program.starts_with("sshd[") || program.starts_with("sshd-session[")) {
        return None;
    }
    let (times, message) = unfold(message)?;
    let (failed, rest) = match message.split_once(' ')? {
        ("Failed", rest) => (true, rest),
        ("Accepted", rest) => (false, rest),
        _ => return None,
    };
    // `password for`, `publickey for`, `keyboard-interactive/pam for` …
    let (_, rest) = rest.split_once(" for ")?;
    let rest = rest.strip_prefix("invalid user ").unwrap_or(rest);
    // The user's name is the attacker's text and may contain ` from `: what counts is the last one, which sshd wrote.
    let (user, source) = rest.rsplit_once(" from ")?;
    let (address, _) = source.split_once(" port ")?;
    let outcome = if failed { Outcome::Failed(times) } else { Outcome::Accepted };
    Some((canonical(address)?, LogIn { time: time.to_owned(), user: user.to_owned(), outcome }))
}

/// The time at the start of a line: syslog's `Nov  2 10:15:32`, or RFC 3339.
fn split_time(line: &str) -> Option<(&str, &str)> {
    if line.starts_with(|first: char| first.is_ascii_digit()) {
        return line.split_once(' ');
    }
    let (time, rest) = line.split_at_checked(15)?;
    match time.as_bytes() {
        [_, _, _, b' ', _, _, b' ', _, _, b':', _, _, b':', _, _] => Some((time, rest.strip_prefix(' ')?)),
        _ => None,
    }
}

/// `message repeated 3 times: [ … ]` is three of what is inside.
fn unfold(message: &str) -> Option<(u64, &str)> {
    match message.strip_prefix("message repeated ") {
        None => Some((1, message)),
        Some(rest) => {
            let (times, rest) = rest.split_once(" times: [ ")?;
            Some((times.parse().ok()?, rest.strip_suffix(']')?))
        }
    }
}

/// One spelling for each address: an IPv6 address has many, and an IPv4 address may come dressed as one.
fn canonical(address: &str) -> Option<String> {
    // A zone (`fe80::1%eth0`) names the server's interface, not the client.
    let address = address.split_once('%').map_or(address, |(address, _)| address);
    address.parse::<IpAddr>().ok().map(|address| address.to_canonical().to_string())
}
