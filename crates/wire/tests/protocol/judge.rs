//! hyper's client as a second opinion: the same bytes over a connection in memory, polled by hand.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use hyper::Request;
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper::rt::{Read, ReadBufCursor, Write};
use seatrial_wire::{HEAD_LIMIT_BYTES, HEADER_LIMIT};

/// What a client makes of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// A whole response.
    Answered { status: u16, body: Vec<u8>, is_kept: bool },
    /// No whole response.
    Refused,
}

/// Gives the pieces to hyper one after another, then closes the connection.
pub(crate) fn hyper_verdict(pieces: &[&[u8]], answers_head: bool) -> Verdict {
    let peer = Rc::new(RefCell::new(Peer::default()));
    let mut builder = Builder::new();
    builder.max_headers(HEADER_LIMIT).max_buf_size(HEAD_LIMIT_BYTES);
    builder.allow_obsolete_multiline_headers_in_responses(true);
    let Poll::Ready(Ok((mut sender, connection))) = poll(pin!(builder.handshake(Pipe(peer.clone())))) else {
        panic!("the handshake does no input or output");
    };
    let method = if answers_head { "HEAD" } else { "GET" };
    let request = Request::builder().method(method).uri("/").header("host", "a").body(String::new());
    let answer = sender.send_request(request.expect("a constant"));
    let (connection, answer) = (pin!(connection), pin!(answer));
    let mut exchange = Exchange::new(connection, answer);
    exchange.turn();
    for piece in pieces {
        peer.borrow_mut().sent.extend(*piece);
        exchange.turn();
    }
    let is_kept = exchange.keeps(&sender);
    peer.borrow_mut().has_closed = true;
    exchange.turn();
    exchange.verdict(is_kept)
}

/// One request and its answer, as far as they have come.
struct Exchange<'a, Connection, Answer> {
    connection: Pin<&'a mut Connection>,
    answer: Pin<&'a mut Answer>,
    is_connection_over: bool,
    is_refused: bool,
    status: Option<u16>,
    incoming: Option<Incoming>,
    body: Vec<u8>,
    is_whole: bool,
}

impl<'a, Connection, Answer> Exchange<'a, Connection, Answer>
where
    Connection: Future<Output = hyper::Result<()>>,
    Answer: Future<Output = hyper::Result<hyper::Response<Incoming>>>,
{
    fn new(connection: Pin<&'a mut Connection>, answer: Pin<&'a mut Answer>) -> Self {
        Self {
            connection,
            answer,
            is_connection_over: false,
            is_refused: false,
            status: None,
            incoming: None,
            body: Vec::new(),
            is_whole: false,
        }
    }

    /// Polls all parts until they have nothing more to say to each other. Each needs the others a few times for a frame.
    fn turn(&mut self) {
        let mut quiet = 0;
        while quiet < 3 {
            let before = (self.is_connection_over, self.status, self.body.len(), self.is_whole);
            if !self.is_connection_over {
                self.is_connection_over = poll(self.connection.as_mut()).is_ready();
            }
            self.poll_answer();
            self.poll_body();
            let after = (self.is_connection_over, self.status, self.body.len(), self.is_whole);
            quiet = if before == after { quiet + 1 } else { 0 };
        }
    }

    fn poll_answer(&mut self) {
        if self.status.is_some() || self.is_refused {
            return;
        }
        match poll(self.answer.as_mut()) {
            Poll::Ready(Ok(response)) => {
                self.status = Some(response.status().as_u16());
                self.incoming = Some(response.into_body());
            }
            Poll::Ready(Err(_)) => self.is_refused = true,
            Poll::Pending => {}
        }
    }

    fn poll_body(&mut self) {
        let Some(incoming) = &mut self.incoming else { return };
        match Pin::new(incoming).poll_frame(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Some(Ok(frame))) => {
                self.body.extend(frame.into_data().unwrap_or_default());
            }
            Poll::Ready(Some(Err(_))) => (self.is_refused, self.incoming) = (true, None),
            Poll::Ready(None) => (self.is_whole, self.incoming) = (true, None),
            Poll::Pending => {}
        }
    }

    fn keeps(&self, sender: &SendRequest<String>) -> bool {
        self.is_whole && !self.is_connection_over && sender.is_ready()
    }

    fn verdict(self, is_kept: bool) -> Verdict {
        match self.status {
            Some(status) if self.is_whole && !self.is_refused => {
                Verdict::Answered { status, body: self.body, is_kept }
            }
            _ => Verdict::Refused,
        }
    }
}

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[derive(Default)]
struct Peer {
    sent: VecDeque<u8>,
    has_closed: bool,
}

/// hyper's end of the connection. Requests are thrown away; nobody is woken, since everything is polled after every change.
struct Pipe(Rc<RefCell<Peer>>);

impl Read for Pipe {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut peer = self.0.borrow_mut();
        if peer.sent.is_empty() && !peer.has_closed {
            return Poll::Pending;
        }
        let length = peer.sent.len().min(buffer.remaining());
        let bytes: Vec<u8> = peer.sent.drain(..length).collect();
        buffer.put_slice(&bytes);
        Poll::Ready(Ok(()))
    }
}

impl Write for Pipe {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
