//! A bearer token that a file holds. Kube sends the file as it is; a final newline, which editors and
//! `echo` write, makes that no header. Kubectl trims it.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::HeaderValue;
use parking_lot::Mutex;

/// A token is renewed in its file long before it ends.
const RELOAD_PERIOD: Duration = Duration::from_mins(1);

/// Why a file holds no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("cannot read the token file {}: {why}", path.display())]
    Unreadable { path: PathBuf, why: io::Error },
    #[error("the token file {} is empty", .0.display())]
    Empty(PathBuf),
    #[error("the token file {} does not contain exactly one token", .0.display())]
    NoToken(PathBuf),
}

/// A token that is read again once a minute; what was read last is kept where that fails.
#[derive(Clone, Debug)]
pub struct TokenFile {
    path: Arc<PathBuf>,
    read: Arc<Mutex<(HeaderValue, Instant)>>,
}

impl TokenFile {
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, TokenError> {
        let path = path.into();
        let header = read(&path)?;
        Ok(Self {
            path: Arc::new(path),
            read: Arc::new(Mutex::new((header, Instant::now()))),
        })
    }

    /// The value of the header Authorization.
    pub fn header(&self) -> HeaderValue {
        self.header_at(Instant::now())
    }

    fn header_at(&self, now: Instant) -> HeaderValue {
        let mut last = self.read.lock();
        if now.saturating_duration_since(last.1) >= RELOAD_PERIOD {
            last.1 = now;
            match read(&self.path) {
                Ok(header) => last.0 = header,
                Err(error) => tracing::warn!(%error, "the previous token stays in use"),
            }
        }
        last.0.clone()
    }
}

fn read(path: &PathBuf) -> Result<HeaderValue, TokenError> {
    let content = fs::read_to_string(path).map_err(|why| TokenError::Unreadable {
        path: path.clone(),
        why,
    })?;
    let token = content.trim();
    if token.is_empty() {
        return Err(TokenError::Empty(path.clone()));
    }
    let mut header = HeaderValue::try_from(format!("Bearer {token}"))
        .map_err(|_| TokenError::NoToken(path.clone()))?;
    header.set_sensitive(true);
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_trimmed_read_again_after_a_minute_and_kept_where_there_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        fs::write(&path, "\u{a0} one\r\n\n").unwrap();
        let token = TokenFile::open(&path).unwrap();
        let start = Instant::now();
        let after = |seconds| token.header_at(start + Duration::from_secs(seconds));
        assert_eq!(after(0), "Bearer one");
        fs::write(&path, "two\n").unwrap();
        assert_eq!(after(50), "Bearer one");
        assert_eq!(after(61), "Bearer two");
        fs::write(&path, "\n").unwrap();
        assert_eq!(after(130), "Bearer two");
        fs::remove_file(&path).unwrap();
        assert_eq!(after(200), "Bearer two");
        assert!(!format!("{token:?}").contains("two"));
    }
}
