//! Time as a guest sees it: the call's processing time, which moves on only when the guest waits.

use wasmtime::StoreContextMut;
use wasmtime::component::{ComponentType, Lift, Linker, Lower, Resource, ResourceType};
use weir_model::time::SharedClock;

use super::VERSION;
use crate::error::Breakage;
use crate::host_functions::HostData;

/// Waits that a guest may have at a time.
const WAITS_MAX: usize = 4096;
/// The time before the first call. Go takes a clock that shows 0 for a broken one.
const FIRST_NS: u64 = 1;
const NS_PER_MS: u64 = 1_000_000;

/// Something that can be waited for: a time, or nothing.
pub(super) struct Pollable;

/// The clocks of one instance.
pub(super) struct Time {
    clock: Option<SharedClock>,
    /// Nanoseconds since the Unix epoch; never goes back.
    now_ns: u64,
    /// For each pollable: when it is ready.
    waits: Vec<Option<u64>>,
}

impl Time {
    pub(super) fn new(clock: Option<SharedClock>) -> Self {
        Self { clock, now_ns: FIRST_NS, waits: Vec::new() }
    }

    pub(super) fn begin_call(&mut self, processing_time_ms: i64) {
        let ns = u64::try_from(processing_time_ms).unwrap_or(0).saturating_mul(NS_PER_MS);
        self.now_ns = self.now_ns.max(ns);
    }

    /// Nanoseconds since the Unix epoch.
    fn now(&mut self) -> u64 {
        if let Some(clock) = &self.clock {
            let ns = u64::try_from(clock.wall_ms()).unwrap_or(0).saturating_mul(NS_PER_MS);
            self.now_ns = self.now_ns.max(ns);
        }
        self.now_ns
    }

    /// A pollable that is ready at `at_ns`.
    pub(super) fn wait(&mut self, at_ns: u64) -> wasmtime::Result<Resource<Pollable>> {
        let free = self.waits.iter().position(Option::is_none).unwrap_or(self.waits.len());
        if free >= WAITS_MAX {
            return Err(Breakage::Contract(format!("it waits for more than {WAITS_MAX} times at once")).into());
        }
        if free == self.waits.len() {
            self.waits.push(None);
        }
        if let Some(slot) = self.waits.get_mut(free) {
            *slot = Some(at_ns);
        }
        Ok(Resource::new_own(u32::try_from(free).unwrap_or(u32::MAX)))
    }

    fn ready_at(&self, pollable: &Resource<Pollable>) -> u64 {
        self.waits.get(pollable.rep() as usize).copied().flatten().unwrap_or(0)
    }

    fn forget(&mut self, rep: u32) {
        if let Some(slot) = self.waits.get_mut(rep as usize) {
            *slot = None;
        }
    }

    /// Goes on to the first of these times, and says which have come.
    fn poll(&mut self, pollables: &[Resource<Pollable>]) -> Vec<u32> {
        let first = pollables.iter().map(|pollable| self.ready_at(pollable)).min().unwrap_or(0);
        let now = self.now().max(first);
        self.now_ns = now;
        (0..).zip(pollables).filter(|(_, pollable)| self.ready_at(pollable) <= now).map(|(at, _)| at).collect()
    }
}

/// `wall-clock.datetime`.
#[derive(Debug, Clone, Copy, ComponentType, Lift, Lower)]
#[component(record)]
struct Datetime {
    seconds: u64,
    nanoseconds: u32,
}

const NS_PER_SECOND: u64 = 1_000_000_000;

type Store<'a> = StoreContextMut<'a, HostData>;

pub(super) fn link(linker: &mut Linker<HostData>) -> wasmtime::Result<()> {
    let mut poll = linker.instance(&format!("wasi:io/poll{VERSION}"))?;
    poll.resource("pollable", ResourceType::host::<Pollable>(), |mut store, rep| {
        store.data_mut().wasi.time.forget(rep);
        Ok(())
    })?;
    poll.func_wrap("[method]pollable.ready", |mut store: Store<'_>, (pollable,): (Resource<Pollable>,)| {
        let time = &mut store.data_mut().wasi.time;
        Ok((time.ready_at(&pollable) <= time.now(),))
    })?;
    poll.func_wrap("[method]pollable.block", |mut store: Store<'_>, (pollable,): (Resource<Pollable>,)| {
        store.data_mut().wasi.time.poll(&[pollable]);
        Ok(())
    })?;
    poll.func_wrap("poll", |mut store: Store<'_>, (pollables,): (Vec<Resource<Pollable>>,)| Ok((store.data_mut().wasi.time.poll(&pollables),)))?;

    let mut monotonic = linker.instance(&format!("wasi:clocks/monotonic-clock{VERSION}"))?;
    monotonic.func_wrap("now", |mut store: Store<'_>, (): ()| Ok((store.data_mut().wasi.time.now(),)))?;
    monotonic.func_wrap("resolution", |_: Store<'_>, (): ()| Ok((NS_PER_MS,)))?;
    monotonic.func_wrap("subscribe-instant", |mut store: Store<'_>, (at_ns,): (u64,)| Ok((store.data_mut().wasi.time.wait(at_ns)?,)))?;
    monotonic.func_wrap("subscribe-duration", |mut store: Store<'_>, (ns,): (u64,)| {
        let time = &mut store.data_mut().wasi.time;
        let at_ns = time.now().saturating_add(ns);
        Ok((time.wait(at_ns)?,))
    })?;

    let mut wall = linker.instance(&format!("wasi:clocks/wall-clock{VERSION}"))?;
    wall.func_wrap("now", |mut store: Store<'_>, (): ()| {
        let ns = store.data_mut().wasi.time.now();
        Ok((Datetime { seconds: ns / NS_PER_SECOND, nanoseconds: u32::try_from(ns % NS_PER_SECOND).unwrap_or(0) },))
    })?;
    wall.func_wrap("resolution", |_: Store<'_>, (): ()| Ok((Datetime { seconds: 0, nanoseconds: u32::try_from(NS_PER_MS).unwrap_or(0) },)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_waits_finds_that_the_time_has_come_and_time_never_goes_back() {
        let mut time = Time::new(None);
        time.begin_call(1000);
        assert_eq!(time.now(), 1_000_000_000);
        let (soon, late) = (time.wait(1_500_000_000).unwrap(), time.wait(u64::MAX).unwrap());
        let pollables = [late, soon];
        assert_eq!(time.poll(&pollables), [1]);
        assert_eq!(time.now(), 1_500_000_000);
        assert_eq!(time.poll(&pollables), [1], "it stays ready");
        time.begin_call(1200);
        assert_eq!(time.now(), 1_500_000_000);
        time.begin_call(-5);
        assert_eq!(time.now(), 1_500_000_000);
    }

    #[test]
    fn a_guest_can_only_wait_for_so_many_times_at_once() {
        let mut time = Time::new(None);
        (0..WAITS_MAX).for_each(|_| assert!(time.wait(1).is_ok()));
        assert!(time.wait(1).is_err());
        time.forget(7);
        assert_eq!(time.wait(1).unwrap().rep(), 7);
    }
}
