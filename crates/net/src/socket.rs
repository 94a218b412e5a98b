//! Non-blocking stream sockets.

use std::io;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::FromRawFd;

use crate::address::RawAddress;
use crate::clock::in_ns;
use crate::driver::{Ended, Event, Route, Use};
use crate::ports::PortWindows;
use crate::sys::{check, check_len, close, set_option};

/// Bind without choosing a port: connect() chooses it, so the same port may serve many destinations. `<linux/in.h>`.
const IP_BIND_ADDRESS_NO_PORT: libc::c_int = 24;

/// Opens a socket and starts to connect it, from a port of the next window where the kernel knows windows.
pub(crate) fn connect(route: Route<'_>, ports: Option<&mut PortWindows>) -> io::Result<libc::c_int> {
    let kind = libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: no pointers are passed.
    let fd = check(unsafe { libc::socket(route.target.family(), kind, 0) })?;
    start_connect(fd, route, ports).inspect_err(|_| close(fd))?;
    Ok(fd)
}

fn start_connect(fd: libc::c_int, route: Route<'_>, ports: Option<&mut PortWindows>) -> io::Result<()> {
    if let Some(source) = route.source {
        set_option(fd, libc::IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)?;
        // SAFETY: the pointer and length describe `source`.
        check(unsafe { libc::bind(fd, source.as_ptr(), source.len()) })?;
    }
    let Some(ports) = ports else { return begin(fd, route.target) };
    let mut outcome = Ok(());
    for _ in 0..ports.attempts() {
        ports.narrow(fd)?;
        outcome = begin(fd, route.target);
        // A window without a free port towards this target; the next may have one.
        if !outcome.as_ref().is_err_and(|error| error.raw_os_error() == Some(libc::EADDRNOTAVAIL)) {
            break;
        }
    }
    outcome
}

/// Makes a socket that [`connect`] has opened fit for its use.
pub(crate) fn fit(fd: libc::c_int, purpose: Use, stamps_arrivals: bool) -> io::Result<()> {
    if purpose == Use::Idleness {
        return Ok(());
    }
    set_option(fd, libc::IPPROTO_TCP, libc::TCP_NODELAY, 1)?;
    if stamps_arrivals { stamp_arrivals(fd) } else { Ok(()) }
}

fn begin(fd: libc::c_int, target: &RawAddress) -> io::Result<()> {
    // SAFETY: the pointer and length describe `target`.
    match check(unsafe { libc::connect(fd, target.as_ptr(), target.len()) }) {
        Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => Err(error),
        _ => Ok(()),
    }
}

/// The address of this side: of a connection that came in, the one at which it did, whatever its listener is bound to.
pub fn local_address(fd: libc::c_int) -> io::Result<SocketAddr> {
    // SAFETY: whoever owns the descriptor goes on to: it is not closed here.
    let socket = ManuallyDrop::new(unsafe { TcpStream::from_raw_fd(fd) });
    let address = socket.local_addr()?;
    // At a socket for both kinds of addresses those of the older kind have a form of their own.
    Ok(SocketAddr::new(address.ip().to_canonical(), address.port()))
}

/// The pending error of a socket, if any.
fn take_error(fd: libc::c_int) -> io::Result<()> {
    let mut error: libc::c_int = 0;
    let mut size = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the pointers describe `error` and its size.
    check(unsafe {
        libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_ERROR, (&raw mut error).cast(), &raw mut size)
    })?;
    if error == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(error)) }
}

/// What `<netinet/tcp.h>` calls an established connection, and one whose peer has closed its side already.
const TCP_ESTABLISHED: u8 = 1;
const TCP_CLOSE_WAIT: u8 = 8;

/// How a connect() ended: how many segments had to be sent again for it, or the socket's error. One call reports both
/// where it went well.
pub(crate) fn take_outcome(fd: libc::c_int, ended: Ended) -> io::Result<u32> {
    if ended == Ended::Soon {
        return Ok(0);
    }
    let info = tcp_info(fd);
    if !matches!(info.tcpi_state, TCP_ESTABLISHED | TCP_CLOSE_WAIT) {
        take_error(fd)?;
    }
    Ok(info.tcpi_total_retrans)
}

