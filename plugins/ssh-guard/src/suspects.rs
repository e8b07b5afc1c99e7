//! Failed log-ins and users tried per address, and the alert.

use serde::{Deserialize, Serialize};
use weir_guest::{Collector, Json, KeyedContext, KeyedProcess, MapState, OpenContext, Postcard, Result, Utf8, ValueState};

use crate::parse::{LogIn, Outcome};

/// Raised once for an address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// Where the attempts came from.
    pub address: String,
    /// Which threshold was passed.
    pub reason: Reason,
    /// Failed log-ins so far.
    pub failed: u64,
    /// Different users tried so far.
    pub users: u64,
    /// When the first of them failed, as the log says it.
    pub first: String,
    /// When the last of them failed.
    pub last: String,
}

/// Which threshold was passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// `failures`: too many failed log-ins.
    Failures,
    /// `users`: too many different users.
    Users,
}

/// What is known of an address that has failed at least once.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Seen {
    failed: u64,
    users: u64,
    first: String,
    alerted: bool,
}

/// Raises one alert per address that fails too often or tries too many users.
///
/// Config: `failures` (10) and `users` (5), the numbers at which the alert is raised.
pub struct Suspects {
    failures_max: u64,
    users_max: u64,
    seen: ValueState<Postcard<Seen>>,
    /// Failed log-ins by user. An address holds no more of them than the thresholds allow.
    users: MapState<Utf8, u64>,
}

impl KeyedProcess for Suspects {
    type Key = Utf8;
    type In = Postcard<LogIn>;
    type Out = (Utf8, Json<Alert>);

    fn open(ctx: &mut OpenContext) -> Self {
        let (failures_max, users_max) = (ctx.config_or("failures", 10), ctx.config_or("users", 5));
        if failures_max == 0 || users_max == 0 {
            ctx.refuse("config `failures` and `users` must be 1 or more: an address that has not failed can't be a suspect");
        }
        Self { failures_max, users_max, seen: ctx.value_state("seen"), users: ctx.map_state("users") }
    }

    fn process(&mut self, address: &str, attempt: LogIn, _ctx: &mut KeyedContext, out: &mut Collector<Self::Out>) -> Result<()> {
        let Outcome::Failed(times) = attempt.outcome else { return Ok(()) };
        let mut seen = self.seen.get().unwrap_or_else(|| Seen { failed: 0, users: 0, first: attempt.time.clone(), alerted: false });
        seen.failed = seen.failed.saturating_add(times);
        if !seen.alerted {
            let before = self.users.get(&attempt.user);
            seen.users += u64::from(before.is_none());
            self.users.insert(&attempt.user, before.unwrap_or(0).saturating_add(times));
            if let Some(reason) = self.reason(&seen) {
                seen.alerted = true;
                let Seen { failed, users, ref first, .. } = seen;
                out.collect((address, Alert { address: address.to_owned(), reason, failed, users, first: first.clone(), last: attempt.time }));
            }
        }
        self.seen.set(seen);
        Ok(())
    }
}

impl Suspects {
    fn reason(&self, seen: &Seen) -> Option<Reason> {
        if seen.failed >= self.failures_max {
            Some(Reason::Failures)
        } else if seen.users >= self.users_max {
            Some(Reason::Users)
        } else {
            None
        }
    }
}
