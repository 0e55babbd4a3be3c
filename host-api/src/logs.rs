//! The door to logs: what a tool writes for people, in bounded lines. Past its bounds the log is cut with a
//! marker and the run goes on.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// Which stream a line was written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogStream {
    /// Standard output of a typed tool (a command's is its output).
    Stdout,
    /// Standard error.
    Stderr,
}

/// One line of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// When its last byte was written.
    pub at: SystemTime,
    /// Where.
    pub stream: LogStream,
    /// UTF-8 without control characters other than tab.
    pub text: String,
    /// The log ends here although the tool wrote more.
    pub cut: bool,
}

/// The bounds of a run's log, over all its streams.
#[derive(Debug, Clone, Copy)]
pub struct LogLimits {
    /// Lines kept.
    pub lines_max: usize,
    /// Bytes kept, over all lines.
    pub bytes_max: usize,
}

/// A run's log. Clones share it.
#[derive(Debug, Clone)]
pub struct Logs {
    shared: Arc<Mutex<Collected>>,
}

#[derive(Debug)]
struct Collected {
    limits: LogLimits,
    lines: Vec<LogLine>,
    /// The unfinished line of each stream.
    partial: [Vec<u8>; 2],
    bytes_kept: usize,
    bytes_written: u64,
    is_cut: bool,
}

impl Logs {
    /// An empty log.
    pub fn new(limits: LogLimits) -> Self {
        let shared = Collected {
            limits,
            lines: Vec::new(),
            partial: [Vec::new(), Vec::new()],
            bytes_kept: 0,
            bytes_written: 0,
            is_cut: false,
        };
        Self {
            shared: Arc::new(Mutex::new(shared)),
        }
    }

    /// Takes in what a guest wrote to a stream.
    pub fn write(&self, stream: LogStream, bytes: &[u8]) {
        self.shared
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .write(stream, bytes);
    }

    /// Bytes the guest wrote, those that were cut included.
    pub fn bytes_written(&self) -> u64 {
        self.shared
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .bytes_written
    }

    /// The lines so far, unfinished ones ended.
    pub fn take_lines(&self) -> Vec<LogLine> {
        let mut collected = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        for stream in [LogStream::Stdout, LogStream::Stderr] {
            // Past the cut nothing follows, not even what another stream had begun.
            if !collected.is_cut && !collected.partial[stream as usize].is_empty() {
                collected.end_line(stream);
            }
        }
        std::mem::take(&mut collected.lines)
    }
}

impl Collected {
    fn write(&mut self, stream: LogStream, bytes: &[u8]) {
        self.bytes_written = self.bytes_written.saturating_add(bytes.len() as u64);
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            if self.is_cut {
                return;
            }
            let (text, is_line_end) = match piece.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (piece, false),
            };
            self.append(stream, text);
            if is_line_end && !self.is_cut {
                self.end_line(stream);
            }
        }
    }

    fn append(&mut self, stream: LogStream, text: &[u8]) {
        if self.lines.len() >= self.limits.lines_max {
            return self.cut(stream);
        }
        let room = self.limits.bytes_max - self.bytes_kept;
        let kept = &text[..text.len().min(room)];
        self.partial[stream as usize].extend_from_slice(kept);
        self.bytes_kept += kept.len();
        if kept.len() < text.len() {
            self.cut(stream);
        }
    }

    fn end_line(&mut self, stream: LogStream) {
        let bytes = std::mem::take(&mut self.partial[stream as usize]);
        let text = plain_text(&String::from_utf8_lossy(&bytes));
        self.lines.push(LogLine {
            at: SystemTime::now(),
            stream,
            text,
            cut: false,
        });
    }

    /// Ends the log: the marker is on the last line kept.
    fn cut(&mut self, stream: LogStream) {
        if !self.partial[stream as usize].is_empty() {
            self.end_line(stream);
        }
        if let Some(last) = self.lines.last_mut() {
            last.cut = true;
        }
        self.is_cut = true;
    }
}

/// `text` without what could steer a terminal or forge a line: control characters other than tab, and those that turn
/// the text after them around, become U+FFFD.
pub fn plain_text(text: &str) -> String {
    let plain = |c: char| match c {
        '\t' => c,
        // Embeddings, overrides and isolates; right-to-left text needs none of them.
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => char::REPLACEMENT_CHARACTER,
        _ if c.is_control() => char::REPLACEMENT_CHARACTER,
        _ => c,
    };
    text.chars().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(lines: &[LogLine]) -> Vec<(&str, bool)> {
        lines
            .iter()
            .map(|line| (line.text.as_str(), line.cut))
            .collect()
    }

    #[test]
    fn lines_are_kept_up_to_the_bound_then_cut_with_a_marker() {
        let logs = Logs::new(LogLimits {
            lines_max: 2,
            bytes_max: 100,
        });
        logs.write(LogStream::Stderr, b"one\nt");
        logs.write(LogStream::Stderr, b"wo\n");
        assert_eq!(
            texts(&logs.take_lines()),
            [("one", false), ("two", false)],
            "just at the bound: whole"
        );

        let logs = Logs::new(LogLimits {
            lines_max: 2,
            bytes_max: 100,
        });
        logs.write(LogStream::Stderr, b"one\ntwo\nthree\nfour");
        assert_eq!(
            texts(&logs.take_lines()),
            [("one", false), ("two", true)],
            "one line over: cut"
        );
        assert_eq!(logs.bytes_written(), 18, "what was cut is counted");
    }

    #[test]
    fn bytes_are_kept_up_to_the_bound_then_cut_inside_a_line() {
        let logs = Logs::new(LogLimits {
            lines_max: 10,
            bytes_max: 4,
        });
        logs.write(LogStream::Stdout, b"abcd\n");
        assert_eq!(texts(&logs.take_lines()), [("abcd", false)]);

        let logs = Logs::new(LogLimits {
            lines_max: 10,
            bytes_max: 4,
        });
        logs.write(LogStream::Stdout, b"abcde");
        logs.write(LogStream::Stdout, b"more\nand more");
        assert_eq!(texts(&logs.take_lines()), [("abcd", true)]);
    }

    #[test]
    fn nothing_that_steers_a_terminal_is_kept() {
        let logs = Logs::new(LogLimits {
            lines_max: 10,
            bytes_max: 100,
        });
        logs.write(LogStream::Stderr, b"a\x1b[31mred\r\x07\tb\xff\n");
        assert_eq!(
            texts(&logs.take_lines()),
            [("a\u{fffd}[31mred\u{fffd}\u{fffd}\tb\u{fffd}", false)]
        );
    }
}
