//! The text of a configuration.

use alacena::config::{Config, Layers};

use crate::text;

/// Most bytes that the problems of one text may be shown in: a hundred of them, each a few lines.
const SHOWN_BYTES_MAX: usize = 400 * 1024;

/// No text makes the parser panic; its problems can be shown, they are in order and say the same each time.
pub fn configuration(data: &[u8]) {
    let text = text(data);
    let parse = || Config::parse(&text, "fuzz.toml", &Layers::default());
    match (parse(), parse()) {
        (Ok(config), Ok(again)) => {
            assert_eq!(format!("{config:?}"), format!("{again:?}"), "one text has one meaning");
        }
        (Err(problems), Err(again)) => {
            let shown = problems.to_string();
            assert_eq!(shown, again.to_string(), "one text has the same problems each time");
            assert!(shown.len() <= SHOWN_BYTES_MAX, "{} bytes of problems", shown.len());
            for problem in problems.iter() {
                assert!(!problem.message().is_empty() && !problem.remedy().is_empty(), "{problem}");
            }
        }
        _ => panic!("one text is right and wrong"),
    }
}
