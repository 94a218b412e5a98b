//! The pipes to and from the parent: lines of text. After the first line neither direction ever blocks.

use std::io;
use std::os::fd::RawFd;

/// Nobody is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PipeClosed;

/// Both directions.
pub struct LinePipe {
    input: RawFd,
    output: RawFd,
    received: Vec<u8>,
    unsent: Vec<u8>,
}

impl LinePipe {
    /// Takes over two descriptors, both still blocking.
    pub fn new(input: RawFd, output: RawFd) -> Self {
        Self { input, output, received: Vec::new(), unsent: Vec::new() }
    }

    /// The descriptor that lines arrive on.
    pub fn input(&self) -> RawFd {
        self.input
    }

    /// Waits for one line, while the pipe still blocks.
    pub fn read_first_line(&mut self) -> Result<String, PipeClosed> {
        loop {
            if let Some(line) = self.take_line() {
                return Ok(line);
            }
            if self.read_some().unwrap_or(0) == 0 {
                return Err(PipeClosed);
            }
        }
    }

    /// The next line, if a whole one has arrived on the non-blocking pipe.
    pub fn read_line(&mut self) -> Result<Option<String>, PipeClosed> {
        if let Some(line) = self.take_line() {
            return Ok(Some(line));
        }
        loop {
            match self.read_some() {
                Ok(0) => return Err(PipeClosed),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(self.take_line()),
                Err(_) => return Err(PipeClosed),
            }
        }
    }

    fn read_some(&mut self) -> io::Result<usize> {
        let mut chunk = [0; 4096];
        // SAFETY: the pointer and length describe `chunk`.
        let len = unsafe { libc::read(self.input, chunk.as_mut_ptr().cast(), chunk.len()) };
        let len = usize::try_from(len).map_err(|_| io::Error::last_os_error())?;
        self.received.extend_from_slice(&chunk[..len]);
        Ok(len)
    }

    fn take_line(&mut self) -> Option<String> {
        let end = self.received.iter().position(|&byte| byte == b'\n')?;
        let line: Vec<u8> = self.received.drain(..=end).collect();
        Some(String::from_utf8_lossy(&line).trim().to_owned())
    }

    /// Queues a line and writes what the pipe takes.
    pub fn send_line(&mut self, line: &str) {
        self.unsent.extend_from_slice(line.as_bytes());
        self.unsent.push(b'\n');
        self.flush();
    }

    /// Writes what the pipe takes. A reader that is gone shows on the other pipe.
    pub fn flush(&mut self) {
        while !self.unsent.is_empty() {
            // SAFETY: the pointer and length describe `unsent`.
            let len = unsafe { libc::write(self.output, self.unsent.as_ptr().cast(), self.unsent.len()) };
            match usize::try_from(len) {
                Ok(len) => drop(self.unsent.drain(..len)),
                Err(_) => return,
            }
        }
    }
}
