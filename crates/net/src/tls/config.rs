//! From what a plan says about TLS to what rustls needs; done once, shared by every connection.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, ServerConfig, SignatureScheme, SupportedProtocolVersion};
use serde::Deserialize;

use super::TlsVersion;
use super::pem::{chain, private_key};
use super::trust::{Trusting, trusted};

/// Servers whose sessions are remembered; a load talks to few.
const REMEMBERED_SERVERS: usize = 64;

/// TLS as a client.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientTlsSpec {
    /// The versions that are offered.
    pub versions: Vec<TlsVersion>,
    /// The name that the certificate must be for, sent as SNI unless it is an IP address.
    pub server_name: String,
    /// The application protocols that are offered (ALPN); none where empty.
    pub alpn: Vec<String>,
    /// Who may have issued the server's certificate; without it the platform's own roots.
    #[serde(default)]
    pub ca_pem: Option<String>,
    /// Whether any certificate will do.
    #[serde(default)]
    pub insecure: bool,
    /// Whether later connections resume the sessions of earlier ones.
    pub resumption: bool,
    /// The client's certificate, with the chain up to its issuer.
    #[serde(default)]
    pub cert_pem: Option<String>,
    /// The key of that certificate.
    #[serde(default)]
    pub key_pem: Option<String>,
}

/// What every client session starts from.
#[derive(Clone, Debug)]
pub struct ClientTls {
    pub(super) config: Arc<ClientConfig>,
    pub(super) name: ServerName<'static>,
}

impl ClientTls {
    /// The text of an error is for a person.
    pub fn new(spec: &ClientTlsSpec) -> Result<Self, String> {
        let provider = provider()?;
        let versions: Vec<_> = spec.versions.iter().copied().map(supported).collect();
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&versions)
            .map_err(|error| format!("the TLS versions do not work: {error}"))?;
        let builder = if spec.insecure {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        } else {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(Trusting::new(
                trusted(spec.ca_pem.as_deref())?,
                provider,
            )?))
        };
        let mut config = match (&spec.cert_pem, &spec.key_pem) {
            (Some(cert), Some(key)) => builder
                .with_client_auth_cert(chain(cert, "the client's certificate")?, private_key(key)?)
                .map_err(|error| format!("the client's certificate and key do not work: {error}"))?,
            (None, None) => builder.with_no_client_auth(),
            _ => return Err("a client's certificate and its key are given together".to_owned()),
        };
        config.alpn_protocols = spec.alpn.iter().map(|name| name.clone().into_bytes()).collect();
        config.resumption = if spec.resumption {
            Resumption::in_memory_sessions(REMEMBERED_SERVERS)
        } else {
            Resumption::disabled()
        };
        let name = ServerName::try_from(spec.server_name.clone())
            .map_err(|_| format!("{} is neither a host name nor an IP address", spec.server_name))?;
        Ok(Self { config: Arc::new(config), name })
    }
}

/// TLS as a server.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerTlsSpec {
    /// The certificate, with the chain up to its issuer.
    pub cert_pem: String,
    /// Its key.
    pub key_pem: String,
}

/// What every server session starts from.
#[derive(Clone, Debug)]
pub struct ServerTls {
    pub(super) config: Arc<ServerConfig>,
}

impl ServerTls {
    /// The text of an error is for a person.
    pub fn new(spec: &ServerTlsSpec) -> Result<Self, String> {
        let mut config = ServerConfig::builder_with_provider(provider()?)
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("the TLS versions do not work: {error}"))?
            .with_no_client_auth()
            .with_single_cert(chain(&spec.cert_pem, "the certificate")?, private_key(&spec.key_pem)?)
            .map_err(|error| format!("the certificate and its key do not work: {error}"))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // Tickets keep the sessions at the clients, so any number of them can be resumed.
        config.ticketer =
            aws_lc_rs::Ticketer::new().map_err(|error| format!("no session tickets: {error}"))?;
        Ok(Self { config: Arc::new(config) })
    }
}

/// The cryptography, ready for use: its random numbers take tens of milliseconds to get going, which no handshake is to
/// pay for.
fn provider() -> Result<Arc<CryptoProvider>, String> {
    let provider = aws_lc_rs::default_provider();
    let seeded = provider.secure_random.fill(&mut [0; 32]);
    seeded.map_err(|_| "this machine gives no random numbers".to_owned())?;
    Ok(Arc::new(provider))
}

fn supported(version: TlsVersion) -> &'static SupportedProtocolVersion {
    match version {
        TlsVersion::Tls12 => &rustls::version::TLS12,
        TlsVersion::Tls13 => &rustls::version::TLS13,
    }
}

/// Trusts any certificate whose key the server proves to have: the work of a handshake stays what it is.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
