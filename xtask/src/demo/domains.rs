//! The organization domains as the cluster shows them, and as a table.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::parts::Parts;

#[derive(Clone, PartialEq)]
pub struct Record {
    name: String,
    value: String,
}

#[derive(Clone, PartialEq)]
pub struct OrganizationDomain {
    namespace: String,
    name: String,
    organization: String,
    pub domain: String,
    state: Option<String>,
    reason: Option<String>,
    message: Option<String>,
    record: Option<Record>,
}

/// Reads all organization domains.
pub async fn read(parts: &Parts) -> Result<Vec<OrganizationDomain>> {
    let list = ["get", "organizationdomains", "--all-namespaces", "-o=json"];
    let text = parts.kubectl(&list).await?;
    let list: Value = serde_json::from_str(&text).context("reading kubectl's answer")?;
    let items = list["items"].as_array().context("kubectl gave no list")?;
    Ok(items.iter().map(OrganizationDomain::from_json).collect())
}

impl OrganizationDomain {
    fn from_json(object: &Value) -> Self {
        let text = |pointer: &str| Some(object.pointer(pointer)?.as_str()?.to_owned());
        let verified = object
            .pointer("/status/conditions")
            .and_then(Value::as_array)
            .and_then(|conditions| conditions.iter().find(|c| c["type"] == "Verified"));
        let of_verified = |field: &str| Some(verified?[field].as_str()?.to_owned());
        let record = text("/status/challenge/records/0/name")
            .zip(text("/status/challenge/records/0/value"))
            .map(|(name, value)| Record { name, value });
        Self {
            namespace: text("/metadata/namespace").unwrap_or_default(),
            name: text("/metadata/name").unwrap_or_default(),
            organization: text("/spec/organizationRef/name").unwrap_or_default(),
            domain: text("/spec/domain").unwrap_or_default(),
            state: text("/status/state"),
            reason: of_verified("reason"),
            message: of_verified("message"),
            record,
        }
    }

    pub fn is_verified(&self) -> bool {
        self.state.as_deref() == Some("Verified")
    }

    pub fn has_failed(&self) -> bool {
        self.state.as_deref() == Some("Failed")
    }

    /// A verified domain needs none.
    pub fn has_challenge(&self) -> bool {
        self.record.is_some() || self.is_verified()
    }

    pub fn why(&self) -> String {
        format!(
            "{}/{} ({}): {}",
            self.namespace,
            self.name,
            self.state.as_deref().unwrap_or("no state"),
            self.message.as_deref().unwrap_or("no Verified condition")
        )
    }

    /// The record as a line of a zone file.
    pub fn zone_line(&self) -> Result<String> {
        let record = self
            .record
            .as_ref()
            .with_context(|| format!("{} has no challenge", self.name))?;
        let value = record.value.replace('\\', "\\\\").replace('"', "\\\"");
        let name = record.name.trim_end_matches('.');
        Ok(format!("{name}. 60 IN TXT \"{value}\""))
    }

    /// The same organization's statement of another domain.
    pub fn sibling(&self, domain: &str) -> Value {
        json!({
            "apiVersion": "freehold.dev/v1alpha1",
            "kind": "OrganizationDomain",
            "metadata": {
                "namespace": self.namespace,
                "name": domain.replace('.', "-"),
            },
            "spec": {
                "organizationRef": { "name": self.organization },
                "domain": domain,
            },
        })
    }

    fn row(&self) -> [String; 4] {
        let or_dash = |text: &Option<String>| text.as_deref().unwrap_or("-").to_owned();
        [
            format!("{}/{}", self.namespace, self.name),
            self.domain.clone(),
            or_dash(&self.state),
            or_dash(&self.reason),
        ]
    }
}

/// Prints the domains whenever they changed.
#[derive(Default)]
pub struct View {
    shown: Vec<OrganizationDomain>,
}

impl View {
    pub fn show(&mut self, domains: &[OrganizationDomain]) {
        if self.shown != domains {
            println!("{}", table(domains));
            self.shown = domains.to_vec();
        }
    }
}

fn table(domains: &[OrganizationDomain]) -> String {
    let heading = ["NAME", "DOMAIN", "STATE", "REASON"].map(str::to_owned);
    let rows: Vec<[String; 4]> = domains.iter().map(OrganizationDomain::row).collect();
    let mut widths = [0; 4];
    for row in rows.iter().chain([&heading]) {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |row: &[String; 4]| {
        let cells: Vec<String> = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        format!("  {}", cells.join("  ").trim_end())
    };
    let mut lines = vec![String::new(), line(&heading)];
    for (domain, row) in domains.iter().zip(&rows) {
        lines.push(line(row));
        if let Some(record) = domain.record.as_ref().filter(|_| !domain.is_verified()) {
            let Record { name, value } = record;
            lines.push(format!("    to publish: {name} TXT \"{value}\""));
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domain(state: &str) -> OrganizationDomain {
        OrganizationDomain::from_json(&json!({
            "metadata": { "namespace": "acme", "name": "main" },
            "spec": { "organizationRef": { "name": "acme" }, "domain": "acme.example" },
            "status": {
                "state": state,
                "challenge": { "records": [
                    { "name": "_freehold-challenge.acme.example", "type": "TXT", "value": "token=a" },
                    { "name": "acme.example", "type": "TXT", "value": "b" },
                ] },
                "conditions": [
                    { "type": "Ready", "reason": "Other" },
                    { "type": "Verified", "reason": "RecordNotFound", "message": "publish it" },
                ],
            },
        }))
    }

    #[test]
    fn the_table_shows_the_record_until_it_is_proven() {
        assert_eq!(
            table(&[domain("Pending")]),
            "\n  NAME       DOMAIN        STATE    REASON\n  \
             acme/main  acme.example  Pending  RecordNotFound\n    \
             to publish: _freehold-challenge.acme.example TXT \"token=a\""
        );
        assert!(!table(&[domain("Verified")]).contains("publish"));
    }

    #[test]
    fn a_record_becomes_a_line_of_the_zone_file() {
        let line = domain("Pending").zone_line().unwrap();
        assert_eq!(
            line,
            "_freehold-challenge.acme.example. 60 IN TXT \"token=a\""
        );
    }

    #[test]
    fn a_domain_without_a_status_has_nothing_yet() {
        let new = OrganizationDomain::from_json(&json!({ "spec": { "domain": "acme.example" } }));
        assert!(!new.has_challenge() && !new.is_verified() && !new.has_failed());
    }
}
