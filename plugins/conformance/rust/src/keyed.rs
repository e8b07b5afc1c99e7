//! Functions with state, one or more for each kind of it.

use std::time::Duration;

use serde_json::Value;
use weir_guest::{Collector, Error, Json, KeyedContext, KeyedProcess, ListState, MapState, OpenContext, Result, StateOptions, Utf8, ValueState};

pub(crate) struct Count {
    count: ValueState<u64>,
}

impl KeyedProcess for Count {
    type Key = Utf8;
    type In = u64;
    type Out = (Utf8, u64);

    fn open(ctx: &mut OpenContext) -> Self {
        Self { count: ctx.value_state("count") }
    }

    #[inline]
    fn process(&mut self, key: &str, n: u64, _: &mut KeyedContext, out: &mut Collector<Self::Out>) -> Result<()> {
        let total = self.count.get().unwrap_or(0).wrapping_add(n);
        self.count.set(total);
        out.collect((key, total));
        Ok(())
    }
}

pub(crate) struct Clear {
    count: ValueState<u64>,
}

impl KeyedProcess for Clear {
    type Key = Utf8;
    type In = u64;
    type Out = (Utf8, u64);

    fn open(ctx: &mut OpenContext) -> Self {
        Self { count: ctx.value_state("count") }
    }

    fn process(&mut self, key: &str, n: u64, _: &mut KeyedContext, out: &mut Collector<Self::Out>) -> Result<()> {
        if n == 0 {
            self.count.clear();
            out.collect((key, 0));
            return Ok(());
        }
        let total = self.count.get().unwrap_or(0).wrapping_add(n);
        self.count.set(total);
        out.collect((key, total));
        Ok(())
    }
}

pub(crate) struct History {
    items: ListState<Utf8>,
}

impl KeyedProcess for History {
    type Key = Utf8;
    type In = Utf8;
    type Out = (Utf8, Json<Value>);

    fn open(ctx: &mut OpenContext) -> Self {
        Self { items: ctx.list_state("items") }
    }

    fn process(&mut self, key: &str, value: &str, _: &mut KeyedContext, out: &mut Collector<Self::Out>) -> Result<()> {
        match value {
            "?" => out.collect((key, self.items.items().into())),
            "#" => out.collect((key, self.items.len().into())),
            "!" => self.items.clear(),
            _ => match value.strip_prefix('=') {
                Some("") => self.items.clear(),
                Some(items) => self.items.set(items.split(',')),
                None => self.items.add(value),
            },
        }
        Ok(())
    }
}

pub(crate) struct Ledger {
    amounts: MapState<Utf8, i64>,
}

impl KeyedProcess for Ledger {
    type Key = Utf8;
    type In = Json<Value>;
    type Out = (Utf8, Json<Value>);

    fn open(ctx: &mut OpenContext) -> Self {
        Self { amounts: ctx.map_state("amounts") }
    }

    fn process(&mut self, key: &str, command: Value, _: &mut KeyedContext, out: &mut Collector<Self::Out>) -> Result<()> {
        let text = |name: &str| command.get(name).and_then(Value::as_str);
        let is = |name: &str| command.get(name) == Some(&Value::Bool(true));
        if let Some(name) = text("add") {
            let amount = command.get("amount").and_then(Value::as_i64).ok_or_else(|| Error::new("the amount is missing"))?;
            let amount = self.amounts.get(name).unwrap_or(0).wrapping_add(amount);
            self.amounts.insert(name, amount);
            out.collect((key, amount.into()));
        } else if let Some(name) = text("remove") {
            let was_there = self.amounts.contains(name);
            self.amounts.remove(name);
            out.collect((key, was_there.into()));
        } else if is("list") {
            let amounts = self.amounts.entries().map(|(name, amount)| (name, Value::from(amount))).collect();
            out.collect((key, Value::Object(amounts)));
        } else if is("clear") {
            self.amounts.clear();
        } else {
            return Err(Error::new(format!("unknown command {command}")));
        }
        Ok(())
    }
}

pub(crate) struct Last {
    last: ValueState<Json<Value>>,
}

impl KeyedProcess for Last {
    type Key = Utf8;
    type In = Json<Value>;
    type Out = (Utf8, Json<Value>);

    fn open(ctx: &mut OpenContext) -> Self {
        Self { last: ctx.value_state_with("last", StateOptions::new().ttl(Duration::from_millis(1000))) }
    }

    fn process(&mut self, key: &str, value: Value, _: &mut KeyedContext, out: &mut Collector<Self::Out>) -> Result<()> {
        let before = self.last.get().unwrap_or(Value::Null);
        self.last.set(value);
        out.collect((key, before));
        Ok(())
    }
}

pub(crate) struct Sum1 {
    sum: ValueState<u64>,
}

impl KeyedProcess for Sum1 {
    type Key = Utf8;
    type In = u64;
    type Out = (Utf8, u64);

    fn open(ctx: &mut OpenContext) -> Self {
        Self { sum: ctx.value_state("sum") }
    }

    fn process(&mut self, key: &str, n: u64, _: &mut KeyedContext, out: &mut Collector<Self::Out>) -> Result<()> {
        let sum = self.sum.get().unwrap_or(0).wrapping_add(n);
        self.sum.set(sum);
        out.collect((key, sum));
        Ok(())
    }
}

pub(crate) struct Sum2 {
    sum: ValueState<f64>,
}

impl KeyedProcess for Sum2 {
    type Key = Utf8;
    type In = u64;
    type Out = (Utf8, f64);

    fn open(ctx: &mut OpenContext) -> Self {
        let step = |old: u64| if old == 13 { Err(Error::new("13 is unlucky")) } else { Ok(old as f64) };
        Self { sum: ctx.value_state_with("sum", StateOptions::<u64>::new().migrate_to(2, step)) }
    }

    fn process(&mut self, key: &str, n: u64, _: &mut KeyedContext, out: &mut Collector<Self::Out>) -> Result<()> {
        let sum = self.sum.get().unwrap_or(0.0) + n as f64;
        self.sum.set(sum);
        out.collect((key, sum));
        Ok(())
    }
}

pub(crate) struct Distinct {
    seen: MapState<Utf8, bool>,
    count: ValueState<u64>,
}

impl KeyedProcess for Distinct {
    type Key = Utf8;
    type In = Utf8;
    type Out = (Utf8, u64);

    fn open(ctx: &mut OpenContext) -> Self {
        Self { seen: ctx.map_state("seen"), count: ctx.value_state("count") }
    }

    fn process(&mut self, key: &str, value: &str, _: &mut KeyedContext, out: &mut Collector<Self::Out>) -> Result<()> {
        if self.seen.contains(value) {
            return Ok(());
        }
        self.seen.insert(value, true);
        let count = self.count.get().unwrap_or(0) + 1;
        self.count.set(count);
        out.collect((key, count));
        Ok(())
    }
}
