//! The plugins that cases run: the one under test, those that the command line names, those that cases name by their files.

use std::collections::BTreeMap;
use std::time::Duration;

use weir_model::Result;
use weir_plugin::{Plugin, PluginEngine};

use crate::case::{Case, PluginRef};

/// Plugins, each loaded once.
pub struct Plugins {
    loaded: BTreeMap<PluginRef, Plugin>,
    may_lack_functions: bool,
    call_timeout: Duration,
}

/// A case is not about deadlines, unless its author says so: a slow machine must not decide it.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

impl Plugins {
    /// The plugin under test, and the others by their names.
    #[must_use]
    pub fn new(tested: Plugin, named: Vec<(String, Plugin)>) -> Self {
        let named = named.into_iter().map(|(name, plugin)| (PluginRef::Named(name), plugin));
        Self { loaded: named.chain([(PluginRef::Tested, tested)]).collect(), may_lack_functions: false, call_timeout: CALL_TIMEOUT }
    }

    /// Whether a case is skipped when the plugin under test hasn't its function; else it fails.
    #[must_use]
    pub fn that_may_lack_functions(self, may: bool) -> Self {
        Self { may_lack_functions: may, ..self }
    }

    /// Ends calls after this time.
    #[must_use]
    pub fn with_call_timeout(self, call_timeout: Duration) -> Self {
        Self { call_timeout, ..self }
    }

    pub(crate) fn call_timeout(&self) -> Duration {
        self.call_timeout
    }

    /// A name that was given to a plugin and that no case uses, while a case lacks one of another name.
    #[must_use]
    pub fn mistaken_name<'a>(&'a self, cases: &'a [Case]) -> Option<(&'a str, &'a str)> {
        let needed = || cases.iter().flat_map(Case::plugins).filter_map(PluginRef::name);
        let lacking = needed().find(|name| !self.loaded.keys().any(|plugin| plugin.name() == Some(name)))?;
        let given = self.loaded.keys().filter_map(PluginRef::name).find(|name| !needed().any(|needed| needed == *name))?;
        Some((given, lacking))
    }

    /// Loads the files that `cases` name.
    ///
    /// # Errors
    /// When one of them isn't a plugin.
    pub fn load_files(&mut self, engine: &PluginEngine, cases: &[Case]) -> Result<()> {
        for plugin in cases.iter().flat_map(Case::plugins) {
            if let PluginRef::File(path) = plugin
                && !self.loaded.contains_key(plugin)
            {
                self.loaded.insert(plugin.clone(), Plugin::load(engine, path)?);
            }
        }
        Ok(())
    }

    pub(crate) fn tested(&self) -> Option<&Plugin> {
        self.get(&PluginRef::Tested)
    }

    pub(crate) fn get(&self, plugin: &PluginRef) -> Option<&Plugin> {
        self.loaded.get(plugin)
    }

    /// What a case needs that isn't there.
    pub(crate) fn missing(&self, case: &Case) -> Option<String> {
        let name = case.plugins().find_map(|plugin| match plugin {
            PluginRef::Named(name) if !self.loaded.contains_key(plugin) => Some(name.as_str()),
            _ => None,
        });
        if let Some(name) = name {
            return Some(format!("it needs a plugin `{name}`: give one with --plugin {name}=FILE.wasm"));
        }
        let has = |function: &str| self.tested().is_none_or(|plugin| plugin.description().function(function).is_some());
        let function = case.functions().find(|function| self.may_lack_functions && !has(function))?;
        Some(format!("the plugin has no function `{function}`"))
    }
}
