//! Our server with its defaults but for the rate limits: two listed tools, and an org for every neighbour.

use super::server::{Server, run};
use super::{Call, MANY, Site};
use crate::guests;
use hyper::Method;
use serde_json::json;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

/// One key sends everything, over hundreds of connections.
const UNLIMITED: [(&str, &str); 3] = [
    ("TOLLGATE_RATE__KEY_PER_S", "0"),
    ("TOLLGATE_RATE__ORG_PER_S", "0"),
    ("TOLLGATE_RATE__ORG_RUNS", "0"),
];

/// How often it is looked whether a file is compiled.
const LOOK: Duration = Duration::from_millis(100);

/// How long a neighbour spins until it asks to spin again.
const SPIN: Duration = Duration::from_secs(2);

pub(crate) struct Tollgate {
    server: Server,
    key: String,
    neighbours: Vec<String>,
    no_op: String,
    spin: String,
}

impl Tollgate {
    /// `None` where the program was not built beside this one.
    pub(crate) fn start() -> anyhow::Result<Option<Self>> {
        let Some(server) = Server::start(&UNLIMITED)? else {
            return Ok(None);
        };
        let (_, key) = server.org("ours")?;
        let no_op = server.publish(&key, "?name=no-op", guests::no_op()?)?;
        let spin = server.publish(&key, "?name=spin", guests::spin()?)?;
        let mut neighbours = Vec::new();
        for index in 0..MANY {
            let (_, neighbour) = server.org(&format!("neighbour-{index}"))?;
            let subscribe = Call::new(Method::POST, "/v1/subscriptions").with_key(&neighbour);
            server.ask(subscribe.with_json(&json!({"artifact_id": spin})))?;
            neighbours.push(neighbour);
        }
        Ok(Some(Self {
            server,
            key,
            neighbours,
            no_op,
            spin,
        }))
    }
}

/// What is compiled for a neighbour.
pub(crate) struct Compiling {
    /// Of its verdict.
    path: String,
}

impl Tollgate {
    /// Asks to compile a file of a neighbour's.
    pub(crate) fn compile(&self, name: &str, file: Vec<u8>) -> anyhow::Result<Compiling> {
        let query = format!("?name={name}");
        let id = self.server.judge(&self.neighbours[0], &query, file)?;
        let path = format!("/v1/artifacts/{id}/draft/validation");
        Ok(Compiling { path })
    }

    /// Whether it still is.
    pub(crate) fn is_compiling(&self, compiling: &Compiling) -> anyhow::Result<bool> {
        let ask = Call::new(Method::GET, &compiling.path).with_key(&self.neighbours[0]);
        Ok(self.server.ask(ask)?["status"] == "PENDING")
    }

    /// Waits until it is not.
    pub(crate) fn compiled(&self, compiling: &Compiling) -> anyhow::Result<()> {
        while self.is_compiling(compiling)? {
            thread::sleep(LOOK);
        }
        Ok(())
    }
}

impl Site for Tollgate {
    fn name(&self) -> &'static str {
        "tollgate serve"
    }

    fn address(&self) -> SocketAddr {
        self.server.process.address
    }

    fn process_id(&self) -> u32 {
        self.server.process.child.id()
    }

    fn quick(&self) -> Call {
        run(&self.no_op, &self.key, json!({"value": 7}))
    }

    fn spinning(&self, neighbour: usize) -> Call {
        let call = Call::new(Method::POST, format!("/v1/artifacts/{}/run", self.spin));
        let limited = json!({"input": {}, "timeout_ms": SPIN.as_millis()});
        call.with_key(&self.neighbours[neighbour])
            .with_json(&limited)
    }

    fn quiet(&mut self) -> anyhow::Result<()> {
        // A run goes on without the caller who has left.
        thread::sleep(2 * SPIN);
        Ok(())
    }
}
