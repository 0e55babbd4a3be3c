//! Projects, and orgs for the operator.

use super::keys::check_name;
use crate::problem::Problem;
use crate::problem::answer::Created;
use crate::server::access::caller::Caller;
use crate::server::edge::body::Sent;
use crate::server::state::Shared;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use tollgate_store::Scope;
use utoipa::ToSchema;

/// What is to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub(crate) struct Named {
    /// For people, 1 to 128 bytes.
    #[schema(min_length = 1, max_length = 128, example = "weather")]
    name: String,
}

/// A project that was made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProjectMade {
    #[schema(example = "prj_06bqk8m0000000000000000000")]
    id: String,
    name: String,
    /// A `manage` key of the project, shown this once: an answer sent again to a repeated request is without it.
    #[schema(required = false)]
    key: String,
}

/// An org that was made, with its first project.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OrgMade {
    #[schema(example = "org_06bqk8m0000000000000000000")]
    id: String,
    name: String,
    project_id: String,
    /// A `manage` key of the project, shown this once: an answer sent again to a repeated request is without it.
    #[schema(required = false)]
    key: String,
}

/// Makes a project of the org.
#[utoipa::path(post, path = "/v1/projects", tag = "projects", request_body = Named,
    responses((status = 201, body = ProjectMade, headers(("Location" = String, description = "The keys.")))))]
pub(crate) async fn create_project(
    State(server): State<Shared>,
    caller: Caller,
    sent: Sent,
) -> Result<Created<ProjectMade>, Problem> {
    caller.needs(Scope::Manage)?;
    let Named { name } = sent.json(&server.bodies, caller.key.owner.org).await?;
    check_name(&name)?;
    let (id, made) = server
        .store
        .create_project(caller.actor(), name.clone())
        .await?;
    let body = ProjectMade {
        id: id.to_string(),
        name,
        key: made.text.expose().to_owned(),
    };
    Ok(Created {
        location: "/v1/keys".to_owned(),
        body,
    })
}

/// Makes an org with its first project. The operator's.
#[utoipa::path(post, path = "/v1/orgs", tag = "operator", request_body = Named,
    responses((status = 201, body = OrgMade, headers(("Location" = String, description = "The keys.")))))]
pub(crate) async fn create_org(
    State(server): State<Shared>,
    caller: Caller,
    sent: Sent,
) -> Result<Created<OrgMade>, Problem> {
    caller.needs(Scope::Operator)?;
    let Named { name } = sent.json(&server.bodies, caller.key.owner.org).await?;
    check_name(&name)?;
    let made = server
        .store
        .create_org(caller.actor(), name.clone())
        .await?;
    let body = OrgMade {
        id: made.owner.org.to_string(),
        name,
        project_id: made.owner.project.to_string(),
        key: made.key.text.expose().to_owned(),
    };
    Ok(Created {
        location: "/v1/keys".to_owned(),
        body,
    })
}
