//! Records of runs, as they are read.

use crate::Store;
use crate::digest::Digest;
use crate::error::StoreError;
use crate::id::{ArtifactId, KeyId, OrgId, ReleaseId, RunId, SessionId};
use crate::money::budget::Payer;
use crate::number::unsigned;
use crate::owner::Owner;
use crate::page::{LOOKED_AT_MAX, Page, SHORT_BYTES, one_more};
use crate::runs::failure::RecordedFailure;
use crate::runs::run_usage::RunUsage;
use crate::runs::status::{FinishStatus, RunStatus};
use crate::sql::statements;
use crate::sql::{self, Row, SqlError, Statement};
use crate::time::Time;

/// A run, as far as it is known when it is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRun {
    /// Its identifier.
    pub id: RunId,
    /// Who asked.
    pub owner: Owner,
    /// With which key.
    pub key: KeyId,
    /// In which session of that key; none without one.
    pub session: Option<SessionId>,
    /// The artifact that is run.
    pub artifact: ArtifactId,
    /// The release that is run. `None` for a draft.
    pub release: Option<ReleaseId>,
    /// The digest of the tool.
    pub digest: Digest,
    /// The function asked for.
    pub function: Option<String>,
    /// The caller's own name for it.
    pub external_id: Option<String>,
    /// The trace it belongs to.
    pub traceparent: Option<String>,
    /// The limit asked for.
    pub timeout_ms: Option<u32>,
    /// True if the artifact is the caller's own.
    pub is_own: bool,
    /// True if the artifact's owner may see the tool's own words about a failure.
    pub share_diagnostics: bool,
    /// The SHA-256 of the input's JSON text.
    pub input_sha256: [u8; 32],
    /// Its length.
    pub input_bytes: u64,
    /// When it was asked for.
    pub created_at: Time,
    /// Tokens that are held for it.
    pub price: u64,
    /// The org that earns them if the run succeeds. `None` for a free run.
    pub seller: Option<OrgId>,
}

impl NewRun {
    /// Who pays for it.
    pub fn payer(&self) -> Payer {
        Payer {
            owner: self.owner,
            key: self.key,
            session: self.session,
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Finish {
    /// In one word.
    pub status: FinishStatus,
    /// Why there is no output.
    pub failure: Option<RecordedFailure>,
    /// The usage, if it was measured.
    pub usage: Option<RunUsage>,
    /// Tokens charged.
    pub charged: u64,
    /// The output's JSON text, kept where `keeps_output`.
    pub output: Option<String>,
    /// True if the output itself is kept, not only its digest.
    pub keeps_output: bool,
    /// JSON array of log lines.
    pub logs: Option<String>,
    /// JSON array of spans.
    pub spans: Option<String>,
    /// JSON array of spans that its caller added, of a run that has no row before this.
    pub uploaded_spans: Option<String>,
    /// When the guest started.
    pub started_at: Option<Time>,
    /// When it ended.
    pub finished_at: Time,
}

/// A run as recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRecord {
    /// The run as it was asked for.
    pub run: NewRun,
    /// Its status.
    pub status: RunStatus,
    /// Why there is no output.
    pub failure: Option<RecordedFailure>,
    /// The usage, if it was measured.
    pub usage: Option<RunUsage>,
    /// Tokens charged.
    pub charged: u64,
    /// The output's JSON text, where it is kept and was asked for.
    pub output: Option<String>,
    /// The parts that were not kept, because the org keeps as much as it may: `output`, `logs`, `spans`.
    pub cut: Vec<String>,
    /// When the guest started.
    pub started_at: Option<Time>,
    /// When it ended.
    pub finished_at: Option<Time>,
}

/// A queued run that was taken up.
#[derive(Debug)]
pub struct Claimed {
    /// The run as it was asked for.
    pub run: NewRun,
    /// The input's JSON text.
    pub input: String,
    /// Which start this is.
    pub attempt: i64,
}

/// Which runs are listed.
#[derive(Debug, Clone, Default)]
pub struct RunFilter {
    /// Only runs of this artifact.
    pub artifact: Option<ArtifactId>,
    /// With this status.
    pub status: Option<RunStatus>,
    /// With this name of the caller's.
    pub external_id: Option<String>,
    /// Asked for in this session.
    pub session: Option<SessionId>,
}

/// A run that was looked up.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundRun {
    /// Its record, without failure and output if the run is long.
    pub record: RunRecord,
    /// True if its failure or output is longer than 16 KiB. [`Store::whole_run`] reads it.
    pub is_long: bool,
}

impl Store {
    /// A project's run, with its output if that is kept and short.
    pub async fn run(
        &self,
        Owner { org, project }: Owner,
        id: RunId,
    ) -> Result<Option<FoundRun>, StoreError> {
        let row = self
            .readers
            .optional(
                sql::query(statements::RUN)
                    .bind(org)
                    .bind(project)
                    .bind(id)
                    .bind(SHORT_BYTES as i64),
            )
            .await?;
        let found = |row: &Row| {
            Ok(FoundRun {
                record: record_in(row)?,
                is_long: row.get("is_long")?,
            })
        };
        let found: Result<_, SqlError> = row.as_ref().map(found).transpose();
        Ok(found?)
    }

    /// A project's run with its output, however long.
    pub async fn whole_run(
        &self,
        Owner { org, project }: Owner,
        id: RunId,
    ) -> Result<Option<RunRecord>, StoreError> {
        let query = sql::query(statements::WHOLE_RUN)
            .bind(org)
            .bind(project)
            .bind(id);
        let record = self.list_readers.read(org, move |connection| {
            let row = query.optional(connection)?;
            row.as_ref().map(record_in).transpose()
        });
        record.await
    }

