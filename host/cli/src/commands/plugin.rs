//! `weir plugin`: what an operator's author needs.

pub(crate) mod build;
mod cargo;
pub(crate) mod data;
pub(crate) mod show;
pub(crate) mod test;
