//! The load-generating worker: schedules, the connection table, errors, histograms and interval frames.

mod active;
pub mod control;
pub mod failure;
pub mod frame;
mod held;
pub mod histogram;
mod links;
mod opener;
pub mod process;
mod recorder;
pub mod schedule;
pub mod spec;
#[cfg(test)]
mod testing;
mod token;
pub mod worker;
