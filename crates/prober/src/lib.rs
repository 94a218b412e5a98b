//! Asks for changed routes again and again, at each replica of a proxy, until each serves the change: how soon is what is
//! measured. The rate is bounded however many there are, and how long each was not looked at is said beside every moment.

mod answers;
pub mod control;
mod line_up;
pub mod over;
mod place;
mod pool;
pub mod prober;
pub mod process;
pub mod report;
pub mod spec;
