//! New tokens.

use rand::TryRng;
use rand::rngs::SysRng;

use crate::cluster::error::ApiError;
use crate::model::challenge::{TOKEN_OCTETS, Token};

/// A token from the operating system, whose random source fails at boot at the most.
pub fn fresh_token() -> Result<Token, ApiError> {
    let mut octets = [0; TOKEN_OCTETS];
    SysRng
        .try_fill_bytes(&mut octets)
        .map_err(|error| ApiError::NoRandomness(error.to_string()))?;
    Ok(Token::from_random(octets))
}