/// How many segments have been sent again so far, whatever has become of the connection.
pub(crate) fn retransmissions(fd: libc::c_int) -> u32 {
    tcp_info(fd).tcpi_total_retrans
}

/// What can be done with a socket now, asked of itself.
pub(crate) fn look(fd: libc::c_int) -> Event {
    let interest = libc::POLLIN | libc::POLLOUT | libc::POLLRDHUP;
    let mut poll = libc::pollfd { fd, events: interest, revents: 0 };
    // SAFETY: `poll` is one entry, valid during the call. A failure leaves it without news.
    unsafe { libc::poll(&raw mut poll, 1, 0) };
    let has = |bits: libc::c_short| poll.revents & bits != 0;
    Event {
        token: 0,
        readable: has(libc::POLLIN),
        writable: has(libc::POLLOUT),
        closed: has(libc::POLLRDHUP | libc::POLLHUP | libc::POLLERR),
    }
}

/// What the kernel counts for a connection; all zeroes where it counts nothing.
fn tcp_info(fd: libc::c_int) -> libc::tcp_info {
    // SAFETY: all zeroes is a valid tcp_info, and the kernel fills at most `size` bytes of it.
    unsafe {
        let mut info: libc::tcp_info = std::mem::zeroed();
        let mut size = size_of::<libc::tcp_info>() as libc::socklen_t;
        libc::getsockopt(fd, libc::IPPROTO_TCP, libc::TCP_INFO, (&raw mut info).cast(), &raw mut size);
        info
    }
}

/// Writes without raising SIGPIPE.
#[inline]
pub fn send(fd: libc::c_int, bytes: &[u8]) -> io::Result<usize> {
    // SAFETY: the pointer and length describe `bytes`.
    check_len(unsafe { libc::send(fd, bytes.as_ptr().cast(), bytes.len(), libc::MSG_NOSIGNAL) })
}

/// Reads what is there, without waiting whatever the socket's own mode.
#[inline]
pub fn receive(fd: libc::c_int, buffer: &mut [u8]) -> io::Result<usize> {
    // SAFETY: the pointer and length describe `buffer`.
    check_len(unsafe { libc::recv(fd, buffer.as_mut_ptr().cast(), buffer.len(), libc::MSG_DONTWAIT) })
}

/// Asks the kernel to stamp what arrives (`CLOCK_REALTIME`, nanoseconds).
pub(crate) fn stamp_arrivals(fd: libc::c_int) -> io::Result<()> {
    set_option(fd, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1)
}

/// Reads what is there, and the kernel's stamp of the last byte of it where there is one.
#[inline]
pub(crate) fn receive_stamped(fd: libc::c_int, buffer: &mut [u8]) -> io::Result<(usize, Option<u64>)> {
    #[repr(align(8))]
    struct Control([MaybeUninit<u8>; 64]);

    let mut control = Control([MaybeUninit::uninit(); 64]);
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: all zeroes is a valid msghdr.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = size_of::<Control>();
    // SAFETY: `message` describes `buffer` and `control`, both writable for the length given.
    let len = check_len(unsafe { libc::recvmsg(fd, &raw mut message, libc::MSG_DONTWAIT) })?;
    // SAFETY: the kernel has filled `message`.
    Ok((len, unsafe { stamp_of(&message) }))
}

/// # Safety
/// `message` was filled by a successful recvmsg(), or describes control data that one has filled.
pub(crate) unsafe fn stamp_of(message: &libc::msghdr) -> Option<u64> {
    // SAFETY: CMSG_* walk the control buffer that the kernel filled; the payload of SCM_TIMESTAMPNS is a timespec.
    unsafe {
        let header = libc::CMSG_FIRSTHDR(message);
        if header.is_null()
            || (*header).cmsg_level != libc::SOL_SOCKET
            || (*header).cmsg_type != libc::SCM_TIMESTAMPNS
        {
            return None;
        }
        Some(in_ns(libc::CMSG_DATA(header).cast::<libc::timespec>().read_unaligned()))
    }
}

