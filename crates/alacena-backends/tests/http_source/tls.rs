//! Whose certificates are believed.

use std::{fs, sync::Arc, time::Duration};

use alacena_backends::http::HttpSettings;
use alacena_core::error::{Error, catalogue};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use tokio::{io::AsyncWriteExt, net::TcpListener};
use tokio_rustls::rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer},
};

use crate::{
    ask, found, open,
    peer::{Peer, Reply, reply},
    settings,
};

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A server's configuration with a certificate for `host`, signed by `authority`.
fn certified(authority: &CertifiedIssuer<'_, KeyPair>, host: &str, year: i32) -> ServerConfig {
    let mut params = CertificateParams::new([host.to_owned()]).unwrap();
    (params.not_before, params.not_after) = (date_time_ymd(2000, 1, 1), date_time_ymd(year, 1, 1));
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    serve(certificate.der().clone(), &key)
}

fn serve(certificate: CertificateDer<'static>, key: &KeyPair) -> ServerConfig {
    ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
        .unwrap()
}

/// Asks a server so configured, believing the authority whose PEM is given.
async fn outcome(server: ServerConfig, ca: Option<&str>) -> Result<String, Error> {
    let peer = Peer::start_tls([reply("200 OK", &[], "[1]")], server).await;
    let folder = tempfile::tempdir().unwrap();
    let ca_file = ca.map(|pem| {
        let path = folder.path().join("ca.pem");
        fs::write(&path, pem).unwrap();
        path
    });
    let fetched = ask(&open(HttpSettings { ca_file, ..settings(&peer.base) })).await;
    fetched.map(|fetched| found(Ok(fetched)))
}

#[tokio::test]
async fn an_unknown_authority_is_refused_naming_the_remedy_and_accepted_once_it_is_named() {
    let ours = authority();
    let error = outcome(certified(&ours, "localhost", 2100), None).await.unwrap_err();
    assert_eq!(error.code(), &catalogue::SOURCE_UNREACHABLE);
    assert!(error.detail().contains("not trusted") && error.detail().contains("`ca`"), "{error}");
    assert_eq!(outcome(certified(&ours, "localhost", 2100), Some(&ours.pem())).await.unwrap(), "[1]");
    let error = outcome(certified(&ours, "localhost", 2100), Some(&authority().pem())).await.unwrap_err();
    assert!(error.detail().contains("not trusted"), "{error}");
}

#[tokio::test]
async fn a_certificate_that_signs_itself_can_be_named_too() {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    let server = || serve(certificate.der().clone(), &key);
    assert!(outcome(server(), None).await.is_err());
    assert_eq!(outcome(server(), Some(&certificate.pem())).await.unwrap(), "[1]");
}

#[tokio::test]
async fn a_certificate_for_another_host_or_another_time_is_refused_with_the_reason() {
    let ours = authority();
    let error = outcome(certified(&ours, "crm.example", 2100), Some(&ours.pem())).await.unwrap_err();
    assert!(error.detail().contains("for another host"), "{error}");
    let error = outcome(certified(&ours, "localhost", 2001), Some(&ours.pem())).await.unwrap_err();
    assert!(error.detail().contains("has expired"), "{error}");
}

#[tokio::test]
async fn a_handshake_that_nobody_answers_ends_with_the_time_to_connect() {
    // Not being TLS, this server waits for the end of a request that never comes.
    let peer = Peer::start([Reply::Silence]).await;
    let base = peer.base.replace("http://", "https://");
    let source = open(HttpSettings { connect_timeout: Duration::from_millis(50), ..settings(&base) });
    let error = ask(&source).await.unwrap_err();
    assert_eq!(error.code(), &catalogue::SOURCE_TIMEOUT);
    assert_eq!(error.detail(), "connecting took longer than connect_timeout");
    assert!(peer.received().is_empty());
}

#[tokio::test]
async fn a_server_that_does_not_speak_tls_is_recognised() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let source = open(settings(&format!("https://{}", listener.local_addr().unwrap())));
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        outcome = ask(&source) => {
            let error = outcome.unwrap_err();
            assert_eq!(error.code(), &catalogue::SOURCE_UNREACHABLE);
            assert!(error.detail().contains("write http:// in `base_url`"), "{error}");
        }
        () = serve => unreachable!("it waits for ever"),
    }
}

#[tokio::test]
async fn a_server_that_speaks_http_2_is_spoken_to_so() {
    let ours = authority();
    let mut server = certified(&ours, "localhost", 2100);
    server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let peer = Peer::start_tls([Reply::Silence], server).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    fs::write(&path, ours.pem()).unwrap();
    let source = open(HttpSettings { ca_file: Some(path), ..settings(&peer.base) });
    tokio::select! {
        outcome = ask(&source) => panic!("{outcome:?}"),
        () = peer.arrival() => assert_eq!(peer.received()[0].line(), "PRI * HTTP/2.0"),
    }
}
