//! The built-in target: answers of any size, after any delay, at any capacity, and an exact count of what was asked.

mod answers;
mod delay;
pub mod process;
mod server;
pub mod spec;
mod stream;
