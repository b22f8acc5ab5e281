//! Every error that Alacena can answer with: one table for the HTTP problem documents, the command line, the logs
//! and `docs/reference/errors.md`.

use super::Kind;

/// One kind of failure with a stable name.
#[derive(Debug, PartialEq, Eq)]
pub struct Code {
    /// Stable name, the last part of the problem document's `type`.
    pub slug: &'static str,
    /// What a caller can do about it.
    pub kind: Kind,
    /// What went wrong, in general.
    pub title: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
}

macro_rules! catalogue {
    ($($(#[$doc:meta])* $name:ident = $slug:literal, $kind:ident, $title:literal, $remedy:literal;)*) => {
        $($(#[$doc])* pub static $name: Code =
            Code { slug: $slug, kind: Kind::$kind, title: $title, remedy: $remedy };)*
        /// The whole catalogue, in the order of the reference.
        pub static ALL: &[&Code] = &[$(&$name),*];
    };
}

catalogue! {
    /// The source could not be reached at all.
    SOURCE_UNREACHABLE = "source-unreachable", Unavailable, "source unreachable",
        "Check that the source is running and that its address in alacena.toml is right; entries within stale_if_error are served meanwhile.";
    /// The source took longer than its limit.
    SOURCE_TIMEOUT = "source-timeout", Timeout, "source too slow",
        "Raise hard_timeout of the class if the source is known to be slow, or look at the source.";
    /// The source answered that it failed.
    SOURCE_FAILED = "source-failed", Unavailable, "source failed",
        "Look at the source's own log; Alacena tries again after a pause.";
    /// The source asked for fewer calls.
    SOURCE_THROTTLED = "source-throttled", Overloaded, "source asks for fewer calls",
        "Wait as long as Retry-After says; a longer ttl saves calls.";
    /// The source refused the question.
    SOURCE_REFUSED = "source-refused", Invalid, "source refused the question",
        "Compare the parameters with what the source accepts; `alacena check` shows how the read is sent.";
    /// The source did not accept the credentials.
    SOURCE_DENIED = "source-denied", Denied, "source denied access",
        "Check the credentials in alacena.toml or those that the caller passes through.";
    /// The source's answer is larger than allowed.
    ANSWER_TOO_LARGE = "answer-too-large", Corrupt, "answer too large",
        "Ask for less per call, or raise body_max of the source.";
    /// The source's answer is not what the read declares.
    ANSWER_MALFORMED = "answer-malformed", Corrupt, "answer malformed",
        "Look at what the source answers: it must be UTF-8 JSON, and what the read declares as its `answer`.";
    /// The source's answer is good JSON without the part that the read wants.
    ANSWER_LACKS_PART = "answer-lacks-part", Corrupt, "answer lacks what was asked for",
        "Compare the read's `pointer`, or what it takes of its `parent`, with what the source answers.";
    /// The breaker of the source is open.
    BREAKER_OPEN = "breaker-open", Unavailable, "source switched off after failures",
        "Nothing to do: Alacena probes the source and switches it on again by itself.";
    /// Too many calls wait for the source.
    BULKHEAD_FULL = "bulkhead-full", Overloaded, "too many calls wait for the source",
        "Try again shortly; raise concurrency of the source only if it can bear more.";
    /// As many warmings as may run are under way.
    WARMING_BUSY = "warming-busy", Overloaded, "too many warmings under way",
        "Try again once one has ended; GET /cache/warming lists them.";
    /// The load panicked.
    LOAD_PANICKED = "load-panicked", Internal, "the load panicked",
        "This is a mistake in the code that loads the value; its message is in the log.";
    /// The parameter is missing, unknown or outside its limits.
    PARAMETER_INVALID = "parameter-invalid", Invalid, "parameter not accepted",
        "Change the named parameter; GET /reads lists what each read accepts.";
    /// A key, a tag or a prefix cannot be used as one.
    KEY_INVALID = "key-invalid", Invalid, "key not accepted",
        "Use a shorter key, and one of the prefixes that the answer names.";
    /// No such read, write or class.
    NOT_DECLARED = "not-declared", Invalid, "not declared",
        "Check the name; GET /reads lists what is declared.";
    /// All that is declared as warm is to be loaded, and nothing is.
    NOTHING_WARM = "nothing-warm", Invalid, "nothing is declared as warm",
        "Say in alacena.toml what is to be: `warm = { params = [{ … }] }` of a read; or name a read, with its parameters.";
    /// An application's class cannot have this name.
    CLASS_REFUSED = "class-refused", Invalid, "class not accepted",
        "Give the class a name that no other class has, or say the same of it wherever it is asked for; an application has at most 1,024 classes of its own.";
    /// A value that was set without a load is not one that its class takes.
    VALUE_REFUSED = "value-refused", Invalid, "value not accepted",
        "Load the value through get_or_fetch; or make the class unordered, and raise its item_max, if that is what is meant.";
    /// The source knows that there is no such thing.
    ABSENT = "absent", Invalid, "no such thing",
        "Check the parameters: the source has nothing under them; the answer is kept for negative_ttl of the class.";
    /// No route at this path.
    NOT_FOUND = "not-found", Invalid, "no such path",
        "Check the path; docs/reference/http.md lists them.";
    /// The path exists, but not with this method.
    METHOD_NOT_ALLOWED = "method-not-allowed", Invalid, "method not allowed",
        "Use one of the methods that the Allow header names.";
    /// The request's body cannot be read.
    BODY_INVALID = "body-invalid", Invalid, "request body not accepted",
        "Send valid UTF-8 JSON with Content-Type: application/json, within the size limit.";
    /// The request's body is larger than allowed.
    BODY_TOO_LARGE = "body-too-large", Invalid, "request body too large",
        "Send less at once, or raise request_bytes_max of [server].";
    /// Too much arrives at once.
    SERVER_BUSY = "server-busy", Overloaded, "too much arrives at once",
        "Send it again shortly, or send less at once.";
    /// A batch holds more calls than allowed.
    BATCH_TOO_LARGE = "batch-too-large", Invalid, "batch too large",
        "Send the calls in several batches, each within the limit that the answer names.";
    /// The request's body is of a type that is not read here.
    MEDIA_TYPE_REFUSED = "media-type-refused", Invalid, "media type not accepted",
        "Send JSON with Content-Type: application/json.";
    /// The caller takes the answer in no encoding that there is.
    ENCODING_REFUSED = "encoding-refused", Invalid, "no encoding that is accepted",
        "Accept gzip or the identity: leave Accept-Encoding out, or give neither of them the weight 0.";
    /// A token is needed and missing or wrong.
    TOKEN_REQUIRED = "token-required", Denied, "token required",
        "Send Authorization: Bearer with one of the tokens whose hashes are in alacena.toml.";
    /// The token's role does not allow this.
    ROLE_INSUFFICIENT = "role-insufficient", Denied, "role not sufficient",
        "Use a token with the role that the answer names.";
    /// The caller's credentials, which the read needs, are missing.
    CREDENTIAL_REQUIRED = "credential-required", Denied, "credential required",
        "Send the header that the answer names: the read passes it through to its source.";
    /// The request names a host that is not served.
    HOST_REFUSED = "host-refused", Denied, "host not served",
        "Use the listener's own address, or add the name to server.hosts.";
    /// Two readers of the request could see different requests in it.
    REQUEST_AMBIGUOUS = "request-ambiguous", Invalid, "request can be read in two ways",
        "Send either Content-Length or Transfer-Encoding, once, and end every line of the head with CR LF.";
    /// The request comes from a page that may not send it.
    ORIGIN_REFUSED = "origin-refused", Denied, "origin not allowed",
        "Add the page's origin to server.cors_origins if it may ask.";
    /// The configuration is wrong.
    CONFIGURATION_INVALID = "configuration-invalid", Invalid, "configuration not accepted",
        "Mend the lines named; `alacena check` shows them all at once.";
    /// A configuration cannot take the place of the one in force.
    RELOAD_REFUSED = "reload-refused", Invalid, "configuration not reloaded",
        "Mend what the answer names and reload again; the configuration that was in force still is.";
    /// There is no configuration.
    CONFIGURATION_ABSENT = "configuration-absent", Invalid, "no configuration",
        "Name one with --config, or write a first one with `alacena init`.";
    /// Something is named that this version does not have yet.
    NOT_BUILT_YET = "not-built-yet", Invalid, "not built yet",
        "Remove it, or use a version that has it; CHANGELOG.md says what each version has.";
    /// The store cannot be read or written.
    STORE_FAILED = "store-failed", Unavailable, "store failed",
        "Check that the disk is writable and not full.";
    /// The store belongs to another running process.
    STORE_OWNED = "store-owned", Unavailable, "store in use",
        "Stop the process that the answer names, or give this one a store of its own.";
    /// The store is sealed with a key that is not at hand.
    STORE_SEALED = "store-sealed", Invalid, "store sealed with another key",
        "Set key of [embedded] to the key that the store was sealed with, or key_previous if key is a new one; without that key, move the folder away and start anew.";
    /// The server of the second tier cannot be reached, or the connection to it was lost.
    TIER_UNREACHABLE = "tier-unreachable", Unavailable, "second tier unreachable",
        "Check that Redis is running and that its URL in alacena.toml is right; Alacena goes on without it and comes back by itself.";
    /// The server of the second tier took longer than its limit.
    TIER_TIMEOUT = "tier-timeout", Timeout, "second tier too slow",
        "Look at the load and the slow log of Redis, and at the network in between.";
    /// Too much is on its way to the second tier.
    TIER_OVERLOADED = "tier-overloaded", Overloaded, "too much on its way to the second tier",
        "Try again shortly; if it stays so, look at the load of Redis and at how much is stored at once.";
    /// The commands are used up that a day has for the second tier.
    TIER_SPENT = "tier-spent", Overloaded, "second tier used up for today",
        "Raise redis.metered if the plan has more, or keep entries longer; until midnight UTC each node answers by itself.";
    /// The server of the second tier refused a command.
    TIER_REFUSED = "tier-refused", Unavailable, "second tier refused",
        "Look at what Redis answered: it loads its data, is a replica, its cluster is not whole, or it takes no writes for now.";
    /// The server of the second tier has no memory for what was to be written.
    TIER_FULL = "tier-full", Unavailable, "second tier full",
        "Raise maxmemory of Redis, or have it evict: maxmemory-policy allkeys-lru.";
    /// The server of the second tier wants other credentials, or its user lacks a right.
    TIER_DENIED = "tier-denied", Unavailable, "second tier denied access",
        "Check user and password in the URL of Redis, and with ACL LIST the rights of that user.";
    /// The server of the second tier lacks something that is needed.
    TIER_UNSUITABLE = "tier-unsuitable", Unavailable, "second tier not suitable",
        "Use Redis 6.2 or newer, or Valkey, without a proxy that leaves out parts of the protocol.";
    /// What came from the second tier is not what it sends.
    TIER_GARBLED = "tier-garbled", Corrupt, "answer of the second tier garbled",
        "Look at what stands between Alacena and Redis: what came is not the protocol, or answers nothing that was asked.";
    /// No server answers where one is expected.
    SERVER_ABSENT = "server-absent", Unavailable, "no server running",
        "Start one with `alacena serve`, or name it with --server.";
    /// The address to listen on cannot be used.
    LISTEN_FAILED = "listen-failed", Unavailable, "cannot listen",
        "Stop what uses the address, or choose another with --listen.";
    /// The component has been closed.
    CLOSED = "closed", Closed, "shutting down",
        "Send the request to another node, or again once this one is back.";
    /// A mistake of ours.
    INTERNAL = "internal", Internal, "internal error",
        "Please report it with the log of that moment.";
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_unique_and_every_failure_has_a_remedy() {
        let slugs: HashSet<_> = ALL.iter().map(|code| code.slug).collect();
        assert_eq!(slugs.len(), ALL.len());
        assert!(ALL.iter().all(|code| code.remedy.ends_with('.') && !code.title.is_empty()));
    }
}
