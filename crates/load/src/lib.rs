//! The load-generating worker: schedules, the connection table, errors, histograms and interval frames.

mod active;
mod catalog;
mod connection;
pub mod control;
mod encoder;
pub mod example;
pub mod expect;
mod experience;
pub mod failure;
pub mod frame;
mod handshakes;
mod held;
pub mod histogram;
mod links;
mod mixture;
mod napping;
mod opener;
mod phase_record;
pub mod process;
pub mod profile;
mod recorder;
pub mod routes;
pub mod schedule;
pub mod spec;
mod token;
mod turn;
pub mod worker;
