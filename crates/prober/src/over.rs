//! Which connections a probe goes over: a proxy may serve those that it had by what it knew before.

use serde::{Deserialize, Serialize};

/// Which connections a probe goes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Over {
    /// One that was there before the change.
    Kept,
    /// One of its own, opened for it.
    Fresh,
}
