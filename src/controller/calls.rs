//! Calls to the API server: each with a deadline, counted, and its failure sorted by what can be
//! done about it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::lease::Tenure;
use crate::objects::Unreadable;
use crate::telemetry::metrics::{CallResult, Metrics};

/// What a caller can decide on.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The object changed since it was read: read and decide again.
    #[error("the object changed meanwhile")]
    Conflict,
    #[error("the object exists already")]
    AlreadyExists,
    #[error("the object does not exist")]
    NotFound,
    /// An API server that has just started refuses everybody until it knows the roles, and a role may
    /// be bound later.
    #[error("the API server says that the account may not do this: {0}")]
    Forbidden(kube::Error),
    /// Repeating the same call cannot help.
    #[error("the API server refuses the request for good: {0}")]
    Refused(kube::Error),
    /// It may pass.
    #[error("the API server could not be asked: {0}")]
    Unavailable(kube::Error),
    #[error("the API server did not answer within {} s", .0.as_secs())]
    TimedOut(Duration),
    /// Another replica may lead by now: nothing was sent.
    #[error("this replica leads no longer")]
    NotLeading,
    /// Asking again gives the same object.
    #[error(transparent)]
    Unreadable(#[from] Box<Unreadable>),
    #[error("the operating system gave no random octets: {0}")]
    NoRandomness(String),
}

impl CallError {
    /// Whether waiting may help.
    #[must_use]
    pub fn can_pass(&self) -> bool {
        !matches!(self, Self::Refused(_) | Self::Unreadable(_))
    }
}

impl From<kube::Error> for CallError {
    fn from(error: kube::Error) -> Self {
        let kube::Error::Api(status) = &error else {
            return Self::Unavailable(error);
        };
        // Any server on the way can say 404; only the API server says of what.
        if status.is_not_found() && status.reason == "NotFound" {
            Self::NotFound
        } else if status.is_already_exists() {
            Self::AlreadyExists
        } else if status.is_conflict() {
            Self::Conflict
        } else if status.is_forbidden() {
            Self::Forbidden(error)
        } else if matches!(status.code, 401 | 408 | 429) || status.code >= 500 {
            // A starting API server may know no account yet (401), and a token is renewed by and by.
            Self::Unavailable(error)
        } else {
            Self::Refused(error)
        }
    }
}

/// How calls are made.
pub struct Calls {
    pub metrics: Arc<Metrics>,
    pub deadline: Duration,
    /// None where no other replica could lead.
    pub tenure: Option<Tenure>,
}

impl Calls {
    /// Makes one call.
    pub async fn make<T>(
        &self,
        request: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, CallError> {
        if self
            .tenure
            .as_ref()
            .is_some_and(|tenure| !tenure.is_current())
        {
            return Err(CallError::NotLeading);
        }
        let (result, counted) = match tokio::time::timeout(self.deadline, request).await {
            Ok(Ok(value)) => (Ok(value), CallResult::Success),
            Ok(Err(error)) => (Err(error.into()), CallResult::Failure),
            Err(_) => (Err(CallError::TimedOut(self.deadline)), CallResult::Timeout),
        };
        self.metrics.api_calls(counted);
        result
    }
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    #[test]
    fn what_may_pass_is_told_from_what_is_refused_for_good() {
        for (code, passes) in [
            (400, false),
            (401, true),
            (405, false),
            (408, true),
            (422, false),
            (429, true),
            (500, true),
            (503, true),
        ] {
            let status = Status::failure("no", "Reason").with_code(code);
            let error = CallError::from(kube::Error::Api(Box::new(status)));
            assert_eq!(error.can_pass(), passes, "{code}");
        }
    }
}
