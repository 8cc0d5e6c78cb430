//! A zone's key and its signatures, made when they are asked for, and once, as a signed zone has them.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow};
use data_encoding::BASE64;
use hickory_proto::dnssec::crypto::EcdsaSigningKey;
use hickory_proto::dnssec::rdata::sig::SigInput;
use hickory_proto::dnssec::rdata::{DNSKEY, DNSSECRData, DS, NSEC3PARAM, RRSIG};
use hickory_proto::dnssec::{
    Algorithm, DigestType, Nsec3HashAlgorithm, PublicKey, SigningKey, TBS,
};
use hickory_proto::rr::{DNSClass, Name, RData};

use super::behaviour::Signatures;
use super::zone::RecordSet;

/// Every validator knows it, and its signatures are short and quickly made.
const ALGORITHM: Algorithm = Algorithm::ECDSAP256SHA256;
/// Zone key and secure entry point (RFC 4034 section 2.1.1).
const KEY_FLAGS: u16 = 257;
const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

/// How a zone denies names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Denial {
    Nsec,
    /// With additional hash rounds (RFC 5155); with opt-out, delegations without DS are not in the
    /// chain.
    Nsec3 {
        rounds: u16,
        opt_out: bool,
    },
}

pub(super) struct Signing {
    origin: Name,
    key: EcdsaSigningKey,
    dnskey: DNSKEY,
    tag: u16,
    pub(super) denial: Denial,
    /// When the zone was signed, in seconds of Unix time.
    time: u64,
    /// By what is signed.
    made: Mutex<HashMap<Vec<u8>, Vec<u8>>>,
}

impl Signing {
    pub(super) fn new(origin: &Name, denial: Denial) -> Result<Self> {
        let pkcs8 =
            EcdsaSigningKey::generate_pkcs8(ALGORITHM).map_err(|error| anyhow!("{error}"))?;
        let key = EcdsaSigningKey::from_pkcs8(&pkcs8, ALGORITHM)
            .map_err(|error| anyhow!("reading a new key: {error}"))?;
        let public = key
            .to_public_key()
            .map_err(|error| anyhow!("a new key's public part: {error}"))?;
        let dnskey = DNSKEY::with_flags(KEY_FLAGS, public);
        let tag = dnskey.calculate_key_tag().context("a key's tag")?;
        Ok(Self {
            origin: origin.clone(),
            key,
            dnskey,
            tag,
            denial,
            time: SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs(),
            made: Mutex::default(),
        })
    }

    pub(super) fn dnskey(&self) -> RData {
        RData::DNSSEC(DNSSECRData::DNSKEY(self.dnskey.clone()))
    }

    /// What the parent tells of the key.
    pub(super) fn ds(&self) -> Result<RData> {
        let digest = self
            .dnskey
            .to_digest(&self.origin, DigestType::SHA256)
            .context("a key's digest")?;
        Ok(self.ds_with(digest.as_ref().to_vec()))
    }

    /// A DS record that no key fits.
    pub(super) fn wrong_ds(&self) -> RData {
        self.ds_with(vec![0x5a; 32])
    }

    fn ds_with(&self, digest: Vec<u8>) -> RData {
        let ds = DS::new(self.tag, ALGORITHM, DigestType::SHA256, digest);
        RData::DNSSEC(DNSSECRData::DS(ds))
    }

    /// What tells a server how the zone's names are hashed (RFC 5155 section 4).
    pub(super) fn nsec3_parameters(&self) -> Vec<RData> {
        match self.denial {
            Denial::Nsec => Vec::new(),
            Denial::Nsec3 { rounds, .. } => {
                let data = NSEC3PARAM::new(Nsec3HashAlgorithm::SHA1, false, rounds, Vec::new());
                vec![RData::DNSSEC(DNSSECRData::NSEC3PARAM(data))]
            }
        }
    }

    /// The NSEC3PARAM record's data as a zone file has it.
    pub(super) fn nsec3_words(&self) -> Option<String> {
        match self.denial {
            Denial::Nsec => None,
            Denial::Nsec3 { rounds, opt_out } => {
                Some(format!("1 {} {rounds} -", u8::from(opt_out)))
            }
        }
    }

    pub(super) fn anchor(&self) -> String {
        let key = BASE64.encode(self.dnskey.public_key().public_bytes());
        let algorithm = u8::from(ALGORITHM);
        format!(
            "{} 3600 IN DNSKEY {KEY_FLAGS} 3 {algorithm} {key}\n",
            self.origin
        )
    }

    /// The signature over a record set, `owner` being its name in the zone.
    pub(super) fn sign(
        &self,
        owner: &Name,
        set: &RecordSet,
        signatures: Signatures,
    ) -> Option<RData> {
        let now = self.time;
        let (inception, expiration) = match signatures {
            Signatures::Missing => return None,
            Signatures::Expired => (now - 2 * DAY, now - DAY),
            Signatures::Early => (now + DAY, now + 2 * DAY),
            Signatures::Valid | Signatures::Bogus => (now - HOUR, now + 30 * DAY),
        };
        // Serial numbers, which wrap (RFC 4034 section 3.1.5).
        let seconds = |time: u64| u32::try_from(time % (1 << 32)).unwrap_or_default();
        let input = SigInput {
            type_covered: set.data.first()?.record_type(),
            algorithm: ALGORITHM,
            num_labels: owner.num_labels(),
            original_ttl: set.ttl,
            sig_expiration: seconds(expiration).into(),
            sig_inception: seconds(inception).into(),
            key_tag: self.tag,
            signer_name: self.origin.clone(),
        };
        let records = set.records(owner);
        let signed = TBS::from_input(owner, DNSClass::IN, &input, records.iter()).ok()?;
        let mut signature = self.signature(&signed)?;
        if signatures == Signatures::Bogus
            && let Some(octet) = signature.last_mut()
        {
            *octet ^= 1;
        }
        let rrsig = RRSIG::from_sig(input, signature);
        Some(RData::DNSSEC(DNSSECRData::RRSIG(rrsig)))
    }

    fn signature(&self, signed: &TBS) -> Option<Vec<u8>> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(signature) = made.get(signed.as_ref()) {
            return Some(signature.clone());
        }
        let signature = self.key.sign(signed).ok()?;
        made.insert(signed.as_ref().to_vec(), signature.clone());
        Some(signature)
    }
}

impl fmt::Debug for Signing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signing")
            .field("origin", &self.origin)
            .field("tag", &self.tag)
            .finish_non_exhaustive()
    }
}