/// Closes; with `abort` the peer gets a reset and no port stays in `TIME_WAIT`.
pub fn shut(fd: libc::c_int, abort: bool) {
    if abort {
        let linger = libc::linger { l_onoff: 1, l_linger: 0 };
        let size = size_of::<libc::linger>() as libc::socklen_t;
        // SAFETY: the pointer and size describe `linger`. A failure leaves an ordinary close.
        unsafe {
            libc::setsockopt(fd, libc::SOL_SOCKET, libc::SO_LINGER, (&raw const linger).cast(), size);
        }
    }
    close(fd);
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;

    fn local_port(fd: libc::c_int) -> u16 {
        local_address(fd).expect("a name").port()
    }

    #[test]
    fn a_connection_says_at_which_address_it_came_in() {
        for everywhere in ["0.0.0.0:0", "[::]:0"] {
            let everywhere = everywhere.parse().expect("an address");
            let Ok(server) = crate::listener::Listener::bind(everywhere, false) else {
                assert!(everywhere.is_ipv6(), "every machine has the older kind of addresses");
                continue;
            };
            for host in [Ipv4Addr::new(127, 0, 0, 2), Ipv4Addr::new(127, 0, 0, 3)] {
                let asked = SocketAddr::from((host, server.address().port()));
                let client = TcpStream::connect(asked).expect("a connection");
                let fd = loop {
                    match server.accept() {
                        Ok(fd) => break fd,
                        Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
                    }
                };
                assert_eq!(local_address(fd).expect("an address"), asked);
                assert_eq!(client.peer_addr().expect("an address"), asked);
                shut(fd, true);
            }
        }
    }

    /// A range of 16 ports with a listener in it, and connections until none of them is left. The kernel's own range
    /// (`ip_local_port_range`) is searched by the same code as a socket's, so this stands for both.
    #[test]
    fn a_port_that_something_listens_on_is_never_taken() {
        let target = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a target");
        let target = RawAddress::new(target.local_addr().expect("its address"));
        for source in [None, Some(RawAddress::any_port(Ipv4Addr::LOCALHOST.into()))] {
            let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a server");
            let port = server.local_addr().expect("its address").port();
            // The server's port is anywhere within the range but at its ends.
            let mut ports = PortWindows::beginning_at(port - 1 - port % 14);
            let mut taken: Vec<(libc::c_int, u16)> = Vec::new();
            let error = loop {
                let route = Route { target: &target, source: source.as_ref() };
                match connect(route, Some(&mut ports)) {
                    Ok(fd) => taken.push((fd, local_port(fd))),
                    Err(error) => break error,
                }
                assert!(taken.len() < 16, "the server's port was taken, too");
            };
            assert_eq!(error.raw_os_error(), Some(libc::EADDRNOTAVAIL));
            // Others on this machine may have some of the ports.
            assert!(taken.len() >= 8, "{} of 15 ports", taken.len());
            assert!(taken.iter().all(|(_, local)| *local != port && local.abs_diff(port) < 16));
            // And the server still serves.
            std::net::TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).expect("the server");
            for (fd, _) in taken {
                shut(fd, true);
            }
        }
    }

    fn option(fd: libc::c_int, level: libc::c_int, name: libc::c_int) -> libc::c_int {
        let (mut value, mut size) = (0, size_of::<libc::c_int>() as libc::socklen_t);
        // SAFETY: the pointers describe `value` and its size.
        check(unsafe { libc::getsockopt(fd, level, name, (&raw mut value).cast(), &raw mut size) })
            .expect("an option");
        value
    }

    #[test]
    fn only_a_connection_for_requests_is_hurried_and_timed() {
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a server");
        let target = RawAddress::new(server.local_addr().expect("its address"));
        for (purpose, expected) in [(Use::Requests, 1), (Use::Idleness, 0)] {
            let fd = connect(Route { target: &target, source: None }, None).expect("a connection");
            fit(fd, purpose, true).expect("the options");
            assert_eq!(option(fd, libc::IPPROTO_TCP, libc::TCP_NODELAY), expected, "{purpose:?}");
            assert_eq!(option(fd, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS), expected, "{purpose:?}");
            shut(fd, true);
        }
    }
}
