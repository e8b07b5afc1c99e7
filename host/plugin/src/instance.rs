//! One instance of a component, serving one function of one subtask.

use wasmtime::Store;
use wasmtime::component::TypedFunc;
use weir_state::Column;

use crate::bindings::v0_1;
use crate::engine::deadline_ticks;
use crate::error::{Breakage, CallError};
use crate::functions::{Answer, FinishParameters, Functions, OpenParameters, ProcessParameters, breakage, new_store};
use crate::guest::{Call, Guest, Subtask, Work};
use crate::host_functions::HostData;
use crate::limits::InstanceLimits;
use crate::load::Plugin;
use crate::services::Services;

/// One live instance.
struct Live {
    store: Store<HostData>,
    functions: Functions,
    calls: u64,
}

/// A function of a plugin, run in an instance that is replaced when it breaks or has grown.
pub(crate) struct WasmGuest {
    plugin: Plugin,
    subtask: Subtask,
    limits: InstanceLimits,
    live: Option<Live>,
}

impl Plugin {
    /// Makes and opens an instance for one subtask.
    ///
    /// # Errors
    /// When it can't be instantiated within its limits, or its `open` fails.
    pub fn instantiate(&self, subtask: Subtask, limits: InstanceLimits) -> Result<Box<dyn Guest>, Breakage> {
        let mut guest = WasmGuest { plugin: self.clone(), subtask, limits, live: None };
        guest.renew()?;
        Ok(Box::new(guest))
    }
}

impl WasmGuest {
    fn fresh(&self) -> Result<Live, Breakage> {
        let mut store = new_store(&self.plugin.engine, &self.limits);
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
                store.data_mut().services = None;
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
        live.store.data_mut().services = Some(services);
        live.store.set_epoch_deadline(deadline_ticks(call.timeout));
        live.store.data_mut().limiter.forget_denial();
        live.calls += 1;
        let limits = InstanceLimits { call_timeout: call.timeout, ..self.limits };
        let answer = Self::invoke(live, call).map_err(|error| breakage(&error, &live.store, &limits));
        let services = live.store.data_mut().services.take();
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

    fn renew(&mut self) -> Result<(), Breakage> {
        self.live = None;
        self.live = Some(self.fresh()?);
        Ok(())
    }

    fn is_worn(&self) -> bool {
        let worn = |live: &Live| live.calls >= self.limits.recycle_calls || live.store.data().limiter.memory_bytes() > self.limits.recycle_bytes();
        self.live.as_ref().is_none_or(worn)
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
