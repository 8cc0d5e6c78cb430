//! The secrets that the programs read at start: the key for service-account tokens and the
//! administrator's token.

use std::fs;

use anyhow::{Context, Result, anyhow};
use data_encoding::{BASE64_MIME, HEXLOWER};
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};

use super::arguments::Layout;

/// What stands before the 65 bytes of an uncompressed P-256 point in public key
/// information (RFC 5480): two sequences, the identifiers of the algorithm and of the curve, a bit string.
const P256_PUBLIC_KEY_INFO: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// Writes the files and returns the administrator's token.
pub(super) fn write(layout: &Layout) -> Result<String> {
    let random = SystemRandom::new();
    let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random)
        .map_err(|_| anyhow!("making a P-256 key failed"))?;
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, key.as_ref(), &random)
        .map_err(|_| anyhow!("reading the new P-256 key failed"))?;
    let public = [&P256_PUBLIC_KEY_INFO, pair.public_key().as_ref()].concat();
    fs::write(
        layout.service_account_key(),
        pem("PRIVATE KEY", key.as_ref()),
    )
    .context("writing the service-account key")?;
    fs::write(
        layout.service_account_public_key(),
        pem("PUBLIC KEY", &public),
    )
    .context("writing the public service-account key")?;

    let mut bytes = [0; 32];
    random
        .fill(&mut bytes)
        .map_err(|_| anyhow!("the operating system gives no random numbers"))?;
    let token = HEXLOWER.encode(&bytes);
    fs::write(
        layout.tokens(),
        format!("{token},admin,admin,\"system:masters\"\n"),
    )
    .context("writing the administrator's token")?;
    Ok(token)
}

fn pem(label: &str, der: &[u8]) -> String {
    let lines = BASE64_MIME.encode(der).replace('\r', "");
    format!("-----BEGIN {label}-----\n{lines}-----END {label}-----\n")
}
