//! Secrets: where they come from, and that nothing shows them.

use std::fs;

use alacena::config::{Config, Layers, SourceKind};
use alacena_core::envelope::SealKey;

use crate::{environment, parse_with};

const CANARY: &str = "canary-9f3a71";

#[test]
fn a_secret_can_stand_in_a_file_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("alacena.toml");
    let text = "[sources.crm]\nkind = \"http\"\nbase_url = \"https://crm.example\"\nheaders = { authorization = \"file:key\" }\n";
    fs::write(&file, text).unwrap();
    let layers = Layers { file: Some(file), ..Layers::default() };
    let missing = Config::load(&layers).unwrap_err().to_string();
    assert!(missing.contains("headers.authorization: its file cannot be read"), "{missing}");

    let key = folder.path().join("key");
    fs::write(&key, format!("{CANARY}\n")).unwrap();
    set_mode(&key, 0o644);
    let open = Config::load(&layers).unwrap_err().to_string();
    assert!(open.contains("can be read by everybody") && open.contains("chmod o-rwx"), "{open}");
    assert!(!open.contains(CANARY));

    set_mode(&key, 0o600);
    let config = Config::load(&layers).unwrap();
    let SourceKind::Http(http) = &config.sources[0].kind else { panic!("an HTTP source") };
    assert_eq!(http.headers[0].1.reveal(), CANARY, "without the newline at its end");
}

#[cfg(unix)]
fn set_mode(path: &std::path::Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("the file is ours");
}

#[test]
fn a_secret_in_the_right_place_is_not_in_the_debug_output() {
    let text = r#"
[server]
secret = "${CANARY}-long-enough"
[tokens.ops]
hash = "blake3:abababababababababababababababababababababababababababababababab"
role = "admin"
[sources.crm]
kind = "http"
base_url = "https://crm.example"
headers = { authorization = "Bearer ${CANARY}" }
[reads.jobs]
source = "crm"
http = "GET /jobs?key=${CANARY}"
headers = { accept-language = "${CANARY}" }
[writes.add]
source = "crm"
http = "POST /jobs"
body = { key = "${CANARY}" }
"#;
    let layers = Layers { environment: environment(&[("CANARY", CANARY)]), ..Layers::default() };
    let config = Config::parse(text, "alacena.toml", &layers).unwrap();
    let shown = format!("{config:?} {layers:?}");
    assert!(!shown.contains(CANARY) && !shown.contains("abababab"), "{shown}");
}

#[test]
fn a_secret_in_a_wrong_place_is_not_in_the_problems() {
    // Every field that takes text gets the canary, spelled out and out of the environment.
    let sections = r#"
[server]
listen = "V"
hosts = ["V/"]
cors_origins = ["V"]
drain = "V"
request_bytes_max = "V"
connections_max = "V"
connections_per_address_max = "V"
idle_timeout = "V"
namespace = "V "
secret = "V"
log = "V"
log_format = "V"
[memory]
max = "V"
markers_max = "V"
[redis]
url = "V"
username = "V"
password = "V"
db = "V"
tls = "V"
connect_timeout = "V"
timeout = "V"
in_flight_max = "V"
lease = "V"
push = "V"
replicas_min = "V"
metered = "V"
key_names = "V"
key = "V"
key_previous = "V"
journal = { source = "V", table = "V!" }
breaker = { failures = "V" }
[tokens.ops]
hash = "V"
role = "V"
[sources.crm]
kind = "http"
base_url = "V"
headers = { "a b" = "V", host = "V" }
credentials = ["V V"]
connect_timeout = "V"
retries = "V"
[sources.other]
kind = "V"
[sources.third]
kind = "http"
base_url = "https://u:V@crm.example"
[classes.jobs]
ttl = "V"
jitter = "V"
l2 = "V"
l1_ttl = "V"
read_mode = "V"
era = "V"
without_l2 = "V"
[reads.a]
source = "V"
class = "V"
http = "V"
pointer = "V"
result = "V"
key = "V"
tags = ["V}"]
params.x = { type = "V", default = "V" }
[reads.b]
source = "third"
http = "GET /{x}"
key = "V:{x}"
tags = ["V:{y}"]
params.x = { type = "integer", default = "V", choices = ["V"] }
headers = { authorization = "V", x = "V{z}" }
[writes.w]
source = "third"
http = "V /x"
invalidates = ["V", { class = "V" }, { prefix = "V" }, { key = "V" }, { V = "V" }]
"#;
    let key_with_canary = "{ V = \"V\" }";
    for value in [CANARY, "${CANARY}"] {
        // A key is a name, and names are shown: only values are taken here.
        let text = sections.replace(key_with_canary, "{ other = \"V\" }").replace('V', value);
        let problems = parse_with(&text, &[("CANARY", CANARY)]).unwrap_err();
        assert!(problems.len() > 30, "{problems}");
        let shown = format!("{problems} {problems:?} {:?}", alacena::error::Error::from(problems.clone()));
        assert!(!shown.contains(CANARY), "{shown}");
    }
    let broken = parse_with(&format!("[server]\nsecret = {CANARY}\n"), &[]).unwrap_err().to_string();
    assert!(!broken.contains(CANARY), "{broken}");
    let unclosed = parse_with(&format!("[server]\nsecret = \"{CANARY}\n"), &[]).unwrap_err().to_string();
    assert!(!unclosed.contains(CANARY), "{unclosed}");
}

#[test]
fn a_value_of_the_environment_is_no_template() {
    let text = "[sources.crm]\nkind = \"http\"\nbase_url = \"https://crm.example\"\n[reads.r]\nsource = \"crm\"\nhttp = \"GET /x?k=${K}\"\n";
    let config = parse_with(text, &[("K", "{name}")]).unwrap();
    assert!(config.reads[0].parameters.is_empty());
}

#[test]
fn the_keys_of_the_store_are_32_bytes_and_never_shown() {
    let (old, new) = ("A".repeat(43), "0123456789abcdef".repeat(4));
    let keys = |text: &str| {
        let text = format!("[embedded]\n{text}");
        parse_with(&text, &[("OLD", &old), ("NEW", &new)])
    };
    let config = keys("key = \"${NEW}\"\nkey_previous = \"${OLD}\"\n").unwrap();
    let sealed = config.embedded.keys.as_ref().unwrap();
    assert!(sealed.opens(SealKey::parse(&old).unwrap().id()));
    assert_eq!(sealed.current(), SealKey::parse(&new).unwrap().id());
    let shown = format!("{config:?}");
    assert!(!shown.contains(&old) && !shown.contains(&new), "{shown}");
    assert!(keys("").unwrap().embedded.keys.is_none());

    let wrong = keys("key = \"${NEW}!\"\n").unwrap_err().to_string();
    assert!(
        wrong.contains("embedded.key: is not 32 bytes") && wrong.contains("openssl rand -base64 32"),
        "{wrong}"
    );
    assert!(!wrong.contains(&new), "{wrong}");
    let alone = keys("key_previous = \"${OLD}\"\n").unwrap_err().to_string();
    assert!(alone.contains("embedded.key_previous: is given without `key`"), "{alone}");
}
