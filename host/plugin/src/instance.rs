//! One instance of a component, serving one function of one subtask.

use std::sync::Arc;
use std::time::Duration;

use wasmtime::Store;
use wasmtime::component::TypedFunc;
use weir_state::{Column, MISSING, OwnedColumn};

use crate::bindings::v0_1;
use crate::engine::deadline_ticks;
use crate::error::{Breakage, CallError};
use crate::functions::{
    Answer, FinishParameters, Functions, MigrateAnswer, MigrateParameters, OpenParameters, ProcessParameters, breakage, new_store,
};
use crate::guest::{Call, CallContext, Guest, Migrate, Subtask, Work};
use crate::host_functions::HostData;
use crate::limits::InstanceLimits;
use crate::load::Plugin;
use crate::services::Services;
use crate::wasi::{Random, Wasi};

/// One live instance.
struct Live {
    store: Store<HostData>,
    functions: Functions,
    calls: u64,
}

impl Live {
    /// Prepares for a call; gives the limits that hold for it.
    fn begin(&mut self, services: Box<Services>, timeout: Duration, limits: InstanceLimits, context: CallContext) -> InstanceLimits {
        self.store.data_mut().services = Some(services);
        self.store.data_mut().wasi.begin_call(context.processing_time);
        self.store.set_epoch_deadline(deadline_ticks(timeout));
        self.store.data_mut().limiter.forget_denial();
        self.calls += 1;
        InstanceLimits { call_timeout: timeout, ..limits }
    }
}

/// A function of a plugin, run in an instance that is replaced when it breaks or has grown.
pub(crate) struct WasmGuest {
    plugin: Plugin,
    subtask: Subtask,
    limits: InstanceLimits,
    live: Option<Live>,
    /// The checkpoint that chance follows from, and the instances made since.
    epoch: (u64, u64),
}

impl Plugin {
    /// Makes and opens an instance for one subtask.
    ///
    /// # Errors
    /// When it can't be instantiated within its limits, or its `open` fails.
    pub fn instantiate(&self, subtask: Subtask, limits: InstanceLimits) -> Result<Box<dyn Guest>, Breakage> {
        let mut guest = WasmGuest { plugin: self.clone(), epoch: (subtask.checkpoint, 0), subtask, limits, live: None };
        guest.renew()?;
        Ok(Box::new(guest))
    }

    /// Whether the function of `subtask` can migrate values of `state` from an older schema version.
    ///
    /// # Errors
    /// Why not, in the plugin's words where it has any.
    pub fn migrates(&self, subtask: Subtask, limits: InstanceLimits, state: &str, from_version: u32) -> Result<(), String> {
        let mut guest = self.instantiate(subtask, limits).map_err(|breakage| breakage.to_string())?;
        let nothing = Migrate { state, from_version, values: Column::default(), timeout: limits.call_timeout };
        guest.migrate(&nothing).map(drop).map_err(|error| error.to_string())
    }
}

impl WasmGuest {
    fn fresh(&self) -> Result<Live, Breakage> {
        let random = Random::new(&self.subtask.uid, self.subtask.index, self.epoch.0, self.epoch.1);
        let wasi = Wasi::new(Arc::clone(&self.plugin.granted), random);
        let mut store = new_store(&self.plugin.engine, &self.limits, wasi);
        let instance = self.plugin.pre.instantiate(&mut store).map_err(|error| breakage(&error, &store, &self.limits))?;
        let functions = Functions::find(&mut store, &instance).map_err(Breakage::Contract)?;
        // A guest may log from `open` (an SDK's panic hook does): it gets services whose log is kept and whose rest is thrown away.
        store.data_mut().services = Some(Box::new(Services::detached(&self.subtask.uid, self.limits)));
        let place = v0_1::Subtask {
            uid: self.subtask.uid.clone(),
            index: self.subtask.index,
            parallelism: self.subtask.parallelism,
            max_parallelism: self.subtask.max_parallelism,
        };
        let open =
            functions.open.typed::<OpenParameters<'_>, (Result<(), String>,)>(&store).map_err(|error| Breakage::Contract(format!("{error:#}")))?;
        let opened = open.call(&mut store, (&self.subtask.function.name, &self.subtask.config, place));
        match opened {
            Ok((Ok(()),)) => {
                if let Some(mut services) = store.data_mut().end_call() {
                    services.write_log(false);
                }
                Ok(Live { store, functions, calls: 0 })
            }
            Ok((Err(message),)) => Err(Breakage::Open(cut(message))),
            Err(error) => Err(breakage(&error, &store, &self.limits)),
        }
    }

