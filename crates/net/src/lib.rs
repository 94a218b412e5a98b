//! Sockets, clocks and the event-loop driver: the only crate that talks to the kernel.
//!
//! [`Driver`] is the seam: the load engine is written against it, [`epoll::EpollDriver`] is the
//! reference, [`uring::UringDriver`] the one to ask for where system calls are dear.

pub mod address;
pub mod clock;
pub mod driver;
pub mod epoll;
mod lead;
pub mod listener;
pub mod pipe;
mod ports;
pub mod process;
pub mod simulated;
pub mod socket;
mod sys;
mod timer;
pub mod tls;
pub mod uring;

pub use driver::{Connected, Driver, Ended, Event, Received, Route, Use, Wake};
