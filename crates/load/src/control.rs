//! The pipe to and from the parent: lines of JSON. Neither direction ever blocks the load.

use std::io;
use std::os::fd::RawFd;

use serde::{Deserialize, Serialize};

/// What the parent may say after the spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "cmd", rename_all = "lowercase")]
pub enum Command {
    /// Start the schedule at this moment (`CLOCK_MONOTONIC`).
    Go {
        /// When the warm-up begins.
        at_ns: u64,
    },
    /// End the schedule now, wait for answers and report.
    Stop,
    /// The parent has closed the pipe or is gone: there is nobody to report to.
    #[serde(skip)]
    Gone,
}

/// Both directions of the pipe.
pub struct Control {
    input: RawFd,
    output: RawFd,
    received: Vec<u8>,
    unsent: Vec<u8>,
}

impl Control {
    /// Takes over two descriptors, which the caller has put into non-blocking mode.
    pub fn new(input: RawFd, output: RawFd) -> Self {
        Self { input, output, received: Vec::new(), unsent: Vec::new() }
    }

    /// The descriptor that commands arrive on.
    pub fn input(&self) -> RawFd {
        self.input
    }

    /// The first line, waited for: the pipe must still block.
    pub fn read_first_line(&mut self) -> Result<String, PipeClosed> {
        loop {
            if let Some(line) = self.take_line() {
                return Ok(line);
            }
            let mut chunk = [0; 4096];
            // SAFETY: the pointer and length describe `chunk`.
            let len = unsafe { libc::read(self.input, chunk.as_mut_ptr().cast(), chunk.len()) };
            match usize::try_from(len) {
                Ok(len) if len > 0 => self.received.extend_from_slice(&chunk[..len]),
                _ => return Err(PipeClosed),
            }
        }
    }

    /// The next whole line, if one has arrived. `Err` where the pipe is closed.
    pub fn read_line(&mut self) -> Result<Option<String>, PipeClosed> {
        if let Some(line) = self.take_line() {
            return Ok(Some(line));
        }
        let mut chunk = [0; 4096];
        loop {
            // SAFETY: the pointer and length describe `chunk`.
            let len = unsafe { libc::read(self.input, chunk.as_mut_ptr().cast(), chunk.len()) };
            match usize::try_from(len) {
                Ok(0) => return Err(PipeClosed),
                Ok(len) => self.received.extend_from_slice(&chunk[..len]),
                Err(_) if io::Error::last_os_error().kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => return Err(PipeClosed),
            }
        }
        Ok(self.take_line())
    }

    fn take_line(&mut self) -> Option<String> {
        let end = self.received.iter().position(|&byte| byte == b'\n')?;
        let line: Vec<u8> = self.received.drain(..=end).collect();
        Some(String::from_utf8_lossy(&line).trim().to_owned())
    }

    /// The next command, if one has arrived. What cannot be read is passed over.
    pub fn command(&mut self) -> Option<Command> {
        loop {
            match self.read_line() {
                Err(PipeClosed) => return Some(Command::Gone),
                Ok(None) => return None,
                Ok(Some(line)) => {
                    if let Ok(command) = serde_json::from_str(&line) {
                        return Some(command);
                    }
                }
            }
        }
    }

    /// Queues a message and writes what the pipe takes.
    pub fn send(&mut self, message: &impl Serialize) {
        if serde_json::to_writer(&mut self.unsent, message).is_ok() {
            self.unsent.push(b'\n');
        }
        self.flush();
    }

    /// Writes what the pipe takes; returns whether everything is out.
    pub fn flush(&mut self) -> bool {
        while !self.unsent.is_empty() {
            // SAFETY: the pointer and length describe `unsent`.
            let len = unsafe { libc::write(self.output, self.unsent.as_ptr().cast(), self.unsent.len()) };
            match usize::try_from(len) {
                Ok(len) => {
                    self.unsent.drain(..len);
                }
                Err(_) => return false,
            }
        }
        true
    }
}

/// Nobody is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PipeClosed;
