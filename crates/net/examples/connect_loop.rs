//! The bare loop that opening connections is measured beside: socket(), a source address, a window of
//! ports, connect(), nothing else.
//!
//! `connect_loop HOST:PORT SOURCE COUNT` opens COUNT connections one after another, prints how many it opened in a second, and
//! holds them until its input ends.

use std::io::Read;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Instant;

const IP_BIND_ADDRESS_NO_PORT: libc::c_int = 24;
const IP_LOCAL_PORT_RANGE: libc::c_int = 51;
const FIRST_PORT: u32 = 32_768;
const WINDOW: u32 = 16;
const WINDOWS: u32 = 28_000 / WINDOW;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let target: SocketAddrV4 = arguments[1].parse().expect("an IPv4 address and a port");
    let source: Ipv4Addr = arguments[2].parse().expect("an IPv4 address");
    let count: u32 = arguments[3].parse().expect("a count");
    let (source, target) = (address(source, 0), address(*target.ip(), target.port()));
    seatrial_net::process::raise_descriptor_limit().expect("descriptors");
    let started = Instant::now();
    for number in 0..count {
        connect(&source, &target, number % WINDOWS);
    }
    let rate = f64::from(count) / started.elapsed().as_secs_f64();
    #[expect(clippy::print_stdout, reason = "it is what the program is for")]
    {
        println!("{rate:.0}");
    }
    let _ = std::io::stdin().read(&mut [0; 1]);
}

fn address(host: Ipv4Addr, port: u16) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: port.to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from(host).to_be() },
        sin_zero: [0; 8],
    }
}

fn connect(source: &libc::sockaddr_in, target: &libc::sockaddr_in, window: u32) {
    let low = FIRST_PORT + window * WINDOW;
    let (range, one) = ((low + WINDOW - 1) << 16 | low, 1_u32);
    let size = size_of::<u32>() as libc::socklen_t;
    let len = size_of::<libc::sockaddr_in>() as libc::socklen_t;
    // SAFETY: every pointer is to a value that lives as long as the call, with that value's size.
    let outcome = unsafe {
        let fd = libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0);
        libc::setsockopt(fd, libc::IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, (&raw const one).cast(), size);
        libc::bind(fd, std::ptr::from_ref(source).cast(), len);
        libc::setsockopt(fd, libc::IPPROTO_IP, IP_LOCAL_PORT_RANGE, (&raw const range).cast(), size);
        libc::connect(fd, std::ptr::from_ref(target).cast(), len)
    };
    assert_eq!(outcome, 0, "connect: {}", std::io::Error::last_os_error());
}
