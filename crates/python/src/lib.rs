//! The only crate that knows Python: `seatrial._engine`.

mod histogram;

use pyo3::prelude::*;

/// The native half of Seatrial.
#[pymodule]
mod _engine {
    #[pymodule_export]
    use super::histogram::Histogram;
}
