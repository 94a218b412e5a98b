//! Socket addresses in the form that the kernel takes.

use std::net::{IpAddr, SocketAddr};

/// A socket address beside its length, ready for `bind` and `connect`.
#[derive(Clone, Copy)]
pub struct RawAddress {
    storage: libc::sockaddr_storage,
    len: libc::socklen_t,
    family: libc::c_int,
}

impl RawAddress {
    /// Converts once, before the load starts.
    pub fn new(address: SocketAddr) -> Self {
        match address {
            SocketAddr::V4(v4) => {
                let raw = libc::sockaddr_in {
                    sin_family: libc::AF_INET as libc::sa_family_t,
                    sin_port: v4.port().to_be(),
                    sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(v4.ip().octets()) },
                    sin_zero: [0; 8],
                };
                Self::from_raw(&raw, libc::AF_INET)
            }
            SocketAddr::V6(v6) => {
                let raw = libc::sockaddr_in6 {
                    sin6_family: libc::AF_INET6 as libc::sa_family_t,
                    sin6_port: v6.port().to_be(),
                    sin6_flowinfo: v6.flowinfo(),
                    sin6_addr: libc::in6_addr { s6_addr: v6.ip().octets() },
                    sin6_scope_id: v6.scope_id(),
                };
                Self::from_raw(&raw, libc::AF_INET6)
            }
        }
    }

    /// An address to bind to, the port left to the kernel.
    pub fn any_port(ip: IpAddr) -> Self {
        Self::new(SocketAddr::new(ip, 0))
    }

    fn from_raw<T>(raw: &T, family: libc::c_int) -> Self {
        const { assert!(size_of::<T>() <= size_of::<libc::sockaddr_storage>()) };
        // SAFETY: all zeroes is a valid sockaddr_storage, and T (a sockaddr) fits into it, as asserted.
        let storage = unsafe {
            let mut storage: libc::sockaddr_storage = std::mem::zeroed();
            std::ptr::copy_nonoverlapping(
                std::ptr::from_ref(raw).cast::<u8>(),
                (&raw mut storage).cast::<u8>(),
                size_of::<T>(),
            );
            storage
        };
        Self { storage, len: size_of::<T>() as libc::socklen_t, family }
    }

    pub(crate) fn as_ptr(&self) -> *const libc::sockaddr {
        (&raw const self.storage).cast()
    }

    pub(crate) fn len(&self) -> libc::socklen_t {
        self.len
    }

    pub(crate) fn family(&self) -> libc::c_int {
        self.family
    }
}

impl std::fmt::Debug for RawAddress {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("RawAddress").field("family", &self.family).finish_non_exhaustive()
    }
}
