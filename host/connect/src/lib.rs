//! Where records come from and where they go: sources, sinks, and the formats of their files.
//!
//! Both sides are closed enums: [`source::SourceConfig`] and [`sink::SinkConfig`] are read from the job file, and opening one gives a
//! reader or a writer for each subtask. Nothing here knows plugins, tasks or state.

pub mod random;
pub mod sink;
pub mod source;
pub mod zipf;
pub mod zipf_text;

#[cfg(test)]
mod test_support;
