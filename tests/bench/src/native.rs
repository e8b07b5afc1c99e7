//! An operator compiled into the host, behind the same seam as a component instance: what is left is what WebAssembly costs.

use weir_guest::native::{self, Column, Failure, OwnedColumn, Page};
use weir_plugin::{Breakage, Call, CallError, Guest, InstanceLimits, Migrate, Services, Subtask, Work};

/// One function of the plugin crate `word-count`, native.
struct NativeGuest {
    operator: Box<dyn native::Operator>,
}

// SAFETY: the operator isn't `Send` because the SDK shares its parts by `Rc`. All of them belong to this one box, which moves as a
// whole and is used by one thread at a time.
#[expect(unsafe_code, reason = "see SAFETY")]
unsafe impl Send for NativeGuest {}

/// Opens `subtask`'s function of the word-count plugin natively.
pub(crate) fn open(subtask: &Subtask, _limits: InstanceLimits) -> Result<Box<dyn Guest>, Breakage> {
    let place = native::Subtask {
        uid: subtask.uid.clone(),
        index: subtask.index,
        parallelism: subtask.parallelism,
        max_parallelism: subtask.max_parallelism,
    };
    let operator = word_count::plugin().open(&subtask.function.name, &subtask.config, &place).map_err(Breakage::Open)?;
    Ok(Box::new(NativeGuest { operator }))
}

impl Guest for NativeGuest {
    fn call(&mut self, call: &Call<'_>, mut services: Box<Services>) -> (Box<Services>, Result<(), CallError>) {
        let mut adapter = Adapter { services: &mut services, broken: None };
        let result = match call.work {
            Work::Process { input, rows, slots, values } => {
                let values: Vec<_> = values.iter().map(|column| Column { lengths: column.lengths, data: column.data }).collect();
                let (watermark, processing_time) = (call.context.watermark, call.context.processing_time);
                let call = native::Call { input, records: rows, slots, values: &values, watermark, processing_time };
                self.operator.process(&call, &mut adapter)
            }
            Work::Finish => self.operator.finish(call.context.watermark, call.context.processing_time, &mut adapter),
        };
        let result = match (adapter.broken, result) {
            (Some(breakage), _) => Err(breakage.into()),
            (None, Ok(())) => Ok(()),
            (None, Err(Failure { row, message })) => Err(CallError::Refused { row, message }),
        };
        (services, result)
    }

    fn migrate(&mut self, migrate: &Migrate<'_>) -> Result<weir_state::OwnedColumn, CallError> {
        let values = Column { lengths: migrate.values.lengths, data: migrate.values.data };
        let migrated = self.operator.migrate(migrate.state, migrate.from_version, values);
        migrated.map(give).map_err(|Failure { row, message }| CallError::Refused { row, message })
    }

    fn renew(&mut self) -> Result<(), Breakage> {
        Ok(())
    }

    fn is_worn(&self) -> bool {
        false
    }
}

/// The host's services under the SDK's names.
struct Adapter<'a> {
    services: &'a mut Services,
    broken: Option<Breakage>,
}

impl Adapter<'_> {
    fn note<T: Default>(&mut self, result: Result<T, Breakage>) -> T {
        result.unwrap_or_else(|breakage| {
            self.broken = Some(breakage);
            T::default()
        })
    }
}

fn lend(column: Column<'_>) -> weir_state::Column<'_> {
    weir_state::Column { lengths: column.lengths, data: column.data }
}

fn own(column: weir_state::OwnedColumn) -> OwnedColumn {
    OwnedColumn { lengths: column.lengths, data: column.data }
}

fn give(column: OwnedColumn) -> weir_state::OwnedColumn {
    weir_state::OwnedColumn { lengths: column.lengths, data: column.data }
}

impl native::Services for Adapter<'_> {
    fn emit(&mut self, output: u32, rows: &[u8]) {
        let result = self.services.emit(output, rows.to_vec());
        self.note(result);
    }

    fn put(&mut self, state: u32, slots: &[u32], values: Column<'_>) {
        let values = weir_state::OwnedColumn { lengths: values.lengths.to_vec(), data: values.data.to_vec() };
        let result = self.services.put(state, slots.to_vec(), values);
        self.note(result);
    }

    fn get_sub(&mut self, state: u32, slots: &[u32], sub_keys: Column<'_>) -> OwnedColumn {
        let result = self.services.get_sub(state, slots, lend(sub_keys));
        own(self.note(result))
    }

    fn put_sub(&mut self, state: u32, slots: &[u32], sub_keys: Column<'_>, values: Column<'_>) {
        let result = self.services.put_sub(state, slots, lend(sub_keys), lend(values));
        self.note(result);
    }

    fn scan(&mut self, state: u32, slot: u32, after: Option<&[u8]>, limit: u32) -> Page {
        let result = self.services.scan(state, slot, after, limit);
        let page = self.note(result);
        Page { sub_keys: own(page.sub_keys), values: own(page.values), more: page.more }
    }

    fn clear(&mut self, state: u32, slots: &[u32]) {
        let result = self.services.clear(state, slots);
        self.note(result);
    }

    fn log(&mut self, _: native::Level, _: &str) {}

    fn count(&mut self, name: &str, add: u64) {
        self.services.count(name, add);
    }
}
