//! The catalogue of statements, and work that is written once, on both engines.

use super::money::{charged, paid_run};
use super::*;
use crate::catalogue::artifact::insert_artifact;
use crate::catalogue::draft::VerdictTexts;
use crate::catalogue::publishing::{carry_out, plan};
use crate::connections::writer::Batched;
use crate::money::credit::give;
use crate::money::learned::Learned;
use crate::money::wallet::{KeptHold, Wallets};
use crate::runs::settlement::{Settling, record_all};
use crate::sql::Connection;
use crate::sql::postgres::{self, Cluster};
use crate::tenancy::orgs::{insert_org, insert_project};
use crate::upkeep::audit::audit;
use std::sync::Arc;

/// A new database of each engine that this machine has.
struct Engines {
    connections: Vec<(&'static str, Connection)>,
    _folder: tempfile::TempDir,
    _cluster: Option<Cluster>,
}

impl Engines {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("tollgate.db");
        sqlite::migrate(&file).expect("migrated");
        let mut connections = vec![("SQLite", sqlite::open(&file).expect("opened"))];
        let cluster = Cluster::start();
        match &cluster {
            Some(cluster) => {
                let connection = postgres::open(cluster.client("store"));
                connections.push(("Postgres", connection.expect("opened")));
            }
            None => eprintln!("SKIPPED on Postgres: no /usr/lib/postgresql/*/bin/initdb here"),
        }
        Self {
            connections,
            _folder: folder,
            _cluster: cluster,
        }
    }
}

#[test]
fn every_statement_is_prepared_by_each_engine_that_has_it() {
    let mut engines = Engines::start();
    let all = [
        statements::CATALOGUE,
        statements::MONEY,
        statements::RUNS_AND_ANSWERS,
        statements::TENANCY,
        statements::UPKEEP,
    ];
    let all: Vec<_> = all.iter().copied().flatten().collect();
    assert!(all.len() > 150, "{}", all.len());
    let mut refused = Vec::new();
    for (engine, connection) in &mut engines.connections {
        for (name, statement) in &all {
            if *engine == "Postgres" && statement.on_postgres().is_none() {
                continue;
            }
            if let Err(error) = connection.prepare(*statement) {
                refused.push(format!("{engine}: {name}: {error:?}"));
            }
        }
    }
    assert!(refused.is_empty(), "{refused:#?}");
}

#[test]
fn publishing_holding_and_settling_are_the_same_on_both_engines() {
    let mut engines = Engines::start();
    let mut outcomes = Vec::new();
    for (engine, connection) in &mut engines.connections {
        outcomes.push(lifecycle(engine, connection));
    }
    assert!(outcomes.windows(2).all(|pair| pair[0] == pair[1]));
}

/// A seller publishes, a buyer gets tokens and pays for a run. Returns the audit and the wallets of buyer and seller.
fn lifecycle(engine: &str, connection: &mut Connection) -> (Audit, i64, i64) {
    let (buyer, seller) = (made_org(connection), made_org(connection));
    let artifact = published(connection, &seller);
    let credit = Credit {
        org: buyer.owner.org,
        tokens: 100,
        reason: "an invoice".to_owned(),
        request_sha256: Some([1; 32]),
    };
    for _ in 0..2 {
        let (credited, _) = give(connection, somebody(), &credit).expect(engine);
        assert!(matches!(credited, Credited::Made(_)), "{credited:?}");
    }
    let run = NewRun {
        artifact,
        ..paid_run(&buyer, &seller, 30)
    };
    let mut first = settling(connection, &run);
    connection.batch("BEGIN").expect("begun");
    assert!(record_all(connection, std::slice::from_mut(&mut first)).expect(engine));
    connection.batch("COMMIT").expect("committed");
    assert!(matches!(first.ended(Ok(true)), Ok(Settled::Recorded(_))));
    let mut again = settling(connection, &run);
    connection.batch("BEGIN").expect("begun");
    let recorded = record_all(connection, std::slice::from_mut(&mut again));
    connection.batch("ROLLBACK").expect("undone");
    assert!(!recorded.expect("a second end"), "{engine}");
    // The database itself keeps a wallet from being less than empty.
    let too_much = paid_run(&buyer, &seller, 71);
    let mut too_much = settling(connection, &too_much);
    connection.batch("BEGIN").expect("begun");
    let recorded = record_all(connection, std::slice::from_mut(&mut too_much));
    connection.batch("ROLLBACK").expect("undone");
    assert!(recorded.is_err(), "{engine}");
    let posted = |connection: &mut Connection, org: OrgId| {
        let posted = sql::query(statements::ORG_POSTED).bind(org);
        posted.scalar::<i64>(connection).expect("read")
    };
    let audit = audit(connection).expect(engine);
    assert_eq!(audit.differences, Vec::<String>::new(), "{engine}");
    let wallets = (
        posted(connection, buyer.owner.org),
        posted(connection, seller.owner.org),
    );
    assert_eq!(wallets, (70, 30), "{engine}");
    (audit, wallets.0, wallets.1)
}

