//! A load generator for loopback that costs little beside what it measures: blocking sockets, taken in turn, each with
//! one request under way.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// Keep-alive connections at once: enough that the worker always has the next request waiting.
const CONNECTIONS: usize = 16;
const TIMEOUT: Duration = Duration::from_secs(60);
const MAX_ANSWER: usize = 1 << 20;

pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    body: std::ops::Range<usize>,
}

impl Connection {
    pub(crate) fn open(addr: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(addr).with_context(|| format!("cannot connect to {addr}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        Ok(Self { stream, buffer: vec![0; 16 * 1024], body: 0..0 })
    }

    pub(crate) fn send(&mut self, request: &[u8]) -> Result<()> {
        self.stream.write_all(request).context("cannot send a request")
    }

    /// The status of the next answer.
    pub(crate) fn receive(&mut self) -> Result<u16> {
        let mut filled = 0;
        loop {
            if filled == self.buffer.len() {
                if filled >= MAX_ANSWER {
                    bail!("an answer is longer than {MAX_ANSWER} bytes");
                }
                self.buffer.resize(filled * 2, 0);
            }
            match self.stream.read(&mut self.buffer[filled..]) {
                Ok(0) => bail!("the connection was closed"),
                Ok(read) => filled += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("no answer"),
            }
            if let Some((status, body)) = parse(&self.buffer[..filled])? {
                self.body = body;
                return Ok(status);
            }
        }
    }

    pub(crate) fn exchange(&mut self, request: &[u8]) -> Result<(u16, &[u8])> {
        self.send(request)?;
        let status = self.receive()?;
        Ok((status, &self.buffer[self.body.clone()]))
    }
}

/// Status and place of the body, once the answer is whole. Nothing is pipelined, so it ends where the bytes end.
fn parse(bytes: &[u8]) -> Result<Option<(u16, std::ops::Range<usize>)>> {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&bytes[..end]).context("an answer's head is no text")?;
    let status: u16 = head.get(9..12).and_then(|code| code.parse().ok()).context("an answer has no status")?;
    let body = end + 4;
    if status == 204 || status == 304 {
        return Ok(Some((status, body..body)));
    }
    let header = |name: &str| {
        let mut lines = head.split("\r\n").filter_map(|line| line.split_once(':'));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    };
    if let Some(length) = header("content-length") {
        let length: usize = length.parse().context("an answer's length is no number")?;
        return Ok((bytes.len() >= body + length).then_some((status, body..body + length)));
    }
    if header("transfer-encoding").is_some() {
        return Ok(bytes.ends_with(b"0\r\n\r\n").then_some((status, body..bytes.len())));
    }
    bail!("an answer names no length: {head}")
}

/// One kind of request, to be sent again and again.
pub(crate) struct Load {
    pub(crate) addr: SocketAddr,
    /// Sent in turn; the next run goes on where the last one ended.
    pub(crate) requests: Vec<Vec<u8>>,
    pub(crate) expected: u16,
    next: usize,
}

pub(crate) struct Run {
    pub(crate) per_second: f64,
    /// CPU of the server's process per request, in microseconds; where the system tells.
    pub(crate) server_cpu: Option<f64>,
    /// Share of a core that this side took.
    pub(crate) client_cpu: Option<f64>,
}

impl Load {
    pub(crate) fn new(addr: SocketAddr, requests: Vec<Vec<u8>>, expected: u16) -> Self {
        Self { addr, requests, expected, next: 0 }
    }

    fn next(&mut self) -> &[u8] {
        self.next = (self.next + 1) % self.requests.len();
        &self.requests[self.next]
    }

    pub(crate) fn run(&mut self, duration: Duration, server: u32) -> Result<Run> {
        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS {
            let mut connection = Connection::open(self.addr)?;
            connection.send(self.next())?;
            connections.push(connection);
        }
        let mut done = 0_u32;
        let started = Instant::now();
        let (server_before, client_before) = (cpu_of(server), cpu_here());
        while started.elapsed() < duration {
            for connection in &mut connections {
                let status = connection.receive()?;
                if status != self.expected {
                    bail!("a request was answered {status} instead of {}", self.expected);
                }
                connection.send(self.next())?;
                done += 1;
            }
        }
        let seconds = started.elapsed().as_secs_f64();
        let spent = |before: Option<f64>, after: Option<f64>| Some(after? - before?);
        let server_cpu = spent(server_before, cpu_of(server));
        let client_cpu = spent(client_before, cpu_here());
        for connection in &mut connections {
            connection.receive()?;
        }
        let requests = f64::from(done);
        Ok(Run {
            per_second: requests / seconds,
            server_cpu: server_cpu.map(|cpu| cpu * 1e6 / requests),
            client_cpu: client_cpu.map(|cpu| cpu / seconds),
        })
    }
}

/// Seconds on a CPU so far, of all threads of a process; Linux tells by the nanosecond. Other work on the machine does
/// not count in it, as it does in elapsed time.
pub(crate) fn cpu_of(process: u32) -> Option<f64> {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).ok()?;
    Some(threads.flatten().filter_map(|thread| on_cpu(&thread.path())).sum())
}

/// The same of this thread alone.
pub(crate) fn cpu_here() -> Option<f64> {
    on_cpu(Path::new("/proc/thread-self"))
}

fn on_cpu(thread: &Path) -> Option<f64> {
    let nanoseconds = std::fs::read_to_string(thread.join("schedstat")).ok()?;
    Some(nanoseconds.split(' ').next()?.parse::<f64>().ok()? * 1e-9)
}
