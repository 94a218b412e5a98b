//! Certificates for an origin that has none: an authority of its own, and what it issues.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

const DAY_S: u64 = 24 * 3600;

/// An authority and one certificate that it has issued, as PEM.
#[derive(Clone, Debug)]
pub struct Certificates {
    /// Whom to trust.
    pub ca_pem: String,
    /// The certificate.
    pub cert_pem: String,
    /// Its key (ECDSA P-256).
    pub key_pem: String,
}

/// Issues a certificate for host names and IP addresses, good for servers and clients. Validity in seconds from now on;
/// a negative one has run out already. The text of an error is for a person.
pub fn issue(names: &[String], valid_for_s: i64) -> Result<Certificates, String> {
    issue_inner(names, valid_for_s)
        .map_err(|error| format!("no certificate for {}: {error}", names.join(", ")))
}

fn issue_inner(names: &[String], valid_for_s: i64) -> Result<Certificates, rcgen::Error> {
    let authority = CertifiedIssuer::self_signed(authority(), KeyPair::generate()?)?;
    let mut params = CertificateParams::new(names)?;
    let name = names.first().map_or("seatrial", String::as_str);
    params.distinguished_name.push(DnType::CommonName, name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let ends_s = now_s.saturating_add_signed(valid_for_s);
    // A day earlier than now: clocks differ.
    let begins_s = now_s.min(ends_s).saturating_sub(DAY_S);
    params.not_before = date_time_ymd(1970, 1, 1) + Duration::from_secs(begins_s);
    params.not_after = date_time_ymd(1970, 1, 1) + Duration::from_secs(ends_s);
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, &authority)?;
    Ok(Certificates { ca_pem: authority.pem(), cert_pem: certificate.pem(), key_pem: key.serialize_pem() })
}

fn authority() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "Seatrial test authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}
