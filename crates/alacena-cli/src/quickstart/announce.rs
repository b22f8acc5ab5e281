//! What the first minute says: what is served, what to try, what it will show, and how to go on.

use std::net::SocketAddr;

use super::Quickstart;
use crate::say::Paint;

/// The text that stands on the terminal once the example is served at `address` by the program called `program`.
pub(crate) fn announce(quickstart: &Quickstart, address: SocketAddr, program: &str, paint: Paint) -> String {
    let guide = Guide {
        ours: format!("http://{address}"),
        crm: format!("http://{}", quickstart.crm()),
        program,
        paint,
    };
    let config = quickstart.config();
    let mut text = format!(
        "listening on {}\n\n{}\n",
        paint.command(&guide.ours),
        paint.faint("There is no alacena.toml here, so this is the example: two sources, made up, in a temporary folder."),
    );
    text.push_str(&guide.served());
    text.push_str(&format!("  configuration  {}, with comments\n", config.display()));
    text.push_str(&guide.tries());
    text.push_str(&guide.going_on(&config.display().to_string()));
    text
}

struct Guide<'a> {
    ours: String,
    crm: String,
    program: &'a str,
    paint: Paint,
}

impl Guide<'_> {
    fn served(&self) -> String {
        let Self { crm, paint, .. } = self;
        format!(
            "\n{}\n  crm            a CRM of a roofing company that takes 500 to 800 ms to answer, at {crm}\n  tickets        \
             an SQLite database of a help desk: 2,400 tickets\n",
            paint.strong("Served"),
        )
    }

    fn tries(&self) -> String {
        let Self { ours, crm, paint, .. } = self;
        let json = "-H 'content-type: application/json'";
        let jobs = format!("curl -i '{ours}/reads/get_jobs?size=2'");
        let steps: [(&str, Vec<(String, &str)>); 4] = [
            (
                "The same question twice",
                vec![
                    (jobs.clone(), "more than 500 ms: the CRM was asked (fwd=uri-miss)"),
                    (jobs.clone(), "under a millisecond (hit); Age says how old the answer is"),
                ],
            ),
            (
                "A write: it passes through, and what it changes is asked anew",
                vec![
                    (
                        format!("curl -i {json} -d '{{\"name\":\"My job\"}}' {ours}/writes/create_job"),
                        "invalidates the tag `jobs`",
                    ),
                    (jobs.clone(), "fresh: the new job comes first (fwd=miss; detail=\"invalidated\")"),
                ],
            ),
            (
                "The CRM fails: answers go on, and say that they are old",
                vec![
                    (
                        format!("curl -X PUT {json} -d '{{\"mode\":\"500\"}}' {crm}/simulator/failure"),
                        "every call to it fails from now on",
                    ),
                    (
                        format!("curl -i {json} -d '{{\"class\":\"jobs\"}}' {ours}/cache/invalidate"),
                        "so that the CRM has to be asked",
                    ),
                    (jobs, "the answer from before (fwd=stale; detail=\"source-error\")"),
                    (
                        format!("curl -X PUT {json} -d '{{\"mode\":\"none\"}}' {crm}/simulator/failure"),
                        "it is well again",
                    ),
                ],
            ),
            (
                "A slow query of the database",
                vec![
                    (format!("curl -i {ours}/reads/agent_load"), "ask it twice"),
                    (format!("curl {ours}/"), "every other read and write, ready to paste"),
                ],
            ),
        ];
        let mut text = format!("\n{}\n", paint.strong("Try, in another terminal"));
        for (at, (title, commands)) in steps.iter().enumerate() {
            text.push_str(&format!("  {}. {title}\n", at + 1));
            for (command, shows) in commands {
                text.push_str(&format!(
                    "     {}\n       {}\n",
                    paint.command(command),
                    paint.faint(&format!("→ {shows}"))
                ));
            }
        }
        text
    }

    fn going_on(&self, config: &str) -> String {
        let Self { ours, program, paint, .. } = self;
        let entry = serde_json::json!({
            "mcpServers": { "alacena": { "command": program, "args": ["mcp", "--server", ours] } }
        });
        format!(
            "\n{}\n  over HTTP      {}\n  as a program   {}\n\n{}\n  {}\n  {}\n\nCtrl-C ends it.",
            paint.strong("For AI agents: every read is an MCP tool"),
            paint.command(&format!("{ours}/mcp")),
            paint.command(&entry.to_string()),
            paint.strong("Begin your own"),
            paint.command(&format!("{program} init shop && {program} serve --config shop/alacena.toml")),
            paint.faint(&format!("or copy from {config}")),
        )
    }
}
