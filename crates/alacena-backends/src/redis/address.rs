//! Where a server is, in the text of a URL.
//!
//! ```text
//! redis://[user:password@]host[:port][/db]      rediss:// the same over TLS
//! unix://[user:password@]/path/to/socket[?db=N]
//! ```
//!
//! Defaults: port 6379, database 0, no credentials. An error names the part that is wrong and shows nothing of the text
//! but its scheme: in a mistyped URL, the password can be anywhere.

use std::{fmt, path::PathBuf};

use alacena_core::{
    error::{Error, catalogue},
    secret::Secret,
};

const PORT: u16 = 6379;

/// One server of Redis or Valkey, and how to log in. Its `Debug` and `Display` leave the credentials out.
///
/// ```
/// use alacena_backends::redis::{Address, Place};
///
/// let address = Address::parse("rediss://app:s%40crt@cache.internal/2")?;
/// assert_eq!(address.to_string(), "rediss://cache.internal:6379/2");
/// assert_eq!(address.credentials.as_ref().unwrap().password.reveal(), "s@crt");
/// # Ok::<(), alacena_core::error::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    /// Where it listens.
    pub place: Place,
    /// How to log in; none where nobody has to.
    pub credentials: Option<Credentials>,
    /// The number of its database.
    pub database: u32,
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// A port of a host.
    Tcp {
        /// A name, or an IP address without brackets.
        host: String,
        /// The port.
        port: u16,
        /// Whether TLS is spoken on it.
        tls: bool,
    },
    /// A socket in the file system.
    Unix(PathBuf),
}

/// A user and its password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The ACL user; none for the one that the server calls `default`.
    pub user: Option<String>,
    /// Its password.
    pub password: Secret,
}

impl Address {
    /// What `url` says.
    ///
    /// # Errors
    /// `configuration-invalid` names the part that is wrong, without showing it; `not-built-yet` where the scheme is one
    /// of a topology that is not.
    pub fn parse(url: &str) -> Result<Self, Error> {
        let (scheme, rest) = url.split_once("://").ok_or_else(|| {
            wrong("it has no scheme: write redis://host:port, rediss://host:port or unix:///path")
        })?;
        match scheme.to_ascii_lowercase().as_str() {
            "redis" => parse_tcp(rest, false),
            "rediss" => parse_tcp(rest, true),
            "unix" => parse_unix(rest),
            scheme => Err(refuse_scheme(scheme)),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Tcp { host, port, tls } => {
                let scheme = if *tls { "rediss" } else { "redis" };
                let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
                write!(f, "{scheme}://{open}{host}{close}:{port}")?;
                if self.database > 0 { write!(f, "/{}", self.database) } else { Ok(()) }
            }
            Place::Unix(path) => {
                write!(f, "unix://{}", path.display())?;
                if self.database > 0 { write!(f, "?db={}", self.database) } else { Ok(()) }
            }
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn parse_tcp(rest: &str, tls: bool) -> Result<Address, Error> {
    let (authority, path) = rest.find(['/', '?', '#']).map_or((rest, ""), |at| rest.split_at(at));
    if path.contains('@') {
        return Err(wrong(
            "there is an @ after the host: write /, ?, # and @ of a password as %2F, %3F, %23 and %40",
        ));
    }
    let (credentials, server) = parse_credentials(authority)?;
    let (host, port) = parse_server(server)?;
    let database = match path.strip_prefix('/') {
        None if path.is_empty() => 0,
        None => return Err(wrong("nothing may follow the host but /db, the number of the database")),
        Some("") => 0,
        Some(digits) => parse_database(digits)?,
    };
    Ok(Address { place: Place::Tcp { host, port, tls }, credentials, database })
}

fn parse_unix(rest: &str) -> Result<Address, Error> {
    let at = rest.find('/').ok_or_else(|| wrong("the path of the socket must begin with /: unix:///path"))?;
    let (before, path) = rest.split_at(at);
    let credentials = match before.strip_suffix('@') {
        Some(login) => Some(parse_login(login)?),
        None if before.is_empty() => None,
        None => return Err(wrong("a socket has no host: write three slashes, unix:///path")),
    };
    let (path, database) = match path.split_once('?') {
        None => (path, 0),
        Some((path, query)) => {
            let digits = query
                .strip_prefix("db=")
                .ok_or_else(|| wrong("nothing may follow the path but ?db=, the number of the database"))?;
            (path, parse_database(digits)?)
        }
    };
    let path = decode(path, "path")?;
    if path.len() < 2 || path.contains('\0') {
        return Err(wrong("it names no socket: write unix:///path"));
    }
    Ok(Address { place: Place::Unix(path.into()), credentials, database })
}

/// The credentials before the last `@`, and what follows it.
fn parse_credentials(authority: &str) -> Result<(Option<Credentials>, &str), Error> {
    match authority.rsplit_once('@') {
        None => Ok((None, authority)),
        Some((login, server)) => Ok((Some(parse_login(login)?), server)),
    }
}

fn parse_login(login: &str) -> Result<Credentials, Error> {
    if login.contains('@') {
        return Err(wrong("there are two @: write the one of a user or password as %40"));
    }
    let (user, password) = login.split_once(':').ok_or_else(|| {
        wrong(
            "there is a user without a password: write user:password@, or :password@ for the user `default`",
        )
    })?;
    let (user, password) = (decode(user, "user")?, decode(password, "password")?);
    if password.is_empty() {
        return Err(wrong("the password is empty: leave user and password out where none is needed"));
    }
    Ok(Credentials { user: Some(user).filter(|user| !user.is_empty()), password: Secret::new(&password) })
}

fn parse_server(server: &str) -> Result<(String, u16), Error> {
    let (host, port) = match server.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or_else(|| {
                wrong("the host begins with [ and has no ]: an IPv6 address is written [::1]")
            })?;
            if host.parse::<std::net::Ipv6Addr>().is_err() {
                return Err(wrong("what stands in brackets is not an IPv6 address"));
            }
            match port.strip_prefix(':') {
                None if !port.is_empty() => {
                    return Err(wrong("nothing but :port may follow the ] of the host"));
                }
                port => (host, port),
            }
        }
        None => match server.split_once(':') {
            Some((_, port)) if port.contains(':') => {
                return Err(wrong(
                    "there is more than one colon: an IPv6 address is written in brackets, [::1]",
                ));
            }
            Some((host, port)) => (host, Some(port)),
            None => (server, None),
        },
    };
    if host.is_empty() {
        return Err(wrong("it names no host: write redis://host:port"));
    }
    if !host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte)) {
        return Err(wrong("the host holds a character that no name has"));
    }
    let port = match port {
        None => PORT,
        Some(digits) => digits
            .parse()
            .ok()
            .filter(|port| *port > 0 && is_number(digits))
            .ok_or_else(|| wrong("the port is not a number from 1 to 65535"))?,
    };
    Ok((host.to_owned(), port))
}