fn made_org(connection: &mut Connection) -> NewOrg {
    let (org, project) = (OrgId::new(), ProjectId::new());
    insert_org(connection, org, "acme", b"a key").expect("written");
    let scopes = Scopes::of([Scope::Manage]);
    let key = insert_project(
        connection,
        Owner { org, project },
        "default",
        scopes,
        KeyText::new(),
    );
    NewOrg {
        owner: Owner { org, project },
        key: key.expect("written"),
    }
}

fn published(connection: &mut Connection, seller: &NewOrg) -> ArtifactId {
    let owner = seller.owner;
    let made = insert_artifact(connection, owner, "tool", draft(b"tool"), NO_LIMIT);
    let Ok(Upload::Made(artifact)) = made else {
        panic!("{made:?}")
    };
    let asked = sql::query(statements::ASK_VALIDATION).bind(seller.owner.org);
    let asked = asked.bind(artifact).bind(Time::now()).execute(connection);
    assert_eq!(asked.expect("written"), 1);
    let admitted = VerdictRecord {
        status: VerdictStatus::Admitted,
        violations: json!([]),
        notes: json!([]),
        about: Some(with_terms(&json!({"description": "Makes HTML"}))),
        version: None,
    };
    let place = (seller.owner.org, artifact);
    let texts = VerdictTexts::of(&admitted).expect("readable terms");
    let recorded = texts.record(connection, place, Digest::of(b"tool"), "");
    assert!(recorded.expect("written"));
    let planned = plan(connection, place, nothing_wider).expect("read");
    let planned = planned.expect("it can be published");
    let published = carry_out(connection, place, &planned, Some("<svg/>"));
    assert!(matches!(published, Ok(Some(Published::Made(_)))));
    let again = carry_out(connection, place, &planned, Some("<svg/>"));
    assert!(matches!(again, Ok(None)), "there is no draft any more");
    artifact
}

/// A run that has ended, with its hold.
fn settling(connection: &mut Connection, run: &NewRun) -> Settling {
    let posted = sql::query(statements::POSTED).pairs(connection);
    let held = sql::query(statements::HELD).pairs(connection);
    let wallets = Wallets::new(posted.expect("read"), held.expect("read"));
    let wallets = Arc::new(wallets);
    let learned = Learned::read(connection, run.payer(), false);
    learned.expect("read").give_to(&wallets);
    let kept = KeptHold {
        payer: run.payer(),
        tokens: run.price.min(70),
        at: run.created_at,
    };
    let hold = wallets.hold(kept).expect("known").expect("held");
    let settlement = Settlement {
        run: run.clone(),
        attempt: None,
        finish: charged(run.price),
        hold,
    };
    Settling::new(Box::new(settlement), None, u64::MAX)
}
