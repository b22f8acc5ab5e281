//! The example of the design document.

use alacena::config::{Question, TargetTemplate};

use crate::{parse_with, told};

const BUILT: &str = r#"
[server]
listen = "127.0.0.1:8080"

[redis]
url = "${REDIS_URL}"

[sources.crm]
kind = "http"
base_url = "https://crm.example/api1"
headers = { authorization = "Bearer ${CRM_KEY}" }

[classes.jobs]
ttl = "30m"
stale_if_error = "24h"

[reads.get_jobs]
description = "List jobs, newest first"
source = "crm"
class = "jobs"
http = "GET /jobs?from={from}&size={size}&filter={filter?}"
params.from = { type = "integer", default = 0 }
params.size = { type = "integer", default = 100, max = 1000 }
tags = ["jobs"]

[writes.create_job]
source = "crm"
http = "POST /jobs"
invalidates = ["jobs"]
"#;

const NOT_BUILT: &str = r#"
[events.crm]
webhook = { path = "/webhooks/crm", scheme = "standard-webhooks", secret = "${CRM_WEBHOOK_SECRET}" }
rules = [ { on = "job.updated", invalidates = ["job:{data.id}", "jobs"] } ]

[sources.db]
kind = "postgres"
url = "${DATABASE_URL}"

[reads.kpis]
source = "db"
sql = "select … where company_id = :company"
params.company = { type = "integer" }
class = "kpis"
tags = ["company:{company}"]
"#;

#[test]
fn it_loads_without_what_is_not_built_yet() {
    let config = parse_with(BUILT, &[("CRM_KEY", "k"), ("REDIS_URL", "redis://cache.example")]).unwrap();
    let read = &config.reads[0];
    let names: Vec<_> =
        read.parameters.iter().map(|parameter| (parameter.name.as_str(), parameter.required)).collect();
    assert_eq!(names, [("from", false), ("size", false), ("filter", false)], "`{{filter?}}` declares itself");
    assert_eq!(read.key.to_string(), "get_jobs:{from}:{size}:{filter?}");
    assert!(matches!(&read.question, Question::Http(http) if http.method == "GET"));
    assert_eq!(config.classes["jobs"].ttl.as_secs(), 1800);
    assert_eq!(config.redis.unwrap().address.to_string(), "redis://cache.example:6379");
    assert!(
        matches!(&config.writes[0].invalidates[0], TargetTemplate::Tag(tag) if tag.to_string() == "jobs")
    );
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
}

#[test]
fn with_it_each_section_is_refused_as_not_built_yet() {
    let environment = [("CRM_KEY", "k"), ("REDIS_URL", "redis://cache.example")];
    let told = told(parse_with(&format!("{BUILT}{NOT_BUILT}"), &environment));
    let expected = ["events", "sources.db.kind"];
    assert_eq!(told.len(), expected.len(), "{told:#?}");
    for (one, path) in told.iter().zip(expected) {
        assert!(one.ends_with(&format!(" {path}: not built yet")), "{one}");
    }
}