fn parse_database(digits: &str) -> Result<u32, Error> {
    let database = digits.parse().ok().filter(|_| is_number(digits));
    database.ok_or_else(|| wrong("the database is not a number, such as 0"))
}

/// Whether there are digits only: `parse` takes a `+` as well.
fn is_number(digits: &str) -> bool {
    digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Replaces `%XX` by the byte that it stands for.
fn decode(text: &str, part: &str) -> Result<String, Error> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let byte = match byte {
            b'%' => {
                let mut digit = || rest.next().and_then(|byte| char::from(byte).to_digit(16));
                let pair = digit().zip(digit());
                let (high, low) = pair.ok_or_else(|| {
                    wrong(format!(
                        "in the {part}, a % is not followed by two hexadecimal digits: % itself is %25"
                    ))
                })?;
                u8::try_from(high * 16 + low).expect("two hexadecimal digits are a byte")
            }
            byte => byte,
        };
        bytes.push(byte);
    }
    String::from_utf8(bytes).map_err(|_| wrong(format!("the {part} is not UTF-8")))
}

fn refuse_scheme(scheme: &str) -> Error {
    let topology = match scheme {
        "redis+sentinel" | "rediss+sentinel" | "redis-sentinel" | "sentinel" => "Sentinel",
        "redis+cluster" | "rediss+cluster" | "redis-cluster" | "cluster" => "Cluster",
        "http" | "https" => "a Redis over REST",
        "valkey" | "valkeys" => {
            return wrong("Valkey is addressed as Redis is: write redis:// or rediss://");
        }
        _ => return wrong("its scheme is none of redis://, rediss:// and unix://"),
    };
    Error::new(
        &catalogue::NOT_BUILT_YET,
        format!("the address of {topology}: name one server with redis://, rediss:// or unix://"),
    )
}

fn wrong(detail: impl fmt::Display) -> Error {
    Error::new(&catalogue::CONFIGURATION_INVALID, format!("the address of Redis cannot be used: {detail}"))
}

#[cfg(test)]
mod tests;
