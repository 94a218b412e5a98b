//! What every driver promises, over real sockets: the same tests for epoll and io_uring.
//!
//! Where io_uring is not to be had, its tests check that the refusal says so.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::fd::IntoRawFd;
use std::thread;
use std::time::{Duration, Instant};

use seatrial_net::address::RawAddress;
use seatrial_net::clock::now_ns;
use seatrial_net::epoll::EpollDriver;
use seatrial_net::uring::UringDriver;
use seatrial_net::{Driver, Ended, Event, Received, Route, Use, Wake};

const LIMIT: Duration = Duration::from_secs(20);
const MS: u64 = 1_000_000;

/// Runs a test over each driver.
fn over_each(test: fn(&mut dyn Driver)) {
    test(&mut EpollDriver::new(true).expect("epoll"));
    match UringDriver::new(true) {
        Ok(mut driver) => test(&mut driver),
        Err(refusal) => assert!(refusal.to_string().contains("io_uring"), "{refusal}"),
    }
}

fn listen() -> (TcpListener, RawAddress) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = RawAddress::new(listener.local_addr().expect("bound"));
    (listener, address)
}

/// Waits until `done` has seen enough of the events.
fn until(driver: &mut dyn Driver, mut done: impl FnMut(&mut dyn Driver, &[Event]) -> bool) {
    let began = Instant::now();
    let mut events = Vec::new();
    while began.elapsed() < LIMIT {
        driver.wait(&mut events, Some(now_ns() + 100 * MS), Wake::OnEvent).expect("a wait");
        if done(driver, &events) {
            return;
        }
    }
    panic!("not within {LIMIT:?}");
}

fn open(
    driver: &mut dyn Driver,
    token: u64,
    listener: &TcpListener,
    target: &RawAddress,
) -> (i32, TcpStream) {
    let socket = driver.connect(token, Route { target, source: None }, Use::Requests).expect("a socket");
    let (peer, _) = listener.accept().expect("a connection");
    peer.set_read_timeout(Some(LIMIT)).expect("a timeout");
    until(driver, |_, events| events.iter().any(|event| event.token == token && event.writable));
    driver.connected(socket, Ended::Somehow).expect("established");
    (socket, peer)
}

