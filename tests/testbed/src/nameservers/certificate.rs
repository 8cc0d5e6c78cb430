//! A server's certificate, signed by nobody but itself.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// Writes a new key and certificate for a host name, and returns the certificate.
pub(super) fn write(host: &str, key: &Path, certificate: &Path) -> Result<String> {
    let made = rcgen::generate_simple_self_signed(vec![host.to_owned()])
        .context("making a certificate")?;
    let pem = made.cert.pem();
    for (path, text) in [
        (key, &made.signing_key.serialize_pem()),
        (certificate, &pem),
    ] {
        fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(pem)
}
