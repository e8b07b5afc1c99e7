//! Lines are read as sshd writes them, and each suspect is named once.

use weir_guest::testing::Harness;
use weir_guest::{Json, Postcard, Utf8};

use super::*;

fn check_line(line: &str, expected: Option<(&str, &str, Outcome)>) {
    let found = parse_line(line);
    let found = found.as_ref().map(|(address, attempt)| (address.as_str(), attempt.user.as_str(), attempt.outcome));
    assert_eq!(found, expected, "{line}");
}

#[test]
fn attempts_are_read_and_everything_else_is_not() {
    let failed = Outcome::Failed;
    let at = |message: &str| format!("Nov  2 10:15:32 gate sshd[812]: {message}");
    check_line(&at("Failed password for root from 203.0.113.5 port 51234 ssh2"), Some(("203.0.113.5", "root", failed(1))));
    check_line(&at("Failed password for invalid user admin from 2001:DB8:0:0::1 port 4022 ssh2"), Some(("2001:db8::1", "admin", failed(1))));
    check_line(&at("Failed none for invalid user  from 203.0.113.5 port 1 ssh2"), Some(("203.0.113.5", "", failed(1))));
    check_line(&at("Failed keyboard-interactive/pam for bob from ::ffff:203.0.113.5 port 1 ssh2"), Some(("203.0.113.5", "bob", failed(1))));
    check_line(&at("Accepted publickey for alice from 10.0.0.4 port 50022 ssh2: ED25519 SHA256:abc"), Some(("10.0.0.4", "alice", Outcome::Accepted)));
    check_line(
        &at("message repeated 3 times: [ Failed password for root from 203.0.113.5 port 51234 ssh2]"),
        Some(("203.0.113.5", "root", failed(3))),
    );
    // A user name that tries to blame another address.
    check_line(
        &at("Failed password for invalid user x from 198.51.100.1 port 1 from 203.0.113.5 port 2 ssh2"),
        Some(("203.0.113.5", "x from 198.51.100.1 port 1", failed(1))),
    );
    check_line(
        "2026-11-02T10:15:32.123456+00:00 gate sshd-session[812]: Failed password for root from fe80::1%eth0 port 2 ssh2",
        Some(("fe80::1", "root", failed(1))),
    );
    for noise in [
        "Invalid user admin from 203.0.113.5 port 4022",
        "Connection closed by authenticating user root 203.0.113.5 port 51234 [preauth]",
        "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=203.0.113.5  user=root",
        "Failed password for root from somewhere port 1 ssh2",
        "Failed password for root",
        "message repeated many times: [ Failed password for root from 203.0.113.5 port 1 ssh2]",
        "",
    ] {
        check_line(&at(noise), None);
    }
    for line in [
        "",
        "Nov",
        "Nov  2 10:15:32",
        "Nov  2 10:15:32 gate",
        "ÄÖÜÄÖÜÄÖÜÄÖÜÄÖÜ",
        "2026",
        "gate CRON[1]: Failed password for root from 203.0.113.5 port 1",
    ] {
        check_line(line, None);
    }
    check_line("Nov  2 10:15:32 gate su[9]: Failed password for root from 203.0.113.5 port 1 ssh2", None);
}

/// The alerts for failed attempts (address, user, times).
fn alerts(config: &[(&str, &str)], attempts: &[(&str, &str, u64)]) -> Vec<(String, Reason, u64, u64)> {
    let mut harness = Harness::with_config::<Suspects>(config);
    for (i, (address, user, times)) in attempts.iter().enumerate() {
        let attempt = LogIn { time: format!("t{i}"), user: (*user).to_owned(), outcome: Outcome::Failed(*times) };
        harness.push_record::<(Utf8, Postcard<LogIn>)>((address, attempt));
    }
    harness.process_at_every_batch_size();
    assert_eq!(harness.failures(), []);
    harness.records::<(Utf8, Json<Alert>)>().into_iter().map(|(_, a)| (a.address, a.reason, a.failed, a.users)).collect()
}

#[test]
fn an_address_is_named_once_when_it_passes_a_threshold() {
    let (a, b) = ("203.0.113.5", "2001:db8::1");
    let none: [(String, Reason, u64, u64); 0] = [];
    assert_eq!(alerts(&[], &[(a, "root", 9), (b, "root", 9)]), none);
    assert_eq!(alerts(&[], &[(a, "root", 9), (b, "root", 1), (a, "root", 1), (a, "root", 50)]), [(a.to_owned(), Reason::Failures, 10, 1)]);
    assert_eq!(alerts(&[("failures", "3")], &[(a, "root", 7), (a, "bob", 1)]), [(a.to_owned(), Reason::Failures, 7, 1)]);
    let users = [(a, "u1", 1), (a, "u2", 1), (b, "u1", 1), (a, "u2", 1), (a, "u3", 1), (a, "u4", 1)];
    assert_eq!(alerts(&[("users", "3")], &users), [(a.to_owned(), Reason::Users, 4, 3)]);
}

#[test]
fn a_log_in_that_succeeds_is_no_failure() {
    let mut harness = Harness::with_config::<Suspects>(&[("failures", "1")]);
    harness
        .push_record::<(Utf8, Postcard<LogIn>)>(("10.0.0.4", LogIn { time: "t".to_owned(), user: "alice".to_owned(), outcome: Outcome::Accepted }));
    harness.process(1);
    assert!(harness.rows().is_empty() && harness.snapshot().is_empty());
}

#[test]
fn thresholds_of_zero_are_refused() {
    let config = [("users".to_owned(), "0".to_owned())];
    let refusal = plugin().open("suspects", &config, &weir_guest::native::Subtask::default()).err();
    assert!(refusal.is_some_and(|message| message.contains("1 or more")));
}

#[test]
fn the_sample_log_names_its_five_suspects() {
    let mut parse = Harness::new::<Parse>();
    for line in include_str!("../input/auth.log").lines() {
        parse.push_value(line);
    }
    parse.process_at_every_batch_size();
    assert!(parse.counter("ignored-lines") > 50);

    let mut suspects = Harness::new::<Suspects>();
    for (address, attempt) in parse.records::<(Utf8, Postcard<LogIn>)>() {
        suspects.push_record::<(Utf8, Postcard<LogIn>)>((address, attempt));
    }
    suspects.process_at_every_batch_size();
    let mut named: Vec<_> = suspects.records::<(Utf8, Json<Alert>)>().into_iter().map(|(address, alert)| (address, alert.reason)).collect();
    named.sort_by_key(|(address, _)| *address);
    let expected = [
        ("192.0.2.77", Reason::Users),
        ("198.51.100.23", Reason::Failures),
        ("2001:db8:bad::17", Reason::Failures),
        ("2001:db8:cafe::2", Reason::Users),
        ("203.0.113.199", Reason::Failures),
    ];
    assert_eq!(named, expected);
}
