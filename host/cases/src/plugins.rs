//! The plugins that cases run: the one under test, those that the command line names, those that cases name by their files.

use std::collections::BTreeMap;

use weir_model::Result;
use weir_plugin::{Plugin, PluginEngine};

use crate::case::{Case, PluginRef};

/// Plugins, each loaded once.
pub struct Plugins {
    loaded: BTreeMap<PluginRef, Plugin>,
}

impl Plugins {
    /// The plugin under test, and the others by their names.
    #[must_use]
    pub fn new(tested: Plugin, named: Vec<(String, Plugin)>) -> Self {
        let named = named.into_iter().map(|(name, plugin)| (PluginRef::Named(name), plugin));
        Self { loaded: named.chain([(PluginRef::Tested, tested)]).collect() }
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

    /// A name of a case that nobody has given a plugin for.
    pub(crate) fn missing<'a>(&self, case: &'a Case) -> Option<&'a str> {
        case.plugins().find_map(|plugin| match plugin {
            PluginRef::Named(name) if !self.loaded.contains_key(plugin) => Some(name.as_str()),
            _ => None,
        })
    }
}
