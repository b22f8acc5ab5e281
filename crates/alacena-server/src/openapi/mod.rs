//! `/openapi.json`: the same surface as OpenAPI 3.1, for generators of clients and for people with a viewer.
//!
//! Made of what is declared and of the router's own table: each route says there how it is described, or why it is not.

pub(crate) mod describe;
mod schemas;

use alacena::{Read, Write};
use axum::{
    Json as JsonAnswer,
    extract::State,
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value as Json, json};

use crate::{
    app::App,
    routes::{ROUTES, Route},
    token::Access,
    tools::schema,
};

/// How a route is described.
pub(crate) enum Operation {
    /// As one operation under this name.
    One(&'static str, fn() -> Json),
    /// As one operation for each declared read, each under this name and that of the read.
    EachRead(&'static str, fn(&Read) -> Json),
    /// As one operation for each declared write, each under this name and that of the write.
    EachWrite(&'static str, fn(&Write) -> Json),
    /// Not at all, and why.
    LeftOut(&'static str),
}

/// `GET /openapi.json`.
pub(crate) async fn openapi(State(app): State<App>) -> Response {
    JsonAnswer(document(&app)).into_response()
}

fn document(app: &App) -> Json {
    let mut paths = Paths { app, paths: Map::new(), left_out: Map::new() };
    ROUTES.iter().for_each(|route| paths.add(route));
    let Paths { paths, left_out, .. } = paths;
    json!({
        "openapi": "3.1.1",
        "info": {
            "title": "Alacena",
            "version": app.settings().version,
            "description": "Declared reads and writes, and the administration of the cache in front of them.",
        },
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "schemas": component_schemas(app),
            "responses": schemas::problems(),
            "headers": schemas::headers(),
            "securitySchemes": security_schemes(app),
        },
        "x-alacena-left-out": left_out,
    })
}

/// The paths on their way into the document.
struct Paths<'a> {
    app: &'a App,
    paths: Map<String, Json>,
    left_out: Map<String, Json>,
}

impl Paths<'_> {
    fn add(&mut self, route: &Route) {
        let alacena = self.app.alacena();
        match route.operation {
            Operation::LeftOut(reason) => {
                self.left_out.insert(format!("{} {}", route.method, route.path), reason.into());
            }
            Operation::One(id, describe) => {
                let wanted = Wanted { id: id.to_owned(), what: "", public: false, credentials: &[] };
                self.put(route, route.path, &wanted, describe());
            }
            Operation::EachRead(id, describe) => {
                for read in alacena.reads().iter() {
                    let id = format!("{id}_{}", read.name);
                    let Read { name, description: what, public, credentials, .. } = &**read;
                    let wanted = Wanted { id, what, public: *public, credentials };
                    self.put(route, &route.path.replace("{name}", name), &wanted, describe(read));
                }
            }
            Operation::EachWrite(id, describe) => {
                for write in alacena.writes().iter() {
                    let id = format!("{id}_{}", write.name);
                    let Write { name, description: what, credentials, .. } = &**write;
                    let wanted = Wanted { id, what, public: false, credentials };
                    self.put(route, &route.path.replace("{name}", name), &wanted, describe(write));
                }
            }
        }
    }

    /// Adds one operation, completed by what all have in common.
    fn put(&mut self, route: &Route, path: &str, wanted: &Wanted<'_>, described: Json) {
        let mut operation = Map::new();
        operation.insert("operationId".to_owned(), wanted.id.as_str().into());
        operation.insert("description".to_owned(), [wanted.what, route.what].join("\n\n").trim().into());
        let Json::Object(mut described) = described else { unreachable!("every operation is an object") };
        let responses = described.get_mut("responses").and_then(Json::as_object_mut);
        let responses = responses.expect("every operation says what it answers");
        responses.insert("4XX".to_owned(), json!({ "$ref": "#/components/responses/Refused" }));
        responses.insert("5XX".to_owned(), json!({ "$ref": "#/components/responses/Failed" }));
        operation.append(&mut described);
        let security = security(self.app, route.access, wanted);
        if !security.is_empty() {
            operation.insert("security".to_owned(), security.into());
        }
        let item = self.paths.entry(path).or_insert_with(|| Json::Object(Map::new()));
        let item = item.as_object_mut().expect("every path holds an object");
        item.insert(route.method.to_ascii_lowercase(), Json::Object(operation));
    }
}

/// What one operation has of its own besides its shape.
struct Wanted<'a> {
    id: String,
    what: &'a str,
    public: bool,
    /// The headers that it passes through to its source.
    credentials: &'a [String],
}

fn component_schemas(app: &App) -> Map<String, Json> {
    let alacena = app.alacena();
    let mut schemas = schemas::fixed();
    for read in alacena.reads().iter() {
        schemas.insert(read_schema(&read.name), plain(schema::input(&read.parameters)));
    }
    for write in alacena.writes().iter() {
        schemas.insert(write_schema(&write.name), plain(schema::input(&write.parameters)));
    }
    schemas
}

/// The input schema of a tool without its own dialect: within a document, the document says it.
fn plain(mut schema: Map<String, Json>) -> Json {
    schema.shift_remove("$schema");
    Json::Object(schema)
}

/// The name of the schema of a read's parameters.
fn read_schema(name: &str) -> String {
    format!("read.{name}")
}

/// The name of the schema of a write's parameters.
fn write_schema(name: &str) -> String {
    format!("write.{name}")
}

/// The scheme of a header that a source wants.
fn source_scheme(header: &str) -> String {
    format!("source.{header}")
}

fn security_schemes(app: &App) -> Map<String, Json> {
    let mut schemes = Map::new();
    if !app.is_open() {
        schemes.insert("bearer".to_owned(), json!({ "type": "http", "scheme": "bearer" }));
        let token = json!({
            "type": "apiKey", "in": "header", "name": "Alacena-Token",
            "description": "Alacena's own token where `Authorization` belongs to the source.",
        });
        schemes.insert("alacenaToken".to_owned(), token);
    }
    let alacena = app.alacena();
    let (reads, writes) = (alacena.reads(), alacena.writes());
    let of_reads = reads.iter().flat_map(|read| &read.credentials);
    let of_writes = writes.iter().flat_map(|write| &write.credentials);
    for header in of_reads.chain(of_writes) {
        let scheme = json!({
            "type": "apiKey", "in": "header", "name": header,
            "description": "A credential of the caller's own, passed through to the source.",
        });
        schemes.insert(source_scheme(header), scheme);
    }
    schemes
}

/// The ways to be let in, each with all that it takes. None where nothing is needed.
fn security(app: &App, access: Access, wanted: &Wanted<'_>) -> Vec<Json> {
    let needed = match access {
        _ if app.is_open() => None,
        Access::Open => None,
        Access::Public if wanted.public => None,
        Access::Public => Some("read"),
        Access::Role(role) => Some(role.as_str()),
    };
    let passed = || {
        let passed = wanted.credentials.iter().map(|header| (source_scheme(header), json!([])));
        passed.collect::<Map<String, Json>>()
    };
    let Some(role) = needed else {
        return if wanted.credentials.is_empty() { Vec::new() } else { vec![Json::Object(passed())] };
    };
    // Where `Authorization` belongs to the source, Alacena's token has only its own header.
    let taken = wanted.credentials.iter().any(|header| header == "authorization");
    let schemes = ["bearer", "alacenaToken"].into_iter().skip(usize::from(taken));
    let way = |scheme: &str| {
        let mut way = Map::from_iter([(scheme.to_owned(), json!([role]))]);
        way.append(&mut passed());
        Json::Object(way)
    };
    schemes.map(way).collect()
}
