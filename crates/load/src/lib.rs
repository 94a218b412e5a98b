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
mod gather;
mod held;
pub mod histogram;
mod hold;
mod links;
mod mixture;
mod opener;
pub mod process;
pub mod profile;
mod recorder;
pub mod routes;
pub mod schedule;
mod shaken;
pub mod spec;
mod token;
mod turn;
pub mod worker;
