//! Whom a client trusts: the authorities that it was given or those of the platform, and what they are themselves.
//!
//! `openssl req -x509` marks the certificate that it makes as an authority's. A server that shows such a certificate is refused
//! by webpki, which wants an authority and a server to be two (RFC 5280 does not). Whoever gives that very certificate as
//! what to trust means this server, and OpenSSL and curl take it so.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme};

use super::pem::chain;

/// The identifiers of a subject's common name and of the extension with a certificate's names, as DER has them.
const COMMON_NAME: [u8; 5] = [0x06, 0x03, 0x55, 0x04, 0x03];
const SUBJECT_ALT_NAME: [u8; 5] = [0x06, 0x03, 0x55, 0x1D, 0x11];

/// Certificates that may issue others: those given, or the platform's. The platform's roots are those that its other
/// programs trust, a company's own among them; a list compiled into the program would not know those.
pub(super) fn trusted(ca_pem: Option<&str>) -> Result<Vec<CertificateDer<'static>>, String> {
    if let Some(pem) = ca_pem {
        return chain(pem, "the CA's certificate");
    }
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        let why = found.errors.first().map(|error| format!(": {error}")).unwrap_or_default();
        return Err(format!("this machine has no trusted CA certificates{why}; give one (--ca FILE)"));
    }
    Ok(found.certs)
}

/// Verifies as webpki does, and trusts a server that shows a trusted certificate itself.
#[derive(Debug)]
pub(super) struct Trusting {
    webpki: Arc<WebPkiServerVerifier>,
    trusted: Vec<CertificateDer<'static>>,
}

impl Trusting {
    pub(super) fn new(
        trusted: Vec<CertificateDer<'static>>,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        let (added, _) = roots.add_parsable_certificates(trusted.iter().cloned());
        if added == 0 {
            return Err("no CA's certificate works: none can be read".to_owned());
        }
        let webpki = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
        let webpki = webpki.map_err(|error| format!("the CA's certificate does not work: {error}"))?;
        Ok(Self { webpki, trusted })
    }
}

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verdict = self.webpki.verify_server_cert(end_entity, intermediates, name, ocsp_response, now);
        match verdict {
            // The dates were looked at before: one that is out of date has another error.
            Err(error) if is_of_an_authority(&error) && self.trusted.contains(end_entity) => {
                verify_name(end_entity, name).map(|()| ServerCertVerified::assertion())
            }
            Err(error) if is_of_the_name(&error) && self.trusted.contains(end_entity) => {
                if is_called(end_entity, name) { Ok(ServerCertVerified::assertion()) } else { Err(error) }
            }
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.webpki.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.webpki.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }
}

fn is_of_an_authority(error: &rustls::Error) -> bool {
    matches!(
        error,
        rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(cause)))
            if cause.downcast_ref() == Some(&webpki::Error::CaUsedAsEndEntity)
    )
}

fn is_of_the_name(error: &rustls::Error) -> bool {
    use CertificateError::{NotValidForName, NotValidForNameContext};
    matches!(error, rustls::Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. }))
}

fn verify_name(certificate: &CertificateDer<'_>, name: &ServerName<'_>) -> Result<(), rustls::Error> {
    verify_server_name(&ParsedCertificate::try_from(certificate)?, name)
        .or_else(|error| if is_called(certificate, name) { Ok(()) } else { Err(error) })
}

/// Whether a certificate without the extension for names has this one as its common name, where `openssl req` asks for it. Only
/// asked of certificates that are trusted to the byte, so looking for the identifiers is reading enough.
fn is_called(certificate: &[u8], name: &ServerName<'_>) -> bool {
    let has_names = certificate.windows(SUBJECT_ALT_NAME.len()).any(|bytes| bytes == SUBJECT_ALT_NAME);
    // The issuer's is the first, the subject's the last.
    let at = certificate.windows(COMMON_NAME.len()).rposition(|bytes| bytes == COMMON_NAME);
    let common_name = at.and_then(|at| match &certificate[at + COMMON_NAME.len()..] {
        [_, length, rest @ ..] => rest.get(..usize::from(*length)),
        _ => None,
    });
    !has_names && common_name.is_some_and(|given| given.eq_ignore_ascii_case(name.to_str().as_bytes()))
}
