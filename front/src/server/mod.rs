//! The server: what listens, and how it stops.

pub(crate) mod accept;
pub(crate) mod arrival;
mod files;
mod logs;
mod metrics;
pub(crate) mod observe;
mod stall;

use crate::config::Config;
use crate::exit::End;
use crate::problem::{Kind, Problem};
use crate::terminal;
use accept::{Edge, accept};
use anyhow::Context;
use axum::routing::get;
use axum::{Json, Router, middleware};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

/// Connections that the kernel holds until they are accepted.
const BACKLOG: u32 = 4096;

/// Serves until it is told to stop (SIGTERM, SIGINT), then lets requests under way finish. A second signal ends it
/// at once.
pub(crate) async fn serve(config: Config, demo: bool) -> anyhow::Result<End> {
    logs::install(&config.log)?;
    let mut signals = Signals::new()?;
    let edge = Edge {
        connections: files::connections(config.connections),
        ..Edge::of(&config)
    };
    let admin = match config.admin_listen {
        Some(address) => Some((bind(address)?, metrics::router(metrics::install()?))),
        None => None,
    };
    let listener = bind(config.listen)?;
    announce(&listener, admin.as_ref().map(|(listener, _)| listener))?;
    tracing::info!(data = %config.data.display(), demo, "started");

    let (stopping, stop) = oneshot::channel::<()>();
    let serving = accept(listener, router(&config), edge.clone(), async {
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
    let mut serving = std::pin::pin!(serving);
    let mut watching = std::pin::pin!(watching);
    tokio::select! {
        () = &mut serving => {}
        () = &mut watching => {}
        () = signals.next() => {}
    }
    tracing::info!("stopping: requests under way are waited for");
    drop(stopping);
    tokio::select! {
        () = serving => Ok(End::Good),
        () = watching => Ok(End::Good),
        () = signals.next() => Ok(End::Interrupted),
    }
}

fn router(config: &Config) -> Router {
    let patience = Duration::from_millis(config.body_timeout_ms);
    let router = Router::new()
        .route("/healthz", get(healthz))
        .fallback(async || Problem::of(Kind::RouteNotFound))
        .layer(middleware::from_fn_with_state(patience, arrival::in_time));
    observe::observed(router)
}

async fn healthz() -> Json<Value> {
    Json(json!({"status": "ok"}))
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
fn announce(api: &TcpListener, admin: Option<&TcpListener>) -> anyhow::Result<()> {
    terminal::result(format_args!("listening on http://{}", api.local_addr()?));
    if let Some(admin) = admin {
        terminal::result(format_args!(
            "metrics on http://{}/metrics",
            admin.local_addr()?
        ));
    }
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