    fn invoke(live: &mut Live, call: &Call<'_>) -> wasmtime::Result<Answer> {
        let context = v0_1::CallContext { watermark: call.context.watermark, processing_time: call.context.processing_time };
        match call.work {
            Work::Process { input, rows, slots, values } => {
                let values: Vec<_> = values.iter().map(|Column { lengths, data }| v0_1::ColumnArgument { lengths, data }).collect();
                // SAFETY: `Functions::find` has checked this function against the same types, but for the lifetime.
                #[expect(unsafe_code, reason = "checking the type again would cost every call; see SAFETY")]
                let process = unsafe { TypedFunc::<ProcessParameters<'_>, Answer>::new_unchecked(live.functions.process) };
                process.call(&mut live.store, (input, rows, v0_1::KeyTable { slots, values: &values }, context))
            }
            Work::Finish => {
                // SAFETY: as above.
                #[expect(unsafe_code, reason = "checking the type again would cost every call; see SAFETY")]
                let finish = unsafe { TypedFunc::<FinishParameters, Answer>::new_unchecked(live.functions.finish) };
                finish.call(&mut live.store, (context,))
            }
        }
    }
}

impl Guest for WasmGuest {
    fn call(&mut self, call: &Call<'_>, services: Box<Services>) -> (Box<Services>, Result<(), CallError>) {
        let Some(live) = &mut self.live else {
            return (services, Err(Breakage::Trap("its instance is gone".to_owned()).into()));
        };
        let limits = live.begin(services, call.timeout, self.limits, call.context);
        let answer = Self::invoke(live, call).map_err(|error| breakage(&error, &live.store, &limits));
        let services = live.store.data_mut().end_call();
        // Only this function takes the services out, and it has put them in above.
        let services = services.unwrap_or_else(|| Box::new(Services::detached(&self.subtask.uid, self.limits)));
        let result = match answer {
            Ok((Ok(()),)) => Ok(()),
            Ok((Err(failure),)) => Err(CallError::Refused { row: failure.row, message: cut(failure.message) }),
            Err(breakage) => {
                self.live = None;
                Err(CallError::Broken(breakage))
            }
        };
        (services, result)
    }

