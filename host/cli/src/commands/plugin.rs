//! `weir plugin`: what an operator's author needs.

pub(crate) mod build;
mod cargo;
pub(crate) mod data;
mod name;
pub(crate) mod new;
mod parts;
mod project;
mod recipe;
pub(crate) mod show;
pub(crate) mod test;
mod tool;
