//! Servers that speak TLS.

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::Arc,
};

use alacena_testkit::servers::{Certificates, RedisServer};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};

/// What the server says to a PING of somebody who trusts `authority`, and shows the certificate of `client`.
fn ping(
    redis: &RedisServer,
    host: &str,
    authority: &str,
    client: Option<&Certificates>,
) -> std::io::Result<String> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match client {
        None => config.with_no_client_auth(),
        Some(shown) => {
            let chain = vec![CertificateDer::from_pem_slice(shown.certificate.as_bytes()).unwrap()];
            config
                .with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(shown.key.as_bytes()).unwrap())
                .unwrap()
        }
    };
    let host = ServerName::try_from(host.to_owned()).unwrap();
    let connection = ClientConnection::new(Arc::new(config), host).unwrap();
    let mut stream = StreamOwned::new(connection, TcpStream::connect(redis.tls_address()).unwrap());
    stream.write_all(b"PING\r\n")?;
    let mut answer = [0; 7];
    stream.read_exact(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).trim_end().to_owned())
}

#[test]
fn it_is_believed_by_those_who_trust_its_authority_by_name_and_by_address() {
    let Some(redis) = RedisServer::builder().tls(Certificates::generate()).start() else { return };
    let authority = &redis.certificates().unwrap().authority;
    for host in ["localhost", "127.0.0.1"] {
        assert_eq!(ping(&redis, host, authority, None).unwrap(), "+PONG");
    }
    assert!(ping(&redis, "elsewhere", authority, None).is_err());
    assert!(ping(&redis, "localhost", &Certificates::generate().authority, None).is_err());
}

#[test]
fn an_expired_certificate_is_not_believed() {
    let Some(redis) = RedisServer::builder().tls(Certificates::expired()).start() else { return };
    let authority = &redis.certificates().unwrap().authority;
    let error = ping(&redis, "localhost", authority, None).unwrap_err();
    assert!(error.to_string().contains("xpired"), "{error}");
}

#[test]
fn it_can_ask_its_clients_for_a_certificate() {
    let builder = RedisServer::builder().tls(Certificates::generate()).config("tls-auth-clients", "yes");
    let Some(redis) = builder.start() else { return };
    let own = redis.certificates().unwrap();
    assert!(ping(&redis, "localhost", &own.authority, None).is_err());
    assert!(ping(&redis, "localhost", &own.authority, Some(&Certificates::generate())).is_err());
    assert_eq!(ping(&redis, "localhost", &own.authority, Some(own)).unwrap(), "+PONG");
}
