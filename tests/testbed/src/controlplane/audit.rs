//! What the API server writes down of its requests.

use std::fs;

use anyhow::{Context, Result};

use super::arguments::Layout;

/// Service accounts alone, and of a request only who asked for what.
const POLICY: &str = "\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
  userGroups: [\"system:serviceaccounts\"]
- level: None
";

pub(super) fn write_policy(layout: &Layout) -> Result<()> {
    fs::write(layout.audit_policy(), POLICY).context("writing the audit policy")
}
