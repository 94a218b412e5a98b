//! The load-generating worker: schedules, the connection table, errors, histograms and interval frames.

pub mod histogram;
