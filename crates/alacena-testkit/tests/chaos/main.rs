//! Each fault of the proxy, shown on a scripted server; the ones that know what a reply is, on real ones too.

mod connections;
mod delays;
mod endings;
mod peer;
mod redis;
mod replies;
mod rules;
