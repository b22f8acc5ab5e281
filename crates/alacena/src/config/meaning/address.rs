//! Where Redis is: what its URL says, and what stands beside it.

use alacena_backends::redis::{Address, Credentials, Place};
use alacena_core::error::{Error, catalogue};

use super::{Meaning, Problem, Settings};

impl Meaning<'_> {
    /// Where it is and how to log in; none where `url` does not say so. What is said twice is refused, and so is what
    /// means nothing there.
    pub(super) fn redis_address(&mut self, settings: &Settings) -> Option<Address> {
        let mut address = match Address::parse(settings.secret_maybe("url")?.reveal()) {
            Ok(address) => address,
            Err(error) => {
                self.no_address(settings, &error);
                return None;
            }
        };
        self.log_in(settings, &mut address);
        if let Some(database) = settings.integer_maybe("db").and_then(|db| db.try_into().ok()) {
            if address.database != 0 {
                self.is_said_twice(settings, "db");
            }
            address.database = database;
        }
        self.encrypt(settings, &mut address);
        Some(address)
    }

    fn no_address(&mut self, settings: &Settings, error: &Error) {
        let (origin, path) = (settings.origin_of("url"), settings.path_of("url"));
        self.problems.push(if *error.code() == catalogue::NOT_BUILT_YET {
            Problem::not_built(origin, &path, format!("It is {}.", error.detail()))
        } else {
            let remedy =
                "Write redis://user:password@host:6379/0, rediss:// over TLS, or unix:///path/to/socket.";
            Problem::new(origin, &path, error.detail(), remedy)
        });
    }

    fn log_in(&mut self, settings: &Settings, address: &mut Address) {
        let (user, password) = (settings.text_maybe("username"), settings.secret_maybe("password"));
        if let Some(password) = password {
            if address.credentials.is_some() {
                self.is_said_twice(settings, "password");
            }
            let user = address.credentials.take().and_then(|credentials| credentials.user);
            address.credentials = Some(Credentials { user, password: password.clone() });
        }
        let Some(name) = user else { return };
        match &mut address.credentials {
            Some(Credentials { user: Some(_), .. }) => self.is_said_twice(settings, "username"),
            Some(credentials) => credentials.user = Some(name.to_owned()),
            None if settings.is_wrong("password") => {}
            None => {
                let remedy = "Add `password`, or remove it.";
                self.refuse(settings, "username", "is given without a password", remedy);
            }
        }
    }

    fn encrypt(&mut self, settings: &Settings, address: &mut Address) {
        let asks = settings.boolean_maybe("tls") == Some(true);
        let has_ca = settings.get("ca").is_some();
        match &mut address.place {
            Place::Tcp { tls, .. } => {
                *tls |= asks;
                if has_ca && !*tls {
                    let remedy = "Begin `url` with rediss://, or set `tls = true`; or remove it.";
                    self.refuse(settings, "ca", "is given, and the connection is not encrypted", remedy);
                }
            }
            _ => {
                for (field, _) in
                    [("tls", asks), ("ca", has_ca)].into_iter().filter(|(_, is_given)| *is_given)
                {
                    self.refuse(settings, field, "means nothing over a socket", "Remove it.");
                }
            }
        }
    }

    fn is_said_twice(&mut self, settings: &Settings, field: &str) {
        self.refuse(settings, field, "is given in `url`, too", "Keep one of them.");
    }
}
