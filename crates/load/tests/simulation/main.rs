//! Whole loads in virtual time, thousands of them, against servers that misbehave at random.
//!
//! A failing seed is printed; `SEATRIAL_SEED=n cargo test -p seatrial-load --test simulation` runs it alone.

mod answers;
mod chaos;
mod connections;
mod hostile;
mod late;
mod lateness;
mod outage;
mod pacing;
mod sleeping;
mod stopped;
mod support;
mod truth;
mod window;
