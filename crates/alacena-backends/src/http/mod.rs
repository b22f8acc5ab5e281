//! The HTTP source: any REST API that answers in JSON.
//!
//! The path of a read: [`question`](HttpQuestion) → address, headers and document (rendered so that no value can
//! break out of its place) → exchange (send, follow redirects on the same host) → body (bounded, decompressed) →
//! json (checked, cut by the pointer) → cache_control (whether it may be kept, how long it holds) → source (retries). A
//! write takes the same path once.
//!
//! The source's host, its certificate rules and every limit come from the settings; nothing that a caller or the
//! source itself sends can change where a request goes. Proxies of the environment, cookies and redirects to another
//! host are not used.

mod address;
mod base;
mod body;
pub mod cache_control;
mod date;
mod document;
mod budget;
mod exchange;
mod failure;
#[doc(hidden)]
pub mod gunzip;
mod headers;
mod json;
mod plan;
mod question;
mod retry_after;
mod settings;
mod source;

pub use question::{HttpQuestion, Method};
pub use settings::HttpSettings;
pub use source::HttpSource;
