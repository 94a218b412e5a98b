//! Listening sockets, for the origin.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use crate::address::RawAddress;
use crate::socket::local_address;
use crate::sys::{check, set_option};

/// What the kernel is asked to queue; it cuts this to net.core.somaxconn.
const BACKLOG: libc::c_int = 65_535;

/// A non-blocking listening socket.
pub struct Listener {
    socket: OwnedFd,
    address: SocketAddr,
}

impl Listener {
    /// Binds and listens. With `share_port` other processes may listen on the same address (`SO_REUSEPORT`).
    pub fn bind(address: SocketAddr, share_port: bool) -> io::Result<Self> {
        let raw = RawAddress::new(address);
        let kind = libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        // SAFETY: no pointers are passed; the descriptor returned is ours alone.
        let socket = unsafe { OwnedFd::from_raw_fd(check(libc::socket(raw.family(), kind, 0))?) };
        let fd = socket.as_raw_fd();
        set_option(fd, libc::SOL_SOCKET, libc::SO_REUSEADDR, 1)?;
        if share_port {
            set_option(fd, libc::SOL_SOCKET, libc::SO_REUSEPORT, 1)?;
        }
        // Accepted sockets inherit it, so no call per connection is needed.
        set_option(fd, libc::IPPROTO_TCP, libc::TCP_NODELAY, 1)?;
        // SAFETY: the pointer and length describe `raw`.
        check(unsafe { libc::bind(fd, raw.as_ptr(), raw.len()) })?;
        // SAFETY: no pointers are passed.
        check(unsafe { libc::listen(fd, BACKLOG) })?;
        let address = SocketAddr::new(address.ip(), local_address(fd)?.port());
        Ok(Self { socket, address })
    }

    /// The address, with the port that the kernel chose where 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The descriptor, for registering it.
    pub fn fd(&self) -> i32 {
        self.socket.as_raw_fd()
    }

    /// Takes a connection; `WouldBlock` where none waits. The caller owns the descriptor.
    pub fn accept(&self) -> io::Result<i32> {
        // SAFETY: a null address means that the peer's is not wanted.
        check(unsafe {
            libc::accept4(
                self.fd(),
                std::ptr::null_mut(),
                std::ptr::null_mut(),
                libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC,
            )
        })
    }
}
