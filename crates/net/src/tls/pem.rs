//! Certificates and keys from the text of PEM files; the text of an error is for a person.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

pub(super) fn chain(pem: &str, what: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|error| format!("{what} is not PEM: {error}"))?;
    if certificates.is_empty() { Err(format!("{what} has no PEM section")) } else { Ok(certificates) }
}

pub(super) fn private_key(pem: &str) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|error| format!("the key is not PEM: {error}"))
}
