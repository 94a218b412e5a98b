//! Whether io_uring works here, and if not, why: for a person.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use super::UringDriver;
use crate::address::RawAddress;
use crate::clock::now_ns;
use crate::driver::{Driver, Ended, Route, Use, Wake};

const SETTING: &str = "/proc/sys/kernel/io_uring_disabled";
/// A round trip over loopback takes microseconds; a busy machine may keep this process waiting.
const LIMIT: Duration = Duration::from_secs(2);
const MESSAGE: &[u8] = b"to and fro";

/// Why io_uring is not to be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal(String);

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Refusal {
    pub(super) fn of_setup(error: &io::Error) -> Self {
        let setting = std::fs::read_to_string(SETTING).unwrap_or_default();
        Self(explain(error, setting.trim()))
    }

    pub(super) fn of_operation(name: &str) -> Self {
        Self(format!("io_uring lacks an operation here (IORING_OP_{name}): the kernel is too old"))
    }
}

fn explain(error: &io::Error, setting: &str) -> String {
    match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) if setting == "2" => {
            "io_uring is not permitted here (EPERM): the sysctl kernel.io_uring_disabled is 2".to_owned()
        }
        Some(libc::EPERM | libc::EACCES) if setting == "1" => {
            "io_uring is not permitted here (EPERM): the sysctl kernel.io_uring_disabled is 1, which leaves it to \
             the group kernel.io_uring_group and to CAP_SYS_ADMIN"
                .to_owned()
        }
        Some(libc::EPERM | libc::EACCES) => {
            "io_uring is not permitted here (EPERM): most likely by a seccomp filter, as container runtimes have by \
             default"
                .to_owned()
        }
        Some(libc::ENOSYS) => "this kernel has no io_uring (ENOSYS)".to_owned(),
        Some(libc::EINVAL) => {
            "io_uring lacks what this driver needs (EINVAL): that takes Linux 6.1 or later".to_owned()
        }
        _ => format!("io_uring does not work here: {error}"),
    }
}

/// Sends bytes to a server of our own and gets them back.
pub(super) fn exchange(driver: &mut UringDriver) -> Result<(), Refusal> {
    match round_trip(driver) {
        Ok(true) => Ok(()),
        Ok(false) => {
            Err(Refusal("io_uring does not work here: bytes over loopback did not arrive".to_owned()))
        }
        Err(error) => Err(Refusal(format!("io_uring does not work here: {error}"))),
    }
}

fn round_trip(driver: &mut UringDriver) -> io::Result<bool> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let target = RawAddress::new(listener.local_addr()?);
    let socket = driver.connect(1, Route { target: &target, source: None }, Use::Requests)?;
    let outcome = echo(driver, &listener, socket);
    driver.close(socket, true);
    outcome
}

fn echo(driver: &mut UringDriver, listener: &TcpListener, socket: i32) -> io::Result<bool> {
    let (mut peer, _) = listener.accept()?;
    peer.set_read_timeout(Some(LIMIT))?;
    let deadline_ns = now_ns() + LIMIT.as_nanos() as u64;
    let (mut events, mut buffer, mut received) = (Vec::new(), [0; 64], Vec::new());
    let mut is_sent = false;
    while now_ns() < deadline_ns && received.len() < MESSAGE.len() {
        driver.wait(&mut events, Some(deadline_ns), Wake::OnEvent)?;
        if !events.is_empty() && !is_sent {
            driver.connected(socket, Ended::Somehow)?;
            driver.send(socket, MESSAGE)?;
            driver.wait(&mut events, Some(now_ns()), Wake::OnEvent)?;
            let mut heard = [0; MESSAGE.len()];
            peer.read_exact(&mut heard)?;
            peer.write_all(&heard)?;
            is_sent = true;
        }
        match driver.receive(socket, &mut buffer) {
            Ok(part) => received.extend_from_slice(&buffer[..part.len]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(received == MESSAGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_who_refuses() {
        let because = |code, setting| explain(&io::Error::from_raw_os_error(code), setting);
        assert!(because(libc::EPERM, "2").contains("kernel.io_uring_disabled is 2"));
        assert!(because(libc::EPERM, "1").contains("kernel.io_uring_group"));
        assert!(because(libc::EPERM, "0").contains("seccomp"));
        assert!(because(libc::ENOSYS, "").contains("ENOSYS"));
        assert!(because(libc::EINVAL, "0").contains("6.1"));
        assert!(because(libc::ENOMEM, "0").contains("Cannot allocate memory"));
    }
}
