//! Whom to trust with servers that are asked over TLS.

use std::sync::Arc;

use hickory_resolver::net::tls::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};
use rustls::{ClientConfig, RootCertStore};

use crate::model::text_file::{self, TextError};

/// Why a file has no certification authorities to trust.
#[derive(Debug, thiserror::Error)]
pub enum AuthoritiesError {
    #[error(transparent)]
    Text(#[from] TextError),
    #[error("it is not a PEM file: {0}")]
    Pem(pem::Error),
    #[error("it contains no certificate")]
    Empty,
    #[error("a certificate in it cannot be used: {0}")]
    Certificate(#[from] rustls::Error),
}

/// Trusts the certification authorities of a PEM file, and nobody else.
pub fn authorities(file: &[u8]) -> Result<ClientConfig, AuthoritiesError> {
    // In front of the first line a byte order mark would hide the first certificate.
    let file = text_file::content(file)?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(file) {
        roots.add(certificate.map_err(AuthoritiesError::Pem)?)?;
    }
    if roots.is_empty() {
        return Err(AuthoritiesError::Empty);
    }
    Ok(
        ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth(),
    )
}
