//! The only crate that knows Python: `seatrial._engine`.

mod door;
mod histogram;

use pyo3::prelude::*;
use seatrial_net::tls::certificates;

/// The native half of Seatrial.
#[pymodule]
mod _engine {
    use super::{PyResult, Python, certificates, door, pyfunction};

    #[pymodule_export]
    use super::histogram::Histogram;

    /// Runs a load worker on two pipes; raises `RuntimeError` with a text for a person.
    #[pyfunction]
    fn run_worker(py: Python<'_>, input_fd: i32, output_fd: i32) -> PyResult<()> {
        door::enter(py, || seatrial_load::process::run(input_fd, output_fd))
    }

    /// Runs a prober on two pipes; raises `RuntimeError` with a text for a person.
    #[pyfunction]
    fn run_prober(py: Python<'_>, input_fd: i32, output_fd: i32) -> PyResult<()> {
        door::enter(py, || seatrial_prober::process::run(input_fd, output_fd))
    }

    /// Issues a certificate for names and IP addresses; returns the PEM of its authority, of itself and of its key.
    #[pyfunction]
    #[allow(clippy::needless_pass_by_value, reason = "what Python hands over is converted, and so owned")]
    #[pyo3(signature = (names, valid_for_s = 2_592_000))]
    fn issue_certificate(
        py: Python<'_>,
        names: Vec<String>,
        valid_for_s: i64,
    ) -> PyResult<(String, String, String)> {
        let issued = door::enter(py, || certificates::issue(&names, valid_for_s))?;
        Ok((issued.ca_pem, issued.cert_pem, issued.key_pem))
    }

    /// Runs an origin on two pipes; raises `RuntimeError` with a text for a person.
    #[pyfunction]
    fn run_origin(py: Python<'_>, input_fd: i32, output_fd: i32) -> PyResult<()> {
        door::enter(py, || seatrial_origin::process::run(input_fd, output_fd))
    }
}
