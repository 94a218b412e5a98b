//! The built-in target: answers of any size, after any delay, at any capacity, faults on demand, and an exact count of what was asked.

mod answers;
mod connection;
mod delay;
mod exchange;
mod faults;
mod pausing;
pub mod process;
mod server;
pub mod spec;
mod stream;
