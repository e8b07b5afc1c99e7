//! Functions without state.

use serde_json::{Value, json};
use weir_guest::{Collector, Counter, Error, Filter, FlatMap, Json, Map, OpenContext, Result, Utf8};

#[derive(Default)]
pub(crate) struct Reverse {
    turned: String,
}

impl Map for Reverse {
    type In = Utf8;
    type Out = Utf8;

    fn map<'a>(&'a mut self, text: &'a str) -> Result<&'a str> {
        self.turned.clear();
        self.turned.extend(text.chars().rev());
        Ok(&self.turned)
    }
}

#[derive(Default)]
pub(crate) struct Even;

impl Filter for Even {
    type In = u64;

    fn filter(&mut self, number: u64) -> Result<bool> {
        Ok(number.is_multiple_of(2))
    }
}

#[derive(Default)]
pub(crate) struct Tokenize {
    lower: String,
}

impl FlatMap for Tokenize {
    type In = Utf8;
    type Out = (Utf8, u64);

    fn flat_map(&mut self, line: &str, out: &mut Collector<Self::Out>) -> Result<()> {
        for word in line.split([' ', '\t', '\n', '\r', '\x0b', '\x0c']).filter(|word| !word.is_empty()) {
            self.lower.clear();
            self.lower.push_str(word);
            self.lower.make_ascii_lowercase();
            out.collect((&self.lower, 1));
        }
        Ok(())
    }
}

#[derive(Default)]
pub(crate) struct Extract {
    path: Vec<String>,
}

impl FlatMap for Extract {
    type In = Utf8;
    type Out = Utf8;

    fn open(ctx: &mut OpenContext) -> Self {
        Self { path: ctx.config("field").unwrap_or("user.name").split('.').map(str::to_owned).collect() }
    }

    fn flat_map(&mut self, line: &str, out: &mut Collector<Self::Out>) -> Result<()> {
        let value: Value = serde_json::from_str(line).map_err(|error| Error::new(format!("not JSON: {error}")))?;
        match self.path.iter().try_fold(&value, |value, name| value.get(name)) {
            Some(Value::String(text)) => out.collect(text),
            Some(value @ (Value::Number(_) | Value::Bool(_))) => out.collect(&value.to_string()),
            _ => {}
        }
        Ok(())
    }
}

#[derive(Default)]
pub(crate) struct Strict;

impl FlatMap for Strict {
    type In = Utf8;
    type Out = Utf8;

    fn flat_map(&mut self, text: &str, out: &mut Collector<Self::Out>) -> Result<()> {
        match text {
            "bad" => return Err(Error::new("bad record: bad")),
            "throw" => panic!("thrown on purpose"),
            _ => out.collect(text),
        }
        if text == "double" { Err(Error::new("refused after emitting")) } else { Ok(()) }
    }
}

#[derive(Default)]
pub(crate) struct Greet {
    greeting: String,
    greeted: Option<Counter>,
    line: String,
}

impl Map for Greet {
    type In = Utf8;
    type Out = Utf8;

    fn open(ctx: &mut OpenContext) -> Self {
        let greeting = ctx.config("greeting").map(str::to_owned);
        if greeting.is_none() {
            ctx.refuse("greeting is missing");
        }
        Self { greeting: greeting.unwrap_or_default(), greeted: Some(ctx.counter("greeted")), line: String::new() }
    }

    fn map<'a>(&'a mut self, name: &'a str) -> Result<&'a str> {
        if let Some(greeted) = &self.greeted {
            greeted.add(1);
        }
        self.line.clear();
        self.line.extend([&self.greeting, " ", name]);
        Ok(&self.line)
    }
}

#[derive(Default)]
pub(crate) struct Times;

impl FlatMap for Times {
    type In = Utf8;
    type Out = Json<Value>;

    fn flat_map(&mut self, _: &str, out: &mut Collector<Self::Out>) -> Result<()> {
        let watermark = Some(out.watermark()).filter(|watermark| *watermark != i64::MIN);
        let times = json!({ "timestamp": out.timestamp(), "watermark": watermark, "time": out.processing_time() });
        out.collect(times);
        Ok(())
    }
}
