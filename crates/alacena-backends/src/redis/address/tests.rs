use proptest::prelude::*;

use super::*;

fn tcp(host: &str, port: u16, tls: bool) -> Place {
    Place::Tcp { host: host.to_owned(), port, tls }
}

#[test]
fn a_url_means_what_it_says_and_the_rest_has_defaults() {
    let table = [
        ("redis://cache", tcp("cache", 6379, false), None, 0),
        ("redis://cache/", tcp("cache", 6379, false), None, 0),
        ("REDISS://10.0.0.1:6380/15", tcp("10.0.0.1", 6380, true), None, 15),
        ("redis://[::1]:7000/1", tcp("::1", 7000, false), None, 1),
        ("redis://[fe80::1]", tcp("fe80::1", 6379, false), None, 0),
        ("redis://:secret@cache", tcp("cache", 6379, false), Some((None, "secret")), 0),
        ("redis://app:a%3Ab%40%2f@cache:1", tcp("cache", 1, false), Some((Some("app"), "a:b@/")), 0),
        ("redis://app:a:b@cache", tcp("cache", 6379, false), Some((Some("app"), "a:b")), 0),
        ("redis://app:%C3%B1@cache", tcp("cache", 6379, false), Some((Some("app"), "ñ")), 0),
        ("unix:///run/redis.sock", Place::Unix("/run/redis.sock".into()), None, 0),
        ("unix:///run/a%20b?db=3", Place::Unix("/run/a b".into()), None, 3),
        ("unix://app:pw@/run/r", Place::Unix("/run/r".into()), Some((Some("app"), "pw")), 0),
    ];
    for (url, place, login, database) in table {
        let address = Address::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
        let credentials = login.map(|(user, password): (Option<&str>, _)| Credentials {
            user: user.map(str::to_owned),
            password: Secret::new(password),
        });
        assert_eq!(address, Address { place, credentials, database }, "{url}");
    }
}

#[test]
fn what_is_wrong_is_named_with_its_remedy() {
    let table = [
        ("localhost:6379", "no scheme"),
        ("ftp://cache", "none of redis://"),
        ("valkey://cache", "write redis://"),
        ("redis://", "no host"),
        ("redis://:6379", "no host"),
        ("redis://cache:0", "port"),
        ("redis://cache:65536", "port"),
        ("redis://cache:+80", "port"),
        ("redis://::1:6379", "in brackets"),
        ("redis://[::1", "no ]"),
        ("redis://[cache]", "not an IPv6 address"),
        ("redis://[::1]6379", ":port"),
        ("redis://ca che", "character"),
        ("redis://cache/x", "database"),
        ("redis://cache/-1", "database"),
        ("redis://cache/+1", "database"),
        ("redis://cache?db=1", "/db"),
        ("redis://app@cache", "without a password"),
        ("redis://app:@cache", "empty"),
        ("redis://a:b@c:d@cache", "two @"),
        ("redis://a:b/c@cache", "%2F"),
        ("redis://a:b%4@cache", "%25"),
        ("redis://a:%ff@cache", "not UTF-8"),
        ("unix://run/redis.sock", "three slashes"),
        ("unix://redis.sock", "begin with /"),
        ("unix:///", "no socket"),
        ("unix:///run/redis.sock?database=1", "?db="),
    ];
    for (url, said) in table {
        let error = Address::parse(url).expect_err(url);
        assert_eq!(error.code(), &catalogue::CONFIGURATION_INVALID, "{url}");
        assert!(error.detail().contains(said), "{url}: {error}");
    }
    for scheme in ["redis+sentinel", "rediss+sentinel", "redis+cluster", "https"] {
        let error = Address::parse(&format!("{scheme}://token@a:1,b:2/main")).unwrap_err();
        assert_eq!(error.code(), &catalogue::NOT_BUILT_YET, "{scheme}");
        assert!(error.detail().contains("name one server"), "{error}");
    }
}

#[test]
fn credentials_are_not_shown() {
    let address = Address::parse("redis://app:hunter2@cache:1/2").unwrap();
    assert_eq!(format!("{address}{address:?}"), "redis://cache:1/2redis://cache:1/2");
    assert!(!format!("{:?}", address.credentials).contains("hunter2"));
    assert_eq!(Address::parse("unix://a:hunter2@/r?db=2").unwrap().to_string(), "unix:///r?db=2");
    assert_eq!(Address::parse("redis://[::1]").unwrap().to_string(), "redis://[::1]:6379");
}

proptest! {
    /// Wherever a mistyped URL has its password, no error shows it.
    #[test]
    fn no_error_shows_a_part_of_the_text(
        around in "[a-z:/@?#%\\[\\]0-9.]{0,12}", scheme in "(redis|rediss|unix|redis\\+sentinel|https|x)(://|:/)",
        at in 0_usize..13,
    ) {
        let mut rest = around;
        let at = at.min(rest.len());
        rest.insert_str(at, "Hunter2");
        if let Err(error) = Address::parse(&format!("{scheme}{rest}")) {
            prop_assert!(!error.to_string().contains("unter2"), "{error}");
        }
    }

    /// Any user and password arrive as they are, once they are escaped.
    #[test]
    fn escaped_credentials_arrive(user in "\\PC{1,8}", password in "\\PC{1,8}") {
        let escape = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
        let address = Address::parse(&format!("redis://{}:{}@h", escape(&user), escape(&password))).unwrap();
        let credentials = address.credentials.unwrap();
        prop_assert_eq!(credentials.user.as_deref(), Some(&*user));
        prop_assert_eq!(credentials.password.reveal(), &*password);
    }
}