    fn migrate(&mut self, migrate: &Migrate<'_>) -> Result<OwnedColumn, CallError> {
        let live = self.live.as_mut().ok_or_else(|| Breakage::Trap("its instance is gone".to_owned()))?;
        // It may log, and nothing else: not even the time is there.
        let no_time = CallContext { watermark: i64::MIN, processing_time: 0 };
        let limits = live.begin(Box::new(Services::detached(&self.subtask.uid, self.limits)), migrate.timeout, self.limits, no_time);
        let Column { lengths, data } = migrate.values;
        // SAFETY: `Functions::find` has checked this function against the same types, but for the lifetime.
        #[expect(unsafe_code, reason = "checking the type again would cost every call; see SAFETY")]
        let function = unsafe { TypedFunc::<MigrateParameters<'_>, MigrateAnswer>::new_unchecked(live.functions.migrate) };
        let answer = function.call(&mut live.store, (migrate.state, migrate.from_version, v0_1::ColumnArgument { lengths, data }));
        let answer = answer.map_err(|error| breakage(&error, &live.store, &limits));
        if let Some(mut services) = live.store.data_mut().end_call() {
            services.write_log(answer.is_err());
        }
        let result = match answer {
            Ok((Ok(column),)) => check_migrated(migrate.values, column.into()),
            Ok((Err(failure),)) => return Err(CallError::Refused { row: failure.row, message: cut(failure.message) }),
            Err(breakage) => Err(breakage),
        };
        if result.is_err() {
            self.live = None;
        }
        Ok(result?)
    }

    fn renew(&mut self) -> Result<(), Breakage> {
        self.live = None;
        self.live = Some(self.fresh()?);
        self.epoch.1 += 1;
        Ok(())
    }

    fn reseed(&mut self, checkpoint: u64) {
        self.epoch = (checkpoint, 1);
        if let Some(live) = &mut self.live {
            live.store.data_mut().wasi.reseed(Random::new(&self.subtask.uid, self.subtask.index, checkpoint, 0));
        }
    }

    fn is_worn(&self) -> bool {
        let worn = |live: &Live| live.calls >= self.limits.recycle_calls || live.store.data().limiter.memory_bytes() > self.limits.worn_bytes();
        self.live.as_ref().is_none_or(worn)
    }
}

/// The contract's promise of `migrate`: as many values as went in, and missing ones where they were missing.
fn check_migrated(values: Column<'_>, migrated: OwnedColumn) -> Result<OwnedColumn, Breakage> {
    let broken = |why: String| Breakage::Contract(format!("its migration gave {why}"));
    migrated.as_column().check(values.lengths.len()).map_err(|error| broken(error.to_string()))?;
    let is_missing = |length: &u32| *length == MISSING;
    match values.lengths.iter().zip(&migrated.lengths).position(|(before, after)| is_missing(before) != is_missing(after)) {
        Some(at) if migrated.lengths.get(at).is_some_and(is_missing) => Err(broken(format!("nothing for value {at}"))),
        Some(at) => Err(broken(format!("a value for the missing value {at}"))),
        None => Ok(migrated),
    }
}

/// A guest's words, no longer than anybody reads.
fn cut(mut message: String) -> String {
    const BYTES_MAX: usize = 4096;
    if message.len() > BYTES_MAX {
        let end = (0..=BYTES_MAX).rev().find(|at| message.is_char_boundary(*at)).unwrap_or(0);
        message.truncate(end);
        message.push('…');
        message.shrink_to_fit();
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_a_migration_has_the_shape_of_its_question() {
        let column = |items: &[Option<&str>]| {
            let mut column = OwnedColumn::default();
            items.iter().for_each(|item| column.push(item.map(str::as_bytes)));
            column
        };
        let check = |values: &[Option<&str>], answer: OwnedColumn, why: Option<&str>| {
            let found = check_migrated(column(values).as_column(), answer.clone());
            match (found, why) {
                (Ok(found), None) => assert_eq!(found, answer),
                (Err(breakage), Some(why)) => assert!(breakage.to_string().contains(why), "{breakage}"),
                (found, why) => panic!("{found:?}, expected {why:?}"),
            }
        };
        check(&[], column(&[]), None);
        check(&[Some("a"), None, Some("b")], column(&[Some(""), None, Some("bb")]), None);
        check(&[Some("a")], column(&[]), Some("0 lengths"));
        check(&[], column(&[Some("a")]), Some("1 lengths"));
        check(&[Some("a"), Some("b")], column(&[Some("a"), None]), Some("nothing for value 1"));
        check(&[None], column(&[Some("a")]), Some("a value for the missing value 0"));
        check(&[Some("a")], OwnedColumn { lengths: vec![5], data: vec![1] }, Some("add up to 5 bytes came with 1 bytes"));
        check(&[Some("a")], OwnedColumn { lengths: vec![1], data: vec![1, 2] }, Some("add up to 1 bytes came with 2 bytes"));
    }
}
