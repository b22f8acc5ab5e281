//! Tools and a prompt of 2026-07-28 that want something of the client before they answer.
//!
//! Nothing is remembered between the rounds: what has been answered comes back as a state that the client keeps and
//! cannot write itself.

use std::{collections::BTreeMap, sync::LazyLock};

use alacena::SystemRuntime;
use rmcp::{
    ErrorData, RoleServer,
    model::{ClientCapabilities, InputRequiredResult, InputResponses},
    service::RequestContext,
};
use serde_json::{Value as Json, json};

use crate::fixture::typed;

/// Requests by name, for each round.
pub(crate) type Rounds = Vec<Vec<(&'static str, Json)>>;

/// What comes next.
pub(crate) enum Next {
    /// The client has to answer first.
    Ask(InputRequiredResult),
    /// Every round is answered.
    Done(String),
}

/// What a request brings.
pub(crate) struct Given {
    responses: InputResponses,
    state: Option<String>,
    client: ClientCapabilities,
}

impl Given {
    pub(crate) fn new(
        responses: Option<InputResponses>,
        state: Option<String>,
        context: &RequestContext<RoleServer>,
    ) -> Self {
        let client = context.client_capabilities().unwrap_or_default();
        Self { responses: responses.unwrap_or_default(), state, client }
    }

    fn answers(&self, name: &str) -> bool {
        self.responses.get(name).is_some_and(Json::is_object)
    }
}

/// What the tool `name` wants, if it is one of these.
pub(crate) fn tool(name: &str) -> Option<Rounds> {
    let who = || ("user_name", elicit("What is your name?", "name", "string"));
    let confirm = || ("confirm", elicit("Please confirm", "ok", "boolean"));
    let roots = || ("client_roots", json!({ "method": "roots/list" }));
    let rounds = match name.strip_prefix("test_input_required_result_").unwrap_or(name) {
        "elicitation" => vec![vec![who()]],
        "sampling" => vec![vec![("capital_question", sample("What is the capital of France?"))]],
        "list_roots" => vec![vec![roots()]],
        "request_state" | "tampered_state" => vec![vec![confirm()]],
        "multiple_inputs" => vec![vec![who(), ("greeting", sample("Generate a greeting")), roots()]],
        "multi_round" => vec![
            vec![("step1", elicit("Step 1: What is your name?", "name", "string"))],
            vec![("step2", elicit("Step 2: What is your favorite color?", "color", "string"))],
        ],
        "capabilities" => vec![vec![who(), ("greeting", sample("Generate a greeting"))]],
        "test_streaming_elicitation" => vec![vec![who()]],
        _ => return None,
    };
    Some(rounds)
}

/// What the prompt `name` wants, if it is this one.
pub(crate) fn prompt(name: &str) -> Option<Rounds> {
    let context = || elicit("What context should the prompt use?", "context", "string");
    (name == "test_input_required_result_prompt").then(|| vec![vec![("user_context", context())]])
}

/// Goes on where the state says, if every answer of that round is here; otherwise asks for them once more.
pub(crate) fn next(name: &str, rounds: Rounds, given: Given) -> Result<Next, ErrorData> {
    let round = given.state.as_deref().map_or(Ok(0), |state| opened(name, state))?;
    let can = |request: &Json| match request["method"].as_str() {
        Some("elicitation/create") => given.client.elicitation.is_some(),
        Some("sampling/createMessage") => given.client.sampling.is_some(),
        _ => given.client.roots.is_some(),
    };
    let mut rounds = rounds
        .into_iter()
        .skip(round)
        .map(|wanted| wanted.into_iter().filter(|(_, request)| can(request)).collect::<BTreeMap<_, _>>());
    let mut wanted = rounds.next().unwrap_or_default();
    if wanted.is_empty() {
        let needed = ClientCapabilities::builder().enable_elicitation().build();
        return Err(ErrorData::missing_required_client_capability(needed));
    }
    let mut reached = round;
    if wanted.keys().all(|name| given.answers(name)) {
        let Some(more) = rounds.next() else {
            return Ok(Next::Done(format!("state-ok: {}", json!(given.responses))));
        };
        (wanted, reached) = (more, round + 1);
    }
    Ok(Next::Ask(InputRequiredResult::new(Some(typed(json!(wanted))?), Some(sealed(name, reached)))))
}

/// The state for a client to keep: the round, and a mark that only this process can make.
fn sealed(name: &str, round: usize) -> String {
    static KEY: LazyLock<[u8; 32]> =
        LazyLock::new(|| blake3::hash(&SystemRuntime::shared().random().to_ne_bytes()).into());
    let mark = blake3::keyed_hash(&KEY, format!("{name} {round}").as_bytes());
    format!("{round}.{}", mark.to_hex())
}

/// The round of a state that is ours.
fn opened(name: &str, state: &str) -> Result<usize, ErrorData> {
    let round = state.split_once('.').and_then(|(round, _)| round.parse().ok());
    round
        .filter(|round| sealed(name, *round) == state)
        .ok_or_else(|| ErrorData::invalid_params("the requestState is not one of this server's", None))
}

fn elicit(message: &str, property: &str, kind: &str) -> Json {
    let schema =
        json!({ "type": "object", "properties": { property: { "type": kind } }, "required": [property] });
    json!({ "method": "elicitation/create", "params": { "message": message, "requestedSchema": schema } })
}

fn sample(question: &str) -> Json {
    let content = json!({ "type": "text", "text": question });
    let params = json!({ "messages": [{ "role": "user", "content": content }], "maxTokens": 100 });
    json!({ "method": "sampling/createMessage", "params": params })
}
