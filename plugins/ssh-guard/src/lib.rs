//! Watches an SSH server's log for addresses that guess passwords.
//!
//! `parse` reads the lines of `auth.log` into log-in attempts, keyed by the address that they came from. `suspects` adds them up per address and raises
//! one alert for an address as soon as it has failed too often, or has tried too many different users.

mod parse;
mod suspects;

pub use parse::{LogIn, Outcome, Parse, parse_line};
pub use suspects::{Alert, Reason, Suspects};

weir_guest::export! {
    /// Reads sshd's log lines into log-in attempts, keyed by source address; all other lines are dropped.
    "parse" => Parse,
    /// Raises one alert per address that fails too often or tries too many users. Config: `failures` (10), `users` (5).
    "suspects" => Suspects,
}

#[cfg(test)]
mod tests;