/// Reads as the engine does: on after a full buffer, and to the end where that was reported.
fn read_all(
    driver: &mut dyn Driver,
    socket: i32,
    has_closed: bool,
    into: &mut Vec<u8>,
) -> io::Result<Option<Received>> {
    let mut buffer = [0; 10_000];
    let mut last = None;
    loop {
        match driver.receive(socket, &mut buffer) {
            Ok(received) => {
                into.extend_from_slice(&buffer[..received.len]);
                last = Some(received);
                if received.len == 0 || received.len < buffer.len() && !has_closed {
                    return Ok(last);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(last),
            Err(error) => return Err(error),
        }
    }
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len as u64).map(|index| ((index * 31) >> 3) as u8).collect()
}

fn echo(driver: &mut dyn Driver, len: usize) {
    let (listener, target) = listen();
    let (socket, mut peer) = open(driver, 7, &listener, &target);
    let server = thread::spawn(move || {
        let mut heard = vec![0; len];
        peer.read_exact(&mut heard).expect("all of it");
        peer.write_all(&heard).expect("a reader");
        peer
    });
    let message = pattern(len);
    let (mut sent, mut echoed, mut may_write) = (0, Vec::new(), true);
    until(driver, |driver, events| {
        for event in events {
            assert_eq!(event.token, 7);
            may_write |= event.writable;
            if event.readable {
                read_all(driver, socket, false, &mut echoed).expect("a stream");
            }
        }
        while may_write && sent < len {
            match driver.send(socket, &message[sent..]) {
                Ok(taken) => sent += taken,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => may_write = false,
                Err(error) => panic!("{error}"),
            }
        }
        echoed.len() == len
    });
    assert!(echoed == message, "bytes were changed");
    drop(server.join().expect("a server"));
    driver.close(socket, false);
}

#[test]
fn bytes_go_out_and_come_back() {
    over_each(|driver| {
        for len in [1, 600, 4_048, 10_000, 100_000, 5_000_000] {
            echo(driver, len);
        }
    });
}

#[test]
fn the_end_of_a_stream_comes_after_its_bytes() {
    over_each(|driver| {
        let (listener, target) = listen();
        let (socket, mut peer) = open(driver, 1, &listener, &target);
        peer.write_all(&pattern(30_000)).expect("a reader");
        peer.shutdown(Shutdown::Write).expect("a connection");
        let (mut heard, mut has_ended) = (Vec::new(), false);
        until(driver, |driver, events| {
            for event in events.iter().filter(|event| event.readable || event.closed) {
                let last = read_all(driver, socket, event.closed, &mut heard).expect("an orderly end");
                has_ended |= last.is_some_and(|received| received.len == 0);
            }
            has_ended
        });
        assert_eq!(heard, pattern(30_000));
        // The other direction is still open.
        driver.send(socket, b"thanks").expect("half a connection");
        driver.wait(&mut Vec::new(), Some(now_ns()), Wake::OnEvent).expect("a wait");
        let mut thanks = [0; 6];
        peer.read_exact(&mut thanks).expect("half a connection");
        assert_eq!(&thanks, b"thanks");
        driver.close(socket, false);
    });
}

fn reset(peer: TcpStream) {
    seatrial_net::socket::shut(peer.into_raw_fd(), true);
}

#[test]
fn a_reset_is_reported_as_one() {
    over_each(|driver| {
        let (listener, target) = listen();
        let (socket, peer) = open(driver, 1, &listener, &target);
        reset(peer);
        let mut kind = None;
        until(driver, |driver, events| {
            for event in events.iter().filter(|event| event.closed) {
                kind =
                    read_all(driver, socket, event.closed, &mut Vec::new()).err().map(|error| error.kind());
            }
            kind.is_some()
        });
        assert_eq!(kind, Some(io::ErrorKind::ConnectionReset));
        driver.close(socket, false);
    });
}

#[test]
fn a_refused_connection_is_reported() {
    over_each(|driver| {
        let (listener, target) = listen();
        drop(listener);
        let socket =
            driver.connect(1, Route { target: &target, source: None }, Use::Requests).expect("a socket");
        until(driver, |_, events| events.iter().any(|event| event.token == 1 && event.closed));
        let error = driver.connected(socket, Ended::Somehow).expect_err("nobody listens");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        driver.close(socket, true);
    });
}

#[test]
fn a_closed_connection_ends_at_once_and_its_descriptor_begins_anew() {
    over_each(|driver| {
        let (listener, target) = listen();
        for round in 0..200_u64 {
            let (socket, mut peer) = open(driver, 2 * round, &listener, &target);
            // Something is on its way when it is closed, and its descriptor is used again before the next look.
            peer.write_all(&pattern(round as usize * 50)).expect("a reader");
            let aborts = round % 2 == 0;
            driver.close(socket, aborts);
            let (next, mut next_peer) = open(driver, 2 * round + 1, &listener, &target);
            let end = peer.read(&mut [0; 10]);
            assert!(end.is_err() || end.is_ok_and(|len| len == 0), "the peer sees the end");
            next_peer.write_all(b"new").expect("a reader");
            let mut heard = Vec::new();
            until(driver, |driver, events| {
                for event in events {
                    assert_eq!(event.token, 2 * round + 1, "an event of a connection that is gone");
                    read_all(driver, next, event.closed, &mut heard).expect("a stream");
                }
                heard.len() >= 3
            });
            assert_eq!(heard, b"new");
            driver.close(next, aborts);
        }
    });
}

#[test]
fn what_is_queued_at_a_close_still_leaves() {
    over_each(|driver| {
        let (listener, target) = listen();
        let (socket, mut peer) = open(driver, 1, &listener, &target);
        driver.send(socket, b"goodbye").expect("an established connection");
        driver.close(socket, false);
        let mut heard = Vec::new();
        peer.read_to_end(&mut heard).expect("an orderly end");
        assert_eq!(heard, b"goodbye");
    });
}

#[test]
fn a_sleeper_gathers_what_came_and_knows_when_it_came() {
    over_each(|driver| {
        let (listener, target) = listen();
        let mut pairs: Vec<_> = (0..20).map(|token| open(driver, token, &listener, &target)).collect();
        let began_ns = now_ns();
        for (_, peer) in &mut pairs {
            peer.write_all(b"early").expect("a reader");
        }
        let sent_ns = now_ns();
        let (mut events, mut heard) = (Vec::new(), Vec::new());
        let deadline_ns = sent_ns + 200 * MS;
        driver.wait(&mut events, Some(deadline_ns), Wake::AtDeadline).expect("a wait");
        assert!(now_ns() >= deadline_ns - MS, "woken before the deadline");
        assert_eq!(events.len(), pairs.len(), "one event each");
        for event in &events {
            let socket = pairs[event.token as usize].0;
            let received = read_all(driver, socket, false, &mut heard).expect("a stream").expect("bytes");
            // The clocks are mapped to within microseconds; a busy machine may take longer between two looks.
            let window_ns = began_ns - 20 * MS..sent_ns + 100 * MS;
            assert!(window_ns.contains(&received.at_ns), "{} ns late", received.at_ns - sent_ns);
        }
        assert_eq!(heard.len(), 5 * pairs.len());
        for (socket, _) in &pairs {
            driver.close(*socket, true);
        }
    });
}

#[test]
fn more_answers_at_once_than_there_are_buffers_are_all_read() {
    over_each(|driver| {
        let (listener, target) = listen();
        let mut pairs: Vec<_> = (0..900).map(|token| open(driver, token, &listener, &target)).collect();
        for (_, peer) in &mut pairs {
            peer.write_all(&pattern(600)).expect("a reader");
        }
        let mut heard = vec![Vec::new(); pairs.len()];
        until(driver, |driver, events| {
            for event in events {
                let index = event.token as usize;
                read_all(driver, pairs[index].0, false, &mut heard[index]).expect("a stream");
            }
            heard.iter().all(|bytes| bytes.len() >= 600)
        });
        assert!(heard.iter().all(|bytes| *bytes == pattern(600)));
        for (socket, _) in &pairs {
            driver.close(*socket, true);
        }
    });
}

/// Writes until the socket takes no more; returns how much it took.
fn fill(peer: &mut TcpStream) -> usize {
    peer.set_nonblocking(true).expect("a mode");
    let (bytes, mut total) = (pattern(100_000), 0);
    let mut refusals = 0;
    while refusals < 10 {
        if let Ok(len) = peer.write(&bytes[total % 100_000..]) {
            (total, refusals) = (total + len, 0);
        } else {
            refusals += 1;
            thread::sleep(Duration::from_millis(5));
        }
        assert!(total < 100_000_000, "nothing holds the sender back");
    }
    peer.set_nonblocking(false).expect("a mode");
    total
}

#[test]
fn who_does_not_read_holds_back_its_peer_and_nobody_else() {
    over_each(|driver| {
        let (listener, target) = listen();
        let (slow, mut slow_peer) = open(driver, 1, &listener, &target);
        let (quick, mut quick_peer) = open(driver, 2, &listener, &target);
        // The first of it is reported; from then on nobody reads, while the loop goes on.
        slow_peer.write_all(&pattern(100_000)[..50_000]).expect("a reader");
        until(driver, |_, events| events.iter().any(|event| event.token == 1));
        for _ in 0..3 {
            driver.wait(&mut Vec::new(), Some(now_ns() + MS), Wake::OnEvent).expect("a wait");
        }
        slow_peer.write_all(&pattern(100_000)[50_000..]).expect("a reader");
        let total = 100_000 + fill(&mut slow_peer);
        quick_peer.write_all(&pattern(1_000)).expect("a reader");
        let mut heard = Vec::new();
        until(driver, |driver, events| {
            for event in events.iter().filter(|event| event.token == 2) {
                read_all(driver, quick, event.closed, &mut heard).expect("a stream");
            }
            heard.len() == 1_000
        });
        slow_peer.shutdown(Shutdown::Write).expect("a connection");
        let (mut late, mut has_ended) = (Vec::new(), false);
        let mut buffer = [0; 777];
        until(driver, |driver, _| {
            while let Ok(received) = driver.receive(slow, &mut buffer) {
                late.extend_from_slice(&buffer[..received.len]);
                has_ended |= received.len == 0;
                if has_ended {
                    break;
                }
            }
            has_ended
        });
        assert_eq!(late.len(), total, "bytes were lost");
        assert!(late.chunks(100_000).all(|chunk| chunk == &pattern(100_000)[..chunk.len()]));
        for socket in [slow, quick] {
            driver.close(socket, true);
        }
    });
}

#[test]
fn a_full_socket_says_when_it_takes_more() {
    over_each(|driver| {
        let (listener, target) = listen();
        let (socket, mut peer) = open(driver, 1, &listener, &target);
        let message = pattern(60_000);
        let (mut sent, mut waits) = (0, 0);
        while waits < 20 {
            match driver.send(socket, &message[sent % 60_000..]) {
                Ok(taken) => (sent, waits) = (sent + taken, 0),
                Err(error) => {
                    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                    waits += 1;
                    driver.wait(&mut Vec::new(), Some(now_ns() + 5 * MS), Wake::OnEvent).expect("a wait");
                }
            }
            assert!(sent < 100_000_000, "nothing holds the sender back");
        }
        let server = thread::spawn(move || {
            let mut heard = Vec::new();
            peer.read_to_end(&mut heard).expect("an end");
            heard
        });
        until(driver, |_, events| events.iter().any(|event| event.token == 1 && event.writable));
        let last = driver.send(socket, b"x").expect("room");
        // Let it leave: what a close finds unsent in a full socket is lost.
        for _ in 0..20 {
            driver.wait(&mut Vec::new(), Some(now_ns() + 5 * MS), Wake::OnEvent).expect("a wait");
        }
        driver.close(socket, false);
        let heard = server.join().expect("a server");
        assert_eq!(heard.len(), sent + last);
        assert!(heard[..sent].chunks(60_000).all(|chunk| chunk == &message[..chunk.len()]));
    });
}

#[test]
fn a_close_says_what_the_socket_never_took() {
    over_each(|driver| {
        for attempts in [1, 2, 1_000] {
            let (listener, target) = listen();
            let (socket, mut peer) = open(driver, 1, &listener, &target);
            let message = pattern(3_000_000);
            let (mut sent, mut waits) = (0, 0);
            for _ in 0..attempts {
                match driver.send(socket, &message[sent % 3_000_000..]) {
                    Ok(taken) => (sent, waits) = (sent + taken, 0),
                    Err(error) => {
                        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                        waits += 1;
                        driver.wait(&mut Vec::new(), Some(now_ns() + 5 * MS), Wake::OnEvent).expect("a wait");
                    }
                }
                if waits == 20 {
                    break;
                }
            }
            assert!(attempts < 1_000 || waits == 20, "nothing holds the sender back");
            assert!(driver.unsent(socket) <= sent);
            let lost = driver.close(socket, false);
            let mut heard = Vec::new();
            peer.read_to_end(&mut heard).expect("an orderly end");
            assert_eq!(heard.len(), sent - lost, "{sent} sent, {lost} lost");
        }
    });
}

/// A server that is asked for more than it takes answers, and closes while there is something that it has not read.
#[test]
fn what_arrived_before_a_write_failed_is_read() {
    over_each(|driver| {
        for held_up in [false, true] {
            let (listener, target) = listen();
            let (socket, mut peer) = open(driver, 1, &listener, &target);
            driver.send(socket, &pattern(10_000)).expect("an established connection");
            driver.wait(&mut Vec::new(), Some(now_ns()), Wake::OnEvent).expect("a wait");
            peer.write_all(&pattern(50_000)).expect("a reader");
            if held_up {
                // Nobody reads for a while, so the kernel is to keep what came.
                for _ in 0..3 {
                    driver.wait(&mut Vec::new(), Some(now_ns() + MS), Wake::OnEvent).expect("a wait");
                }
            }
            reset(peer);
            let began = Instant::now();
            let mut has_failed = false;
            while !has_failed && began.elapsed() < LIMIT {
                match driver.send(socket, b"more") {
                    Err(error) => has_failed = error.kind() != io::ErrorKind::WouldBlock,
                    Ok(_) => driver.wait(&mut Vec::new(), Some(now_ns()), Wake::OnEvent).expect("a wait"),
                }
            }
            assert!(has_failed, "a reset is reported to whoever writes");
            let mut heard = Vec::new();
            let _ = read_all(driver, socket, true, &mut heard);
            assert_eq!(heard.len(), 50_000, "held up: {held_up}");
            driver.close(socket, false);
        }
    });
}

#[test]
fn whoever_closes_thousands_resets_each_at_once() {
    over_each(|driver| {
        let (listener, target) = listen();
        let pairs: Vec<_> = (0..2_000).map(|token| open(driver, token, &listener, &target)).collect();
        for (socket, mut peer) in pairs {
            driver.close(socket, true);
            let error = peer.read(&mut [0; 1]).expect_err("no orderly end");
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        }
        let mut events = Vec::new();
        driver.wait(&mut events, Some(now_ns()), Wake::OnEvent).expect("a wait");
        assert_eq!(events, [], "of connections that are gone");
    });
}

/// One look of epoll takes so many events: whoever gives an attempt up asks the socket itself before.
#[test]
fn epoll_knows_without_a_wait_what_has_become_of_an_attempt() {
    let mut driver = EpollDriver::new(true).expect("epoll");
    let (listener, target) = listen();
    let socket = driver.connect(1, Route { target: &target, source: None }, Use::Requests).expect("a socket");
    listener.accept().expect("a connection");
    let event = driver.look(socket);
    assert!(event.writable, "{event:?}");
    driver.connected(socket, Ended::Somehow).expect("established");
    drop(listener);
    if let Ok(refused) = driver.connect(2, Route { target: &target, source: None }, Use::Requests) {
        let event = driver.look(refused);
        assert!(event.closed, "{event:?}");
        driver.connected(refused, Ended::Somehow).expect_err("refused");
    }
}
