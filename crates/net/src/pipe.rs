//! The pipes to and from the parent: lines of text, those to it numbered. After the first line neither direction ever
//! blocks.

use std::io;
use std::os::fd::RawFd;

use serde::de::{DeserializeOwned, IgnoredAny};

use crate::process;
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
    /// Lines that were sent, or are to be.
    lines: u64,
}

impl LinePipe {
    /// Takes over two descriptors, both still blocking.
    pub fn new(input: RawFd, output: RawFd) -> Self {
        Self { input, output, received: Vec::new(), searched: 0, unsent: Vec::new(), lines: 0 }
    }

    /// Prepares this process for a parent that speaks to it over two descriptors; returns the pipe and the descriptor
    /// limit, raised. The text of an error is for a person.
    pub fn to_parent(input: RawFd, output: RawFd) -> Result<(Self, u64), String> {
        process::die_with_parent();
        process::precise_timers();
        let descriptor_limit = process::raise_descriptor_limit().map_err(|error| error.to_string())?;
        Ok((Self::new(input, output), descriptor_limit))
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

    /// Waits for a line of JSON that is not cut off, while the pipe still blocks: a parent elsewhere sends it again where
    /// its way to here broke.
    pub fn read_spec(&mut self) -> Result<String, PipeClosed> {
        loop {
            let line = self.read_first_line()?;
            if !serde_json::from_str::<IgnoredAny>(&line).is_err_and(|error| error.is_eof()) {
                return Ok(line);
            }
        }
    }

    /// As [`LinePipe::read_spec`], with a text for a person where there comes none.
    pub fn spec(&mut self) -> Result<String, String> {
        self.read_spec().map_err(|PipeClosed| "the parent closed the pipe before it sent a spec".to_owned())
    }

    /// Lets neither direction block from here on. The text of an error is for a person.
    pub fn unblock(&self) -> Result<(), String> {
        self.both()
            .into_iter()
            .try_for_each(|fd| process::set_blocking(fd, false).map_err(|error| error.to_string()))
    }

    /// The next command, if one has arrived on the non-blocking pipe; what cannot be read is passed over.
    pub fn read_command<C: DeserializeOwned>(&mut self) -> Result<Option<C>, PipeClosed> {
        while let Some(line) = self.read_line()? {
            if let Ok(command) = serde_json::from_str(&line) {
                return Ok(Some(command));
            }
        }
        Ok(None)
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

    /// Queues a JSON object that has a field, as a line, and writes what the pipe takes. Its number goes in as the field
    /// `line`, from 0: who reads lines of a log again after a break drops those that it has, and sees what is missing.
    pub fn send_object(&mut self, json: &str) {
        let fields = json.strip_prefix('{').expect("an object");
        self.unsent.extend_from_slice(format!("{{\"line\":{},{fields}\n", self.lines).as_bytes());
        self.lines += 1;
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
    use std::io::{Read, Write};
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

    #[test]
    fn a_spec_that_was_cut_off_is_waited_for_again() {
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        writer.write_all(b"{\"a\": {\"b\": 1}\n\n{\"a\": 1}\n{\n").expect("a reader");
        let mut pipe = LinePipe::new(reader.as_raw_fd(), -1);
        assert_eq!(pipe.read_spec().as_deref(), Ok("{\"a\": 1}"));
    }

    #[test]
    fn lines_to_the_parent_are_numbered_from_0() {
        let (mut reader, writer) = std::io::pipe().expect("a pipe");
        let mut pipe = LinePipe::new(-1, writer.as_raw_fd());
        pipe.send_object(r#"{"type":"ready"}"#);
        pipe.send_object(r#"{"type":"done"}"#);
        drop((pipe, writer));
        let mut read = String::new();
        reader.read_to_string(&mut read).expect("text");
        assert_eq!(read, "{\"line\":0,\"type\":\"ready\"}\n{\"line\":1,\"type\":\"done\"}\n");
    }
}
