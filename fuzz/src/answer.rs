//! What a source answers over HTTP: its status and headers, its compression, its JSON, cut by a pointer.

use std::sync::{Arc, LazyLock};

use alacena::{
    SystemRuntime,
    source::{Call, Fetch, Fetched},
};
use alacena_backends::http::{HttpQuestion, HttpSettings, HttpSource};
use serde_json::Value as Json;
use tokio::runtime::Runtime;

use crate::origin::Origin;

/// Bytes of an answer that are borne: small, so that what decompresses to more is soon too much.
const BODY_BYTES_MAX: usize = 64 * 1024;

static ASKED: LazyLock<Asked> = LazyLock::new(Asked::start);

struct Asked {
    runtime: Runtime,
    origin: Origin,
    whole: Arc<dyn Fetch>,
    cut: Arc<dyn Fetch>,
}

/// The first byte says what the others are: a whole answer with its head, a body, or a body said to be compressed.
///
/// Whatever a source answers is refused or is JSON within its limit.
pub fn answer(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else { return };
    let encoding = match kind % 4 {
        0 => None,
        1 => Some(""),
        _ => Some("content-encoding: gzip\r\n"),
    };
    let bytes = match encoding {
        None => rest.to_vec(),
        Some(encoding) => {
            let length = rest.len();
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{encoding}content-length: {length}\r\n\r\n"
            );
            [head.as_bytes(), rest].concat()
        }
    };
    ASKED.origin.answer(bytes);
    for read in [&ASKED.whole, &ASKED.cut] {
        if let Ok(Fetched::Found { body, .. }) = ASKED.runtime.block_on(read.fetch(Call::default())) {
            assert!(body.bytes().len() <= BODY_BYTES_MAX, "{} bytes", body.bytes().len());
            assert!(serde_json::from_slice::<Json>(body.bytes()).is_ok(), "a body that is not JSON");
        }
    }
}

impl Asked {
    fn start() -> Self {
        let runtime = Runtime::new().expect("the system gives a process its threads and its poller");
        let origin = Origin::start(b"");
        let base = format!("http://{}", origin.address);
        let settings =
            HttpSettings { body_bytes_max: BODY_BYTES_MAX, retries: 0, ..HttpSettings::new("origin", base) };
        let prepare = |pointer: Option<&str>| {
            let source = HttpSource::open(settings.clone(), SystemRuntime::shared())?;
            let question = HttpQuestion::parse("GET /")?;
            source.read(HttpQuestion { pointer: pointer.map(str::to_owned), ..question })
        };
        let entered = runtime.enter();
        let whole = prepare(None).expect("it can be asked");
        let cut = prepare(Some("/a/0/b~1c")).expect("it can be asked");
        drop(entered);
        Self { runtime, origin, whole, cut }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_is_right_arrives_and_is_cut() {
        ASKED.origin.answer(b"HTTP/1.1 200 OK\r\ncontent-length: 19\r\n\r\n{\"a\":[{\"b/c\":[1]}]}".to_vec());
        let body = |read: &Arc<dyn Fetch>| match ASKED.runtime.block_on(read.fetch(Call::default())) {
            Ok(Fetched::Found { body, .. }) => {
                String::from_utf8(body.bytes().to_vec()).expect("JSON is text")
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(body(&ASKED.cut), "[1]");
        assert_eq!(body(&ASKED.whole), r#"{"a":[{"b/c":[1]}]}"#);
    }
}
