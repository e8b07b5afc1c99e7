//! What the job file says about a sink of part files, wherever they lie.

use std::collections::BTreeSet;
use std::time::Duration;

use weir_model::section::Section;
use weir_model::{Error, Result};

use super::SinkStart;
use super::on_disk::Counters;
use super::part::{PartName, UNFINISHED, is_finished};
use super::render::SinkFormat;

/// Flink's default of the row format's rolling policy.
const ROLL_BYTES: u64 = 128 << 20;
/// Flink's default of the row format's rolling policy.
const ROLL_INTERVAL: Duration = Duration::from_secs(60);
/// More than anybody wants, and still little enough for an object store's largest object.
const ROLL_BYTES_MAX: u64 = 64 << 30;

/// The keys of a `file` sink, but for its place.
#[derive(Debug, Clone)]
pub(super) struct PartSettings {
    /// Where `path` stands in the job file, for messages.
    place: String,
    pub(super) format: SinkFormat,
    pub(super) header: bool,
    /// Parts of an earlier run may be replaced.
    pub(super) overwrite: bool,
    /// Whether an empty file says at the end that everything is there.
    pub(super) end_marker: bool,
    /// A part that has reached this size is ended.
    pub(super) roll_bytes: u64,
    /// A part that is this old is ended when the next record comes.
    pub(super) roll_interval: Duration,
}

impl PartSettings {
    /// Reads the keys, and gives `path` as it stands.
    pub(super) fn parse(mut section: Section) -> Result<(Self, String)> {
        let (path, line) = section.require_string("path", "\"output\"")?;
        let place = section.key_place(line, "path");
        let format = SinkFormat::take(&mut section)?;
        let header = section.take_bool("header")?;
        if let Some((_, line)) = header.filter(|_| format != SinkFormat::Csv) {
            return Err(section.key_error(line, "header", "only format = \"csv\" has one", "remove it, or set format = \"csv\""));
        }
        let flag = |taken: Option<(bool, usize)>| taken.is_some_and(|(flag, _)| flag);
        let overwrite = flag(section.take_bool("overwrite")?);
        let end_marker = flag(section.take_bool("end-marker")?);
        let roll_bytes = match section.take_size("roll-size")? {
            Some((bytes, line)) if bytes == 0 || bytes > ROLL_BYTES_MAX => {
                return Err(section.key_error(line, "roll-size", "it isn't from one byte to 64 GiB", "write a size such as \"128MiB\""));
            }
            taken => taken.map_or(ROLL_BYTES, |(bytes, _)| bytes),
        };
        let roll_interval = match section.take_duration("roll-interval")? {
            Some((interval, line)) if interval.is_zero() => {
                return Err(section.key_error(line, "roll-interval", "it is zero", "write a duration such as \"60s\""));
            }
            taken => taken.map_or(ROLL_INTERVAL, |(interval, _)| interval),
        };
        section.finish()?;
        Ok((Self { place, format, header: flag(header), overwrite, end_marker, roll_bytes, roll_interval }, path))
    }

    /// Which of the `names` at `location` go before writers are opened there. `held_back` are parts that a later checkpoint is to finish.
    ///
    /// # Errors
    /// A usage error when one of them is somebody's output and may not be overwritten.
    pub(super) fn in_the_way<'a>(
        &self,
        location: &str,
        names: &'a [String],
        start: SinkStart<'_>,
        counters: &Counters,
        held_back: &BTreeSet<PartName>,
    ) -> Result<Vec<&'a String>> {
        if start.has_committed() {
            let newer = self.newer_parts(location, names, counters)?;
            // What was to be committed is: whatever is unfinished now was left by a run that has been taken over since leftovers were removed.
            let leftovers = names.iter().filter(|name| PartName::parse_unfinished(name).is_some_and(|part| !held_back.contains(&part)));
            return Ok(newer.into_iter().chain(leftovers).collect());
        }
        self.check_unoccupied(location, names)?;
        // Without checkpoints an earlier result stays until there is another one; what never became a result can go.
        Ok(names.iter().filter(|name| start.with_checkpoints() || name.ends_with(UNFINISHED)).collect())
    }

    /// What is in the way of a fresh start at `location`, which holds files of these `names`.
    fn check_unoccupied(&self, location: &str, names: &[String]) -> Result<()> {
        if self.overwrite {
            return Ok(());
        }
        // What is finished comes first: it is worth more to its owner.
        if let Some(name) = names.iter().find(|name| is_finished(name)) {
            let remedy = "name another folder, move the part files away, or set overwrite = true to replace them";
            return Err(self.refuse(format!("the folder `{location}` holds `{name}` already"), remedy));
        }
        names.first().map_or(Ok(()), |name| {
            let why = format!("the folder `{location}` holds `{name}`, which belongs to a run that didn't finish");
            Err(self.refuse(why, format!("remove `{location}/{name}`, name another folder, or set overwrite = true to replace it")))
        })
    }

    /// The finished parts among `names` that a newer checkpoint than the restored one has committed: they may be removed. Unless that is wanted, going
    /// on would show their records twice.
    fn newer_parts<'a>(&self, location: &str, names: &'a [String], counters: &Counters) -> Result<Vec<&'a String>> {
        let newer: Vec<_> = names.iter().filter(|name| PartName::parse(name).is_some_and(|part| counters.is_newer(&part))).collect();
        match newer.first() {
            Some(name) if !self.overwrite => Err(self.refuse(
                format!("`{location}` holds `{name}`, which a newer checkpoint has committed than the one that the job would go on from"),
                "bring that checkpoint's folder back and name it with --restore-from, move the newer parts away, or set overwrite = true to remove them",
            )),
            _ => Ok(newer),
        }
    }

    /// An error about `path`.
    pub(super) fn refuse(&self, why: impl Into<String>, remedy: impl Into<String>) -> Error {
        Error::usage(&self.place, why, remedy)
    }
}
