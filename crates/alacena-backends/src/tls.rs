//! Whom the certificate of a source or a server may be signed by.
//!
//! The public authorities are compiled in, so that every machine trusts the same ones; `ca` adds to them. The
//! cryptography is handed to each connection's configuration: a library must not install one for the whole process.

use std::{path::Path, sync::Arc};

use rustls::{
    CertificateError, ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{
        CertificateDer,
        pem::{self, PemObject},
    },
};

/// TLS 1.2 and 1.3 by rustls, trusting the public authorities and those in `ca_file`; or what is wrong with that file.
pub(crate) fn configure(ca_file: Option<&Path>) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(path) = ca_file {
        add(path, &mut roots)?;
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has the cipher suites of both versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

fn add(path: &Path, roots: &mut RootCertStore) -> Result<(), String> {
    let refuse = |reason: &str| format!("`ca` file {} {reason}", path.display());
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| match error {
        pem::Error::Io(error) => refuse(&format!("cannot be read: {}", error.kind())),
        _ => refuse("is not a PEM file"),
    })?;
    let before = roots.len();
    for certificate in certificates {
        let certificate = certificate.map_err(|_| refuse("is not a PEM file"))?;
        roots
            .add(certificate)
            .map_err(|_| refuse("holds a certificate that cannot be used as an authority"))?;
    }
    if roots.len() == before {
        return Err(refuse("holds no certificate (`-----BEGIN CERTIFICATE-----`)"));
    }
    Ok(())
}

/// What is wrong with a certificate or handshake, and what to do about it. `address` is the setting that says where the
/// other side is, `plain` how one there without TLS begins.
pub(crate) fn describe(error: &rustls::Error, address: &str, plain: &str) -> String {
    let said = match error {
        rustls::Error::InvalidCertificate(certificate) => match certificate {
            // A bad signature is what an authority of the same name with another key looks like.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                "its certificate is signed by an authority that is not trusted; if it is your own, name its \
                 certificate in `ca`"
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "its certificate has expired; renew it there (`ca` does not help with this)"
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "its certificate is not valid yet; compare the clocks of both machines"
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                return format!(
                    "its certificate is for another host; name the host of the certificate in `{address}`"
                );
            }
            _ => {
                "its certificate is not valid; if it is signed by an authority of your own, name that one's \
                 certificate, not the server's, in `ca`"
            }
        },
        rustls::Error::InvalidMessage(_) => {
            return format!("it does not speak TLS; write {plain} in `{address}` if that is intended");
        }
        _ => "the TLS handshake failed",
    };
    said.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_ca_file_that_cannot_be_used_is_named_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        let refused = || configure(Some(&path)).unwrap_err();
        assert!(refused().ends_with("ca.pem cannot be read: entity not found"), "{}", refused());
        fs::write(&path, "hello").unwrap();
        assert!(refused().contains("holds no certificate"), "{}", refused());
        fs::write(&path, "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n").unwrap();
        assert!(refused().contains("is not a PEM file"), "{}", refused());
        fs::write(&path, "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n").unwrap();
        assert!(refused().contains("cannot be used as an authority"), "{}", refused());
    }

    #[test]
    fn the_public_authorities_are_trusted_without_any_file() {
        assert!(configure(None).is_ok());
    }
}
