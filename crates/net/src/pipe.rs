//! The pipes to and from the parent: lines of text. After the first line neither direction ever blocks.

use std::io;
use std::os::fd::RawFd;

use crate::sys::check_len;

/// How much is read at once.
const CHUNK_BYTES: usize = 16 * 1024;

/// Nobody is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PipeClosed;

/// Both directions.
pub struct LinePipe {
    input: RawFd,
    output: RawFd,
    received: Vec<u8>,
    /// How much of it has no end of a line in it.
    searched: usize,
    unsent: Vec<u8>,
}

impl LinePipe {
    /// Takes over two descriptors, both still blocking.
    pub fn new(input: RawFd, output: RawFd) -> Self {
        Self { input, output, received: Vec::new(), searched: 0, unsent: Vec::new() }
    }

    /// The descriptor that lines arrive on.
    pub fn input(&self) -> RawFd {
        self.input
    }

    /// The descriptors of both directions.
    pub fn both(&self) -> [RawFd; 2] {
        [self.input, self.output]
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
        let mut chunk = [0; CHUNK_BYTES];
        // SAFETY: the pointer and length describe `chunk`.
        let len = check_len(unsafe { libc::read(self.input, chunk.as_mut_ptr().cast(), chunk.len()) })?;
        self.received.extend_from_slice(&chunk[..len]);
        Ok(len)
    }

    fn take_line(&mut self) -> Option<String> {
        let Some(end) = self.received[self.searched..].iter().position(|&byte| byte == b'\n') else {
            self.searched = self.received.len();
            return None;
        };
        let line: Vec<u8> = self.received.drain(..=self.searched + end).collect();
        self.searched = 0;
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
            let written = unsafe { libc::write(self.output, self.unsent.as_ptr().cast(), self.unsent.len()) };
            match check_len(written) {
                Ok(len) => drop(self.unsent.drain(..len)),
                Err(_) => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn lines_arrive_whole_however_they_were_cut() {
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        let long = "x".repeat(3 * CHUNK_BYTES + 7);
        let text = format!("{long}\nsecond\n\nfourth\nunfinished");
        let sender = std::thread::spawn(move || {
            for piece in text.as_bytes().chunks(CHUNK_BYTES / 2 + 1) {
                writer.write_all(piece).expect("a reader");
            }
            writer
        });
        let mut pipe = LinePipe::new(reader.as_raw_fd(), -1);
        for line in [long.as_str(), "second", "", "fourth"] {
            assert_eq!(pipe.read_first_line().as_deref(), Ok(line));
        }
        drop(sender.join().expect("a sender"));
        assert_eq!(pipe.read_line(), Err(PipeClosed));
    }
}
