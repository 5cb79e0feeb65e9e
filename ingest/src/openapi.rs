//! The document that describes the API to programs (`OpenAPI` 3.1): made from the table of routes and from the types that are
//! serialised. Pure; that the server answers as it says is proved by a test that asks it.

mod schemas;

use std::sync::LazyLock;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::access::cookie::NAME as COOKIE;
use crate::http::routes::{Body, Parameter, Place, ROUTES, Route, Shape};

static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(document().to_string()));

/// The document, as it is served.
#[must_use]
pub fn text() -> Bytes {
    DOCUMENT.clone()
}

/// The document.
#[must_use]
pub fn document() -> Value {
    let mut paths = Map::new();
    for route in ROUTES {
        paths.insert(route.path.to_owned(), json!({ "get": operation(route) }));
    }
    json!({
        "openapi": "3.1.1",
        "info": {
            "title": "agent-comms",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What agents and scripts say while they run as steps of Kubernetes workflows: live, and as history. \
                Every list is in the order of the stream's cursors.",
            "license": { "name": "Apache 2.0", "identifier": "Apache-2.0" },
        },
        "paths": paths,
        // An open server asks nobody.
        "security": [{}, { "token": [] }, { "cookie": [] }],
        "components": {
            "schemas": schemas::all(),
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer", "description": "A token that the cluster gives, for this server." },
                "cookie": { "type": "apiKey", "in": "cookie", "name": COOKIE, "description": "What /login gives." },
            },
        },
    })
}

fn operation(route: &Route) -> Value {
    let mut responses = Map::new();
    responses.insert("200".to_owned(), json!({ "description": route.summary, "content": content(route.body) }));
    for status in route.problems {
        responses.insert(status.to_string(), problem(problem_text(*status)));
    }
    responses.insert("401".to_owned(), problem("It is not known who asks, of a server that is not open to all."));
    if route.body != Body::Document {
        responses.insert("503".to_owned(), problem("It cannot be answered at the moment; `Retry-After` says when to ask again."));
    }
    json!({
        "operationId": route.id,
        "summary": route.summary,
        "description": route.description,
        "parameters": route.parameters.iter().copied().flatten().map(parameter).collect::<Vec<_>>(),
        "responses": responses,
    })
}

fn problem_text(status: u16) -> &'static str {
    match status {
        400 => "A value has no meaning.",
        403 => "Who asks may not read this.",
        404 => "Nothing of this name.",
        409 => "Runs of several namespaces are known by this id; `namespaces` lists them.",
        _ => "It is refused.",
    }
}

fn problem(description: &str) -> Value {
    json!({ "description": description, "content": { "application/problem+json": { "schema": reference("Problem") } } })
}

fn content(body: Body) -> Value {
    match body {
        Body::Json(schema) => json!({ "application/json": { "schema": reference(schema) } }),
        // 3.1 has no word for the schema of an event's data, or of a line; the description says it.
        Body::Events(schema) => json!({ "text/event-stream": { "schema": each("The data of each", schema) } }),
        Body::Lines(schema) => json!({ "application/x-ndjson": { "schema": each("Each line", schema) } }),
        Body::Markdown => json!({ "text/markdown": { "schema": { "type": "string" } } }),
        Body::Text => json!({ "text/plain": { "schema": { "type": "string" } } }),
        Body::Document => json!({ "application/json": { "schema": { "type": "object" } } }),
    }
}

fn each(what: &str, schema: &str) -> Value {
    json!({ "type": "string", "description": format!("{what} is JSON, a {schema}."), "contentMediaType": "application/json",
        "contentSchema": reference(schema) })
}

fn reference(schema: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{schema}") })
}

fn parameter(parameter: &Parameter) -> Value {
    let place = match parameter.place {
        Place::Path => "path",
        Place::Query => "query",
        Place::Header => "header",
    };
    json!({
        "name": parameter.name,
        "in": place,
        "required": parameter.place == Place::Path,
        "description": parameter.description,
        "schema": shape(parameter.shape),
    })
}

fn shape(shape: Shape) -> Value {
    let text = || json!({ "type": "string" });
    match shape {
        Shape::Text => text(),
        Shape::Texts => json!({ "type": "array", "items": text() }),
        Shape::Cursor => json!({ "type": "string", "pattern": "^[0-9]+\\.[0-9]+$", "examples": ["1.4711"] }),
        Shape::Moment => json!({ "type": "string", "examples": ["2026-01-31T12:00:00Z", "15m", "24h", "7d"] }),
        Shape::Number(default, most) => json!({ "type": "integer", "minimum": 0, "default": default, "maximum": most }),
        Shape::Choice(words) => json!({ "type": "string", "enum": words }),
        Shape::Choices(words) => json!({ "type": "array", "items": { "type": "string", "enum": words } }),
    }
}
