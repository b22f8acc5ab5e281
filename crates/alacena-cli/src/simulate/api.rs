//! The routes below `/api1`: lists, records, creation, changes, the account.

use std::sync::Arc;

use axum::{
    Json as JsonBody, Router,
    extract::{Path, Query, State, rejection::JsonRejection},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Value as Json, json};

use super::{
    Simulated,
    books::{Record, Resource},
    data,
    listing::Listing,
};

type Shared = State<Arc<Simulated>>;
type Pairs = Query<Vec<(String, String)>>;
type Given = Result<JsonBody<Json>, JsonRejection>;

/// Every route of the API, without the gate in front of them.
pub(super) fn routes() -> Router<Arc<Simulated>> {
    let mut router = Router::new()
        .route("/account/users", get(users))
        .route("/account/settings", get(settings))
        .route("/simulated-bytes/{jnid}", get(bytes));
    for resource in Resource::ALL {
        let all = get(move |state: Shared, pairs: Pairs| list(resource, state, pairs))
            .post(move |state: Shared, pairs: Pairs, given: Given| create(resource, state, pairs, given));
        let one = get(move |state: Shared, jnid: Path<String>| show(resource, state, jnid))
            .put(move |state: Shared, jnid: Path<String>, given: Given| change(resource, state, jnid, given));
        router = router.route(resource.path(), all).route(&format!("{}/{{jnid}}", resource.path()), one);
    }
    router
}

/// A refusal in the API's own form.
pub(super) fn refuse(status: StatusCode, body: impl Into<String>) -> Response {
    (status, JsonBody(json!({ "status": status.as_u16(), "body": body.into() }))).into_response()
}

async fn list(resource: Resource, State(simulated): Shared, Query(pairs): Pairs) -> Response {
    let listing = match Listing::parse(&pairs) {
        Ok(listing) => listing,
        Err(wrong) => return refuse(StatusCode::BAD_REQUEST, wrong),
    };
    let (count, page) = listing.page(simulated.books.lock().records(resource));
    let mut answer = Record::new();
    answer.insert("count".to_owned(), count.into());
    answer.insert(resource.envelope().to_owned(), page.into_iter().map(Json::Object).collect());
    JsonBody(answer).into_response()
}

async fn show(resource: Resource, State(simulated): Shared, Path(jnid): Path<String>) -> Response {
    let books = simulated.books.lock();
    match books.find(resource, &jnid) {
        None => refuse(StatusCode::NOT_FOUND, "Not found"),
        // The bytes of a file are elsewhere; what is known about it stands in the list.
        Some(_) if resource == Resource::Files => {
            (StatusCode::FOUND, [(header::LOCATION, format!("/api1/simulated-bytes/{jnid}"))]).into_response()
        }
        Some(record) => JsonBody(record).into_response(),
    }
}

async fn create(resource: Resource, State(simulated): Shared, Query(pairs): Pairs, given: Given) -> Response {
    let needs = resource.needs_one_of();
    if needs.is_empty() {
        return refuse(StatusCode::METHOD_NOT_ALLOWED, "Records of this kind are not created here");
    }
    let mut record = match object(given) {
        Ok(record) => record,
        Err(wrong) => return *wrong,
    };
    let filled = |name: &&str| record.get(*name).and_then(Json::as_str).is_some_and(|text| !text.is_empty());
    if !needs.iter().any(filled) {
        return refuse(
            StatusCode::BAD_REQUEST,
            format!("{} needs {}", resource.singular(), needs.join(" or ")),
        );
    }
    if resource == Resource::Contacts && !filled(&"display_name") {
        let named =
            ["first_name", "last_name", "company"].iter().filter_map(|name| record.get(*name)?.as_str());
        let name = named.filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
        record.insert("display_name".to_owned(), name.into());
    }
    if let Some(actor) = pairs.iter().find(|(name, _)| name == "actor") {
        record.insert("created_by_name".to_owned(), actor.1.as_str().into());
    }
    let now = simulated.seconds();
    let mut books = simulated.books.lock();
    let created = books.add(resource, record, now).clone();
    if resource != Resource::Activities {
        books.add(Resource::Activities, happened(resource, "Created", &created), now);
    }
    JsonBody(created).into_response()
}

async fn change(
    resource: Resource,
    State(simulated): Shared,
    Path(jnid): Path<String>,
    given: Given,
) -> Response {
    let changes = match object(given) {
        Ok(changes) => changes,
        Err(wrong) => return *wrong,
    };
    let now = simulated.seconds();
    let deleted = changes.get("is_active") == Some(&Json::Bool(false));
    let mut books = simulated.books.lock();
    let Some(changed) = books.change(resource, &jnid, changes, now).cloned() else {
        return refuse(StatusCode::NOT_FOUND, "Not found");
    };
    if resource != Resource::Activities {
        let what = if deleted { "Deleted" } else { "Modified" };
        books.add(Resource::Activities, happened(resource, what, &changed), now);
    }
    JsonBody(changed).into_response()
}

async fn users(State(simulated): Shared) -> Response {
    let users = simulated.books.lock().users().to_vec();
    JsonBody(json!({ "users": users, "date_updated": data::HISTORY_END })).into_response()
}

async fn settings() -> Response {
    JsonBody(data::settings()).into_response()
}

async fn bytes(Path(jnid): Path<String>) -> Response {
    format!("These are the bytes of file {jnid}.\n").into_response()
}

fn object(given: Given) -> Result<Record, Box<Response>> {
    match given {
        Ok(JsonBody(Json::Object(record))) => Ok(record),
        Ok(_) => Err(refuse(StatusCode::BAD_REQUEST, "The body is not a JSON object").into()),
        Err(rejection) => Err(refuse(rejection.status(), rejection.body_text()).into()),
    }
}

/// The activity that tells of a change: what integrators poll, "Job Modified" with the job as `primary`.
fn happened(resource: Resource, what: &str, record: &Record) -> Record {
    let mut kind = resource.singular().to_owned();
    kind[..1].make_ascii_uppercase();
    let reference = data::reference(record);
    data::record(json!({
        "record_type_name": format!("{kind} {what}"), "note": "", "primary": reference, "related": [reference],
    }))
}
