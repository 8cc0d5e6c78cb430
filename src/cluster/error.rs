//! How a call to the API server failed, sorted by what can be done about it.

use std::error::Error;
use std::io;
use std::time::Duration;

use kube::core::Status;
use rustls::AlertDescription as Alert;

use super::decode::InvalidObject;

/// What a caller can decide on.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The object changed since it was read: read and decide again.
    #[error("the object was changed meanwhile")]
    Conflict,
    #[error("the object already exists")]
    AlreadyExists,
    #[error("the object does not exist")]
    NotFound,
    #[error("the namespace does not exist: create it, or use another one")]
    NoNamespace,
    /// An API server that has just started refuses everybody until it knows the roles, and a role may
    /// be bound later.
    #[error("the account lacks a permission: {0}")]
    Forbidden(kube::Error),
    /// The API server knows this process no longer, or shows a certificate that is not trusted. New
    /// files may help; an API server that has just started may know no account yet.
    #[error(
        "the API server does not accept the credentials, or its certificate is not trusted: {0}"
    )]
    Untrusted(kube::Error),
    /// The object has no room for what is to be written into it.
    #[error(
        "the object has reached the API server's size limit, so its owner must remove labels or annotations: {0}"
    )]
    TooLarge(kube::Error),
    /// Repeating the same call cannot help.
    #[error("the API server rejected the request: {0}")]
    Refused(kube::Error),
    /// It may pass.
    #[error("cannot reach the API server: {0}")]
    Unavailable(kube::Error),
    #[error("the API server did not answer within {} s", .0.as_secs())]
    TimedOut(Duration),
    /// Another replica may lead by now: nothing was sent.
    #[error("this replica is no longer the leader")]
    NotLeading,
    /// Asking again gives the same object.
    #[error(transparent)]
    Invalid(#[from] Box<InvalidObject>),
    #[error("the operating system provided no random bytes: {0}")]
    NoRandomness(String),
}

impl ApiError {
    /// Whether the API server did what it is there for: it said how things are.
    #[must_use]
    pub fn is_answer(&self) -> bool {
        matches!(
            self,
            Self::Conflict | Self::AlreadyExists | Self::NotFound | Self::NoNamespace
        )
    }

    /// Whether waiting may help.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        !matches!(self, Self::Refused(_) | Self::Invalid(_))
    }
}

impl From<kube::Error> for ApiError {
    fn from(error: kube::Error) -> Self {
        let kube::Error::Api(status) = &error else {
            // No token comes of the program that the kubeconfig names for it.
            return if matches!(error, kube::Error::Auth(_)) || is_distrust(&error) {
                Self::Untrusted(error)
            } else {
                Self::Unavailable(error)
            };
        };
        // Any server on the way can say 404, and the API server while a CRD is being replaced; only
        // with this reason it speaks of an object.
        if status.reason == "NotFound" {
            Self::NotFound
        } else if status.is_already_exists() {
            Self::AlreadyExists
        } else if status.is_conflict() {
            Self::Conflict
        } else if is_too_large(status) {
            Self::TooLarge(error)
        } else if status.code == 403 {
            Self::Forbidden(error)
        } else if status.code == 401 {
            Self::Untrusted(error)
        } else if matches!(status.code, 404 | 408 | 429)
            || status.code >= 500
            || is_of_another_server(status)
        {
            Self::Unavailable(error)
        } else {
            Self::Refused(error)
        }
    }
}

/// Whether the answer is no `Status`, of which kube makes one with a reason that is no identifier: some
/// server on the way gave it.
fn is_of_another_server(status: &Status) -> bool {
    status.reason.contains(' ')
}

/// Whether the object exceeds a limit: of requests to the API server, of requests to etcd, or of its
/// messages. The API server passes the latter two on as internal errors.
fn is_too_large(status: &Status) -> bool {
    let of_etcd = ["etcdserver: request is too large", "larger than max"];
    !is_of_another_server(status)
        && (status.code == 413
            || status.code == 500 && of_etcd.iter().any(|text| status.message.contains(text)))
}

/// Whether the call failed because one side does not take the other's certificate.
fn is_distrust(error: &kube::Error) -> bool {
    let mut next = Some(error as &(dyn Error + 'static));
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref() {
            return match error {
                rustls::Error::InvalidCertificate(_) => true,
                rustls::Error::AlertReceived(alert) => matches!(
                    alert,
                    Alert::BadCertificate
                        | Alert::UnsupportedCertificate
                        | Alert::CertificateRevoked
                        | Alert::CertificateExpired
                        | Alert::CertificateUnknown
                        | Alert::CertificateRequired
                        | Alert::UnknownCA
                        | Alert::AccessDenied
                ),
                _ => false,
            };
        }
        // An I/O error's source is the source of what it wraps.
        let wrapped = error.downcast_ref().and_then(io::Error::get_ref);
        next = wrapped
            .map(|error| error as &(dyn Error + 'static))
            .or_else(|| error.source());
    }
    false
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::{ExitStatus, Output};

    use kube::client::AuthError;

    use super::*;

    #[test]
    fn what_may_pass_is_told_from_what_is_refused_for_good() {
        for (code, passes) in [
            (400, false),
            (401, true),
            (403, true),
            // Of the API server only with the reason NotFound.
            (404, true),
            (405, false),
            (408, true),
            (422, false),
            (429, true),
            (500, true),
            (503, true),
        ] {
            let status = Status::failure("no", "Reason").with_code(code);
            let error = ApiError::from(kube::Error::Api(Box::new(status)));
            assert_eq!(error.is_retryable(), passes, "{code}");
            // A load balancer's own, as kube passes it on.
            let status = Status::failure("no", "Failed to parse error data").with_code(code);
            let error = ApiError::from(kube::Error::Api(Box::new(status)));
            assert!(error.is_retryable(), "{code}");
        }
        // Only one of these is about an object that is not there.
        for (reason, is_missing) in [
            ("NotFound", true),
            ("Reason", false),
            ("Failed to parse error data", false),
        ] {
            let status = Status::failure("no", reason).with_code(404);
            let error = ApiError::from(kube::Error::Api(Box::new(status)));
            assert_eq!(matches!(error, ApiError::NotFound), is_missing, "{reason}");
        }
    }

    #[test]
    fn what_is_for_want_of_trust_is_told_from_what_is_for_want_of_a_server() {
        let service = |error: io::Error| kube::Error::Service(Box::new(error));
        let tls = |error| service(io::Error::other(error));
        let invalid = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let untrusted = |error: kube::Error| matches!(error.into(), ApiError::Untrusted(_));
        assert!(untrusted(tls(invalid)));
        for (alert, expected) in [
            (Alert::CertificateExpired, true),
            (Alert::UnknownCA, true),
            (Alert::InternalError, false),
        ] {
            let error = rustls::Error::AlertReceived(alert);
            assert_eq!(untrusted(tls(error)), expected, "{alert:?}");
        }
        assert!(!untrusted(service(io::ErrorKind::ConnectionRefused.into())));
        let no_token = AuthError::AuthExecRun {
            cmd: "login".to_owned(),
            out: Box::new(Output {
                status: ExitStatus::from_raw(255 << 8),
                stdout: Vec::new(),
                stderr: Vec::new(),
            }),
        };
        assert!(untrusted(kube::Error::Auth(no_token)));
        for (code, expected) in [(401, true), (403, false), (503, false)] {
            let status = Status::failure("no", "Reason").with_code(code);
            assert_eq!(
                untrusted(kube::Error::Api(Box::new(status))),
                expected,
                "{code}"
            );
        }
    }
}
