//! The only crate that knows Python: `seatrial._engine`.

mod door;
mod histogram;

use pyo3::prelude::*;

/// The native half of Seatrial.
#[pymodule]
mod _engine {
    use super::{PyResult, Python, door, pyfunction};

    #[pymodule_export]
    use super::histogram::Histogram;

    /// Runs a load worker on two pipes; raises `RuntimeError` with a text for a person.
    #[pyfunction]
    fn run_worker(py: Python<'_>, input_fd: i32, output_fd: i32) -> PyResult<()> {
        door::enter(py, || seatrial_load::process::run(input_fd, output_fd))
    }

    /// Runs an origin on two pipes; raises `RuntimeError` with a text for a person.
    #[pyfunction]
    fn run_origin(py: Python<'_>, input_fd: i32, output_fd: i32) -> PyResult<()> {
        door::enter(py, || seatrial_origin::process::run(input_fd, output_fd))
    }
}
