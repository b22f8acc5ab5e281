//! Certificates for servers on loopback, made anew for each.

use std::{fs, path::Path};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, KeyPair, date_time_ymd,
};

/// A certificate for `localhost`, 127.0.0.1 and ::1, and the authority that signed it, all as PEM.
#[derive(Debug, Clone)]
pub struct Certificates {
    /// The authority, for the client to trust.
    pub authority: String,
    /// The server's certificate. Good for a client too, should the server ask for one.
    pub certificate: String,
    /// Its key.
    pub key: String,
}

impl Certificates {
    /// Makes an authority and a certificate that stay good.
    #[must_use]
    pub fn generate() -> Self {
        Self::good_until(4096)
    }

    /// Makes a certificate that went bad years ago; its authority is good.
    #[must_use]
    pub fn expired() -> Self {
        Self::good_until(2001)
    }

    fn good_until(year: i32) -> Self {
        let authority = {
            let mut params =
                CertificateParams::new(Vec::new()).expect("no names, none of which can be wrong");
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.distinguished_name = named("Alacena's test authority");
            CertifiedIssuer::self_signed(params, new_key()).expect("the key is of a kind that can sign")
        };
        let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
        let mut params = CertificateParams::new(names).expect("these are names and addresses");
        (params.not_before, params.not_after) = (date_time_ymd(2000, 1, 1), date_time_ymd(year, 1, 1));
        params.distinguished_name = named("localhost");
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = new_key();
        let certificate =
            params.signed_by(&key, &authority).expect("the key is of a kind that can be signed");
        Self { authority: authority.pem(), certificate: certificate.pem(), key: key.serialize_pem() }
    }

    /// Writes them where a server's configuration can name them, and answers those lines of it.
    pub(super) fn write(&self, folder: &Path) -> Vec<(String, String)> {
        let parts = [("ca-cert", &self.authority), ("cert", &self.certificate), ("key", &self.key)];
        let mut lines = vec![("tls-auth-clients".to_owned(), "no".to_owned())];
        for (name, pem) in parts {
            let path = folder.join(format!("{name}.pem"));
            fs::write(&path, pem).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            lines.push((format!("tls-{name}-file"), path.display().to_string()));
        }
        lines
    }
}

/// OpenSSL takes a certificate that is named as its authority for one that has signed itself.
fn named(name: &str) -> DistinguishedName {
    let mut named = DistinguishedName::new();
    named.push(DnType::CommonName, name);
    named
}

fn new_key() -> KeyPair {
    KeyPair::generate().expect("the machine has randomness")
}