    /// True if the operator has stopped a run's artifact, its seller, its buyer or its key.
    pub async fn is_suspended(&self, run: &NewRun) -> Result<bool, StoreError> {
        let is_suspended = self
            .readers
            .scalar(
                sql::query(statements::IS_RUN_SUSPENDED)
                    .bind(run.artifact)
                    .bind(run.owner.org)
                    .bind(run.key),
            )
            .await?;
        Ok(is_suspended)
    }

    /// A project's runs, newest first. A page looks at 10,000 runs at most, so it may be short or empty before the
    /// last.
    pub async fn runs(
        &self,
        Owner { org, project }: Owner,
        filter: RunFilter,
        before: Option<RunId>,
        limit: usize,
    ) -> Result<Page<RunRecord, RunId>, StoreError> {
        let before = before.unwrap_or_else(RunId::last);
        let page = self.list_readers.read(org, move |connection| {
            let reach = |statement| {
                let query = sql::query(statement).bind(org).bind(project);
                query.bind(before).bind(LOOKED_AT_MAX)
            };
            let (statement, reach) = match (filter.session, &filter.external_id) {
                (Some(session), _) => (
                    statements::RUNS_OF_SESSION,
                    reach(statements::REACH_OF_RUNS_OF_SESSION).bind(session),
                ),
                (None, Some(name)) => (
                    statements::RUNS_NAMED,
                    reach(statements::REACH_OF_RUNS_NAMED).bind(name),
                ),
                (None, None) => (statements::RUNS, reach(statements::REACH_OF_RUNS)),
            };
            let reach: Option<RunId> = reach.optional_scalar(connection)?;
            let query = sql::query(statement)
                .bind(org)
                .bind(project)
                .bind(before)
                .bind(reach.unwrap_or_else(RunId::none))
                .bind(filter.artifact)
                .bind(filter.status.map(RunStatus::name))
                .bind(one_more(limit));
            let query = match (filter.session, &filter.external_id) {
                (Some(session), name) => query.bind(name.as_deref()).bind(session),
                (None, Some(name)) => query.bind(name),
                (None, None) => query,
            };
            let page = Page::read(&query, connection, limit, record_in, |it| it.run.id)?;
            Ok::<_, SqlError>(page.or_from(reach))
        });
        page.await
    }

    /// Runs of an artifact that failed or timed out, whoever asked for them; newest first.
    pub async fn failures(
        &self,
        (org, artifact): (OrgId, ArtifactId),
        before: Option<RunId>,
        limit: usize,
    ) -> Result<Page<RunRecord, RunId>, StoreError> {
        let query = sql::query(statements::FAILURES)
            .bind(artifact)
            .bind(before.unwrap_or_else(RunId::last))
            .bind(one_more(limit));
        let page = self.list_readers.read(org, move |connection| {
            Page::read(&query, connection, limit, record_in, |it| it.run.id)
        });
        page.await
    }

    /// A run's log lines, as the text of the JSON array that was kept.
    pub async fn run_logs(&self, org: OrgId, id: RunId) -> Result<Option<String>, StoreError> {
        self.kept_with(statements::RUN_LOGS, org, id).await
    }

    /// A run's spans, as the text of the JSON array that was kept.
    pub async fn run_spans(&self, org: OrgId, id: RunId) -> Result<Option<String>, StoreError> {
        self.kept_with(statements::RUN_SPANS, org, id).await
    }

    async fn kept_with(
        &self,
        statement: Statement,
        org: OrgId,
        id: RunId,
    ) -> Result<Option<String>, StoreError> {
        let query = sql::query(statement).bind(org).bind(id);
        let kept = self
            .list_readers
            .read(org, move |connection| query.optional_scalar(connection));
        kept.await
    }
}

pub(crate) fn new_in(row: &Row) -> Result<NewRun, SqlError> {
    Ok(NewRun {
        id: row.get("run_id")?,
        owner: Owner::of(row)?,
        key: row.get("key_id")?,
        session: row.get("session_id")?,
        artifact: row.get("artifact_id")?,
        release: row.get("release_id")?,
        digest: row.get("digest")?,
        function: row.get("function")?,
        external_id: row.get("external_id")?,
        traceparent: row.get("traceparent")?,
        timeout_ms: row.get("timeout_ms")?,
        is_own: row.get("is_own")?,
        share_diagnostics: row.get("share_diagnostics")?,
        input_sha256: row.get("input_sha256")?,
        input_bytes: unsigned(row.get("input_bytes")?),
        created_at: row.get("created_at")?,
        price: unsigned(row.get("price")?),
        seller: row.get("seller_id")?,
    })
}

fn record_in(row: &Row) -> Result<RunRecord, SqlError> {
    Ok(RunRecord {
        run: new_in(row)?,
        status: status_in(row)?,
        failure: row.optional_json("failure")?,
        usage: row.optional_json("usage")?,
        charged: unsigned(row.get("charged")?),
        output: row.get("output")?,
        cut: cut_in(row)?,
        started_at: row.get("started_at")?,
        finished_at: row.get("finished_at")?,
    })
}

fn status_in(row: &Row) -> Result<RunStatus, SqlError> {
    let name: &str = row.get("status")?;
    let status = name.parse::<RunStatus>();
    status.map_err(SqlError::unreadable)
}

fn cut_in(row: &Row) -> Result<Vec<String>, SqlError> {
    let cut: Option<String> = row.get("cut")?;
    let parts = cut.iter().flat_map(|cut| cut.split(','));
    Ok(parts.map(str::to_owned).collect())
}
