//! What a guest can call: the contract's imports over the services of the running call.

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, WasmList};
use weir_state::OwnedColumn;

use crate::bindings::v0_1;
use crate::error::Breakage;
use crate::limits::Limiter;
use crate::services::{LogLevel, Services};
use crate::wasi::{self, Wasi};

/// What host functions reach through the store.
pub(crate) struct HostData {
    /// `None` outside of calls that may use the host's services.
    pub(crate) services: Option<Box<Services>>,
    pub(crate) limiter: Limiter,
    pub(crate) wasi: Wasi,
}

impl HostData {
    /// What the guest said last in the running call, as an error: where SDKs leave a panic's message, and languages what ended them.
    pub(crate) fn last_words(&self) -> Option<&str> {
        self.services.as_ref().and_then(|services| services.last_error()).or_else(|| self.wasi.last_words())
    }

    /// Ends a call; gives back its services.
    pub(crate) fn end_call(&mut self) -> Option<Box<Services>> {
        let mut services = self.services.take()?;
        self.wasi.end_call(&mut services);
        Some(services)
    }
}

type HostResult<T> = wasmtime::Result<T>;

/// The services of the running call; a guest that asks outside of one (while it is described or opened) gets an error.
fn services<'a>(store: &'a mut StoreContextMut<'_, HostData>) -> HostResult<&'a mut Services> {
    let missing = || Breakage::Contract("it used a host service outside of process, on-timers and finish".to_owned());
    Ok(store.data_mut().services.as_deref_mut().ok_or_else(missing)?)
}

/// Puts the host's functions into the linker.
pub(crate) fn link(linker: &mut Linker<HostData>) -> HostResult<()> {
    type Store<'a> = StoreContextMut<'a, HostData>;
    linker.instance(v0_1::TYPES)?;
    wasi::link(linker)?;
    let mut output = linker.instance(v0_1::OUTPUT)?;
    output.func_wrap("emit", |mut store: Store<'_>, (output, rows): (u32, WasmList<u8>)| {
        let length = rows.as_le_slice(&store).len();
        services(&mut store)?.check_output(length)?;
        let rows = rows.as_le_slice(&store).to_vec();
        Ok(services(&mut store)?.emit(output, rows)?)
    })?;
    let mut state = linker.instance(v0_1::STATE)?;
    state.func_wrap("put", |mut store: Store<'_>, (state, slots, values): (u32, Vec<u32>, v0_1::Column)| {
        Ok(services(&mut store)?.put(state, slots, values.into())?)
    })?;
    state.func_wrap("get-sub", |mut store: Store<'_>, (state, slots, sub_keys): (u32, Vec<u32>, v0_1::Column)| {
        let found = services(&mut store)?.get_sub(state, &slots, OwnedColumn::from(sub_keys).as_column())?;
        Ok((v0_1::Column::from(found),))
    })?;
    type PutSub = (u32, Vec<u32>, v0_1::Column, v0_1::Column);
    state.func_wrap("put-sub", |mut store: Store<'_>, (state, slots, sub_keys, values): PutSub| {
        let (sub_keys, values) = (OwnedColumn::from(sub_keys), OwnedColumn::from(values));
        Ok(services(&mut store)?.put_sub(state, &slots, sub_keys.as_column(), values.as_column())?)
    })?;
    state.func_wrap("scan", |mut store: Store<'_>, (state, slot, after, limit): (u32, u32, Option<Vec<u8>>, u32)| {
        let page = services(&mut store)?.scan(state, slot, after.as_deref(), limit)?;
        Ok((v0_1::Page { sub_keys: page.sub_keys.into(), values: page.values.into(), more: page.more },))
    })?;
    state.func_wrap("clear", |mut store: Store<'_>, (state, slots): (u32, Vec<u32>)| Ok(services(&mut store)?.clear(state, &slots)?))?;
    let mut log = linker.instance(v0_1::LOG)?;
    log.func_wrap("log", |mut store: Store<'_>, (level, message): (v0_1::Level, String)| {
        if let Some(services) = store.data_mut().services.as_deref_mut() {
            services.log(level.into(), &message);
        }
        Ok(())
    })?;
    log.func_wrap("count", |mut store: Store<'_>, (name, add): (String, u64)| {
        services(&mut store)?.count(&name, add);
        Ok(())
    })
}

impl From<v0_1::Level> for LogLevel {
    fn from(from: v0_1::Level) -> Self {
        match from {
            v0_1::Level::Trace => Self::Trace,
            v0_1::Level::Debug => Self::Debug,
            v0_1::Level::Info => Self::Info,
            v0_1::Level::Warn => Self::Warn,
            v0_1::Level::Error => Self::Error,
        }
    }
}
