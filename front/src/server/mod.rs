//! The server: what listens, what works beside it, and how it stops.

mod access;
mod catalogue;
mod demo;
mod edge;
mod health;
mod logs;
mod metrics;
mod money;
mod openapi;
pub(crate) mod prepared;
mod repeated;
mod routes;
mod runs;
mod start;
mod state;
mod tenancy;
mod watchdog;
mod workers;

use crate::config::Config;
use crate::exit::End;
use crate::terminal;
use anyhow::Context;
use edge::accept::{Edge, accept};
use edge::files;
use edge::observe::Observed;
use prepared::Prepared;
use state::Shared;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

/// Connections that the kernel holds until they are accepted.
const BACKLOG: u32 = 4096;

/// Serves until it is told to stop (SIGTERM, SIGINT), then lets requests under way finish. A second signal ends it
/// at once.
pub(crate) async fn serve(prepared: Prepared) -> anyhow::Result<End> {
    let Prepared {
        config,
        demo_folder,
        hardening,
    } = prepared;
    let is_demo = demo_folder.is_some();
    logs::install(&config.log)?;
    tracing::info!("hardening: {hardening}");
    if hardening.is_root {
        tracing::warn!("the server runs as root: start it as a user of its own");
    }
    let mut signals = Signals::new()?;
    let connections = files::connections(config.connections);
    let half = connections.div_ceil(2);
    let edge = Edge {
        connections,
        connections_per_address: config.connections_per_address.unwrap_or(half),
        ..Edge::of(&config)
    };
    let admin = match config.admin_listen {
        Some(address) => {
            let router = metrics::router(metrics::install()?, patience(&config));
            Some((bind(address)?, router))
        }
        None => None,
    };
    let listener = bind(config.listen)?;
    let (server, operator_key) = start::start(config).await?;
    start::work(&server).await?;
    watchdog::watch(&server)?;
    announce(
        &server,
        &listener,
        admin.as_ref().map(|(listener, _)| listener),
    )?;
    let address = listener.local_addr()?;

    let (stopping, stop) = oneshot::channel::<()>();
    let serving = accept(listener, observed(&server), edge.clone(), async {
        // A sender that is gone says the same as one that was heard.
        let _ = stop.await;
    });
    let watching = async {
        match admin {
            Some((listener, router)) => {
                accept(listener, router, edge, std::future::pending()).await
            }
            None => std::future::pending().await,
        }
    };
    let greeting = greet(&server, operator_key, is_demo, address);
    let mut serving = std::pin::pin!(serving);
    let mut watching = std::pin::pin!(watching);
    tokio::select! {
        () = &mut serving => {}
        () = &mut watching => {}
        greeted = greeting => match greeted {
            Ok(never) => match never {},
            Err(error) => return Err(error),
        },
        () = signals.next() => {}
    }
    tracing::info!("stopping: requests and runs under way are waited for");
    let patience = Duration::from_millis(server.config.drain_ms);
    let drained = server.drain(patience);
    drop(stopping);
    tokio::select! {
        () = serving => {}
        () = watching => {}
        () = signals.next() => return Ok(End::Interrupted),
    }
    start::finish(&server, drained).await;
    Ok(End::Good)
}

/// Says the operator's key the once, or what a demo is for, and then waits for ever.
async fn greet(
    server: &Shared,
    operator_key: Option<tollgate_store::KeyText>,
    is_demo: bool,
    address: SocketAddr,
) -> anyhow::Result<std::convert::Infallible> {
    if let Some(key) = operator_key {
        terminal::result(format_args!(
            "operator key, shown this once: {}",
            key.expose()
        ));
        if is_demo {
            demo::publish_and_print(server, address, &key).await?;
        }
    }
    terminal::result("ready");
    std::future::pending().await
}

fn observed(server: &Shared) -> Observed {
    let patience = patience(&server.config);
    let (router, paths) = routes::router(server.clone());
    Observed::new(router, paths, Arc::clone(&server.unsent), patience)
}

fn patience(config: &Config) -> Duration {
    Duration::from_millis(config.body_timeout_ms)
}

fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let open = || {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        }?;
        // Else a restart fails while connections of the one before are in TIME_WAIT.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    open().with_context(|| format!("cannot listen on {address}"))
}

/// Says where, with the port that was given where none was asked for.
fn announce(server: &Shared, api: &TcpListener, admin: Option<&TcpListener>) -> anyhow::Result<()> {
    terminal::result(format_args!("listening on http://{}", api.local_addr()?));
    if let Some(admin) = admin {
        terminal::result(format_args!(
            "metrics on http://{}/metrics",
            admin.local_addr()?
        ));
    }
    terminal::result(format_args!("data in {}", server.config.data.display()));
    Ok(())
}

/// The signals that ask the server to stop.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?,
            interrupt: signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
