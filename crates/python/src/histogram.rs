//! `seatrial._engine.Histogram`.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use seatrial_load::histogram::Histogram as Inner;

/// A histogram of durations in microseconds (3 significant digits, 1 us to 1 h, nothing dropped).
#[pyclass(module = "seatrial._engine")]
#[derive(Default)]
pub(crate) struct Histogram(Inner);

#[pymethods]
impl Histogram {
    #[new]
    fn new() -> Self {
        Self(Inner::new())
    }

    /// Reads a base64 V2 encoding; raises `ValueError` where it is not one.
    #[staticmethod]
    fn decode(encoded: &str) -> PyResult<Self> {
        Inner::decode(encoded).map(Self).map_err(PyValueError::new_err)
    }

    /// The base64 V2 encoding, deflated.
    fn encode(&self) -> String {
        self.0.encode()
    }

    /// Records a value `count` times.
    #[pyo3(signature = (value_us, count = 1))]
    fn record(&mut self, value_us: u64, count: u64) {
        self.0.record_us(value_us, count);
    }

    /// Adds every sample of `other`.
    fn add(&mut self, other: &Self) {
        self.0.add(&other.0);
    }

    /// Decodes `encoded` and adds every sample of it; raises `ValueError` where it is not an encoding.
    fn add_encoded(&mut self, encoded: &str) -> PyResult<()> {
        self.0.add(&Inner::decode(encoded).map_err(PyValueError::new_err)?);
        Ok(())
    }

    /// The smallest value that at least the fraction `quantile` (0 to 1) of the samples do not exceed.
    fn quantile_us(&self, quantile: f64) -> u64 {
        self.0.quantile_us(quantile)
    }

    /// Every occupied bucket as (highest value in it in us, samples in it), ascending.
    fn buckets(&self) -> Vec<(u64, u64)> {
        self.0.buckets()
    }

    #[getter]
    fn count(&self) -> u64 {
        self.0.count()
    }

    #[getter]
    fn min_us(&self) -> u64 {
        self.0.min_us()
    }

    #[getter]
    fn max_us(&self) -> u64 {
        self.0.max_us()
    }

    #[getter]
    fn mean_us(&self) -> f64 {
        self.0.mean_us()
    }

    #[getter]
    fn stdev_us(&self) -> f64 {
        self.0.stdev_us()
    }
}
