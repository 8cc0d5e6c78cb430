//! The reference of the API, written from the CRDs in crds/.

use std::fmt::Write;
use std::fs;
use std::process::ExitCode;

use anyhow::{Context, Result};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray,
};

use crate::cargo;
use crate::chart::definitions;

const REFERENCE: &str = "docs/api.md";

const HEAD: &str = "\
# API reference

<!-- Written by cargo xtask crds from crds/; edit the types in src/api. -->

Everything is in the group `freehold.dev`. Nobody but the operator writes a `status`, or a VerifiedDomain.
";

/// Writes the reference.
pub fn write() -> Result<ExitCode> {
    let path = cargo::root().join(REFERENCE);
    fs::write(&path, reference()?).with_context(|| format!("writing {}", path.display()))?;
    Ok(ExitCode::SUCCESS)
}

fn reference() -> Result<String> {
    let mut page = HEAD.to_owned();
    for definition in definitions()? {
        let definition: CustomResourceDefinition =
            serde_yaml::from_str(&definition).context("reading crds/")?;
        kind(&mut page, &definition)?;
    }
    Ok(page)
}

fn kind(page: &mut String, definition: &CustomResourceDefinition) -> Result<()> {
    let spec = &definition.spec;
    for version in &spec.versions {
        let schema = version.schema.as_ref();
        let schema = schema.and_then(|schema| schema.open_api_v3_schema.as_ref());
        let schema = schema.context("a version without schema")?;
        writeln!(page, "\n## {}\n", spec.names.kind)?;
        let scope = match spec.scope.as_str() {
            "Namespaced" => "in a namespace",
            _ => "of the cluster",
        };
        let short = spec.names.short_names.iter().flatten();
        let short: Vec<String> = short.map(|name| format!(", `{name}`")).collect();
        writeln!(
            page,
            "`{}/{}`, {scope}; `{}`{}. {}\n",
            spec.group,
            version.name,
            spec.names.plural,
            short.concat(),
            one_line(schema)
        )?;
        writeln!(page, "| field | type | meaning |\n|---|---|---|")?;
        for part in ["spec", "status"] {
            let fields = schema.properties.as_ref();
            if let Some(fields) = fields.and_then(|fields| fields.get(part)) {
                rows(page, part, fields)?;
            }
        }
    }
    Ok(())
}

/// A row for each field below one.
fn rows(page: &mut String, path: &str, schema: &JSONSchemaProps) -> Result<()> {
    let required = schema.required.as_deref().unwrap_or_default();
    for (name, field) in schema.properties.iter().flatten() {
        let path = format!("{path}.{name}");
        let mut meaning = one_line(field);
        if required.contains(name) {
            meaning.insert_str(0, "Required. ");
        }
        let rules = field.x_kubernetes_validations.iter().flatten();
        for message in rules.filter_map(|rule| rule.message.as_deref()) {
            write!(meaning, " Refused otherwise: {message}.")?;
        }
        let (type_of, below) = type_of(field);
        writeln!(page, "| `{path}` | {type_of} | {} |", meaning.trim())?;
        if let Some(below) = below {
            rows(page, &path, below)?;
        }
    }
    Ok(())
}

/// How a type is told, and where its own fields are.
fn type_of(schema: &JSONSchemaProps) -> (String, Option<&JSONSchemaProps>) {
    if let Some(values) = &schema.enum_ {
        let values: Vec<String> = values
            .iter()
            .map(|value| format!("`{}`", value.0))
            .collect();
        return (values.join(", ").replace('"', ""), None);
    }
    let name = schema.type_.as_deref().unwrap_or("any");
    match (name, &schema.items) {
        ("array", Some(JSONSchemaPropsOrArray::Schema(item))) => {
            let (of, below) = type_of(item);
            (format!("list of {of}"), below)
        }
        ("object", _) => ("object".to_owned(), Some(schema)),
        (name, _) => match &schema.format {
            Some(format) if format == "date-time" => ("time".to_owned(), None),
            _ => (name.to_owned(), None),
        },
    }
}

/// A table's cell has one line.
fn one_line(schema: &JSONSchemaProps) -> String {
    let text = schema.description.as_deref().unwrap_or_default();
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::read;

    #[test]
    fn the_reference_is_as_the_definitions() {
        assert!(
            read(REFERENCE).unwrap() == reference().unwrap(),
            "{REFERENCE} is stale; run: cargo xtask crds"
        );
    }

    #[test]
    fn every_field_has_a_meaning() {
        let page = reference().unwrap();
        let rows = page.lines().filter(|line| line.starts_with("| `"));
        let silent: Vec<&str> = rows.filter(|row| row.ends_with("|  |")).collect();
        assert!(silent.is_empty(), "{silent:#?}");
    }
}
