//! Servers as processes of their own, and what their callers wait.

mod client;
mod load;
mod paid;
mod past;
mod references;
mod server;
mod tollgate;

use crate::sample::Sample;
use anyhow::Context;
use client::Client;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

pub(crate) use client::Call;
pub(crate) use load::{Sustained, sustain};
pub(crate) use paid::Paid;
pub(crate) use past::Past;
pub(crate) use references::{BareAxum, Wasmtime, Workerd, serve_bare_axum};
pub(crate) use tollgate::Tollgate;

/// A caller gives up after this: what is not answered then counts as so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// How long neighbours have until they are measured beside.
const SETTLED: Duration = Duration::from_secs(1);
/// How long a server may take to listen.
const START: Duration = Duration::from_secs(60);

/// A server under measurement.
pub(crate) trait Site {
    /// As it stands in the table.
    fn name(&self) -> &'static str;
    fn address(&self) -> SocketAddr;
    /// Its process.
    fn process_id(&self) -> u32;
    /// A request whose guest does nothing.
    fn quick(&self) -> Call;
    /// A request whose guest never ends, of one of at most [`MANY`] neighbours.
    fn spinning(&self, neighbour: usize) -> Call;
    /// Ends all that spins.
    fn quiet(&mut self) -> anyhow::Result<()>;
}

/// Neighbours there are at most.
pub(crate) const MANY: usize = 100;

/// How long quick calls take, one at a time, while so many requests of others spin.
pub(crate) fn beside(
    site: &mut dyn Site,
    spinning: usize,
    calls: usize,
    patience: Duration,
) -> anyhow::Result<Sample> {
    let neighbours = Neighbours::start(site, spinning);
    if spinning > 0 {
        thread::sleep(SETTLED);
    }
    let sample = quick_calls(site, calls, patience);
    neighbours.stop();
    if spinning > 0 {
        site.quiet()?;
    }
    sample
}

fn quick_calls(site: &dyn Site, calls: usize, patience: Duration) -> anyhow::Result<Sample> {
    let tokio = one_thread()?;
    let call = site.quick();
    let mut client = None;
    Sample::take(calls, patience, || {
        let answered = tokio.block_on(async {
            let answer = async {
                if client.is_none() {
                    client = Some(Client::connect(site.address()).await?);
                }
                let client = client.as_mut().context("connected")?;
                client.call(&call).await
            };
            tokio::time::timeout(PATIENCE, answer).await
        });
        match answered {
            Ok(Ok((200, _))) => Ok(()),
            Ok(Ok((status, body))) => {
                anyhow::bail!("{} answered {status}: {}", site.name(), text(&body))
            }
            Ok(Err(error)) => Err(error.context(site.name())),
            Err(_) => {
                client = None;
                Ok(())
            }
        }
    })
}

fn text(body: &[u8]) -> String {
    String::from_utf8_lossy(body).into_owned()
}

fn one_thread() -> anyhow::Result<tokio::runtime::Runtime> {
    let tokio = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    tokio.context("tokio")
}

/// Others, each with a connection of its own and one request after the other.
struct Neighbours {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Neighbours {
    fn start(site: &dyn Site, count: usize) -> Self {
        let (stop, stopped) = oneshot::channel();
        let address = site.address();
        let calls: Vec<_> = (0..count).map(|index| site.spinning(index)).collect();
        let thread = thread::spawn(move || {
            let Ok(tokio) = one_thread() else { return };
            for call in calls {
                tokio.spawn(call_for_ever(address, call));
            }
            let _ = tokio.block_on(stopped);
        });
        Self { stop, thread }
    }

    fn stop(self) {
        let _ = self.stop.send(());
        let _ = self.thread.join();
    }
}

async fn call_for_ever(address: SocketAddr, call: Call) {
    loop {
        if let Ok(mut client) = Client::connect(address).await {
            while client.call(&call).await.is_ok() {}
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// A program that is killed when it is dropped.
struct Process {
    child: Child,
    address: SocketAddr,
}

impl Process {
    /// Starts a program, and reads where it listens from what it prints.
    fn start(
        mut command: Command,
        says: fn(&mut Child) -> Option<Box<dyn Read + Send>>,
        mut listens: impl FnMut(&str) -> Option<SocketAddr> + Send + 'static,
    ) -> anyhow::Result<Self> {
        let program = PathBuf::from(command.get_program()).display().to_string();
        command.stdin(Stdio::null());
        let mut child = command.spawn().with_context(|| program.clone())?;
        let said = says(&mut child).context("its output is piped")?;
        let (sender, started) = std::sync::mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(said).lines().map_while(Result::ok) {
                if let Some(address) = listens(&line) {
                    let _ = sender.send(address);
                }
            }
        });
        let Ok(address) = started.recv_timeout(START) else {
            let _ = child.kill();
            anyhow::bail!("{program} does not listen");
        };
        Ok(Self { child, address })
    }
}

impl Process {
    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// Waits until somebody listens there.
fn wait_until_listening(address: SocketAddr) -> anyhow::Result<()> {
    let given_up_at = Instant::now() + START;
    while std::net::TcpStream::connect(address).is_err() {
        anyhow::ensure!(Instant::now() < given_up_at, "nobody listens on {address}");
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}
