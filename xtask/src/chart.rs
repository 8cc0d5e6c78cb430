//! What the chart has from elsewhere: the CRDs from crds/, its README and the descriptions of its schema from
//! values.yaml.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::cargo;

const CRDS: &str = "crds";
const TEMPLATE: &str = "charts/freehold/templates/crds.yaml";
const VALUES: &str = "charts/freehold/values.yaml";
const README: &str = "charts/freehold/README.md";
const SCHEMA: &str = "charts/freehold/values.schema.json";

/// What stands before the table of values.
const README_HEAD: &str = "\
# Freehold's Helm chart

<!-- Written by cargo xtask chart from values.yaml; edit that. -->

Installs the operator, its CRDs and its RBAC. Requires Kubernetes 1.33 or newer; tested with Helm 4.

```sh
helm install freehold charts/freehold --namespace freehold-system --create-namespace --set image.repository=YOUR/IMAGE
```

| value | default | meaning |
|---|---|---|
";

/// Writes the chart's README, and what its schema says of each value.
pub fn write_described() -> Result<ExitCode> {
    let values = read(VALUES)?;
    let schema = described(&read(SCHEMA)?, &values)?;
    for (path, text) in [(README, readme(&values)?), (SCHEMA, schema)] {
        let path = cargo::root().join(path);
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes the CRDs of crds/ as a template.
pub fn write_crds() -> Result<()> {
    let path = cargo::root().join(TEMPLATE);
    fs::write(&path, crds_template(&definitions()?)?)
        .with_context(|| format!("writing {}", path.display()))
}

pub fn read(path: &str) -> Result<String> {
    let path = cargo::root().join(path);
    fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
}

/// What the files of crds/ say, in the order of their names.
pub fn definitions() -> Result<Vec<String>> {
    let folder = cargo::root().join(CRDS);
    let entries = fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.context("reading crds/")?.file_name();
        names.push(Path::new(CRDS).join(name).display().to_string());
    }
    names.sort();
    names.iter().map(|name| read(name)).collect()
}

fn crds_template(definitions: &[String]) -> Result<String> {
    let mut template =
        String::from("{{- /* Written by cargo xtask crds. */}}\n{{- if .Values.crds.enabled }}\n");
    for definition in definitions {
        ensure!(!definition.contains("{{"), "a CRD reads like a template");
        let Some((head, spec)) = definition.split_once("\nspec:\n") else {
            bail!("a CRD without spec");
        };
        write!(
            template,
            "---\n{head}\n\
             \x20 labels:\n\
             \x20   {{{{- include \"freehold.labels\" . | nindent 4 }}}}\n\
             \x20 {{{{- if .Values.crds.keep }}}}\n\
             \x20 annotations:\n\
             \x20   helm.sh/resource-policy: keep\n\
             \x20   argocd.argoproj.io/sync-options: Prune=false,Delete=false\n\
             \x20 {{{{- end }}}}\n\
             spec:\n{spec}"
        )?;
    }
    template.push_str("{{- end }}\n");
    Ok(template)
}

/// A value that has a comment.
struct Described {
    name: String,
    default: String,
    meaning: String,
}

fn readme(values: &str) -> Result<String> {
    let mut table = README_HEAD.to_owned();
    for value in describe(values)? {
        let shown = if value.default.is_empty() {
            String::new()
        } else {
            format!("`{}`", value.default)
        };
        writeln!(table, "| `{}` | {shown} | {} |", value.name, value.meaning)?;
    }
    Ok(table)
}

fn described(schema: &str, values: &str) -> Result<String> {
    let mut schema: Value = serde_json::from_str(schema).context("reading the schema")?;
    for value in describe(values)? {
        let pointer = format!("/properties/{}", value.name.replace('.', "/properties/"));
        let property = schema.pointer_mut(&pointer).and_then(Value::as_object_mut);
        let property = property.with_context(|| format!("{} is not in the schema", value.name))?;
        property.insert("description".to_owned(), value.meaning.into());
    }
    Ok(serde_json::to_string_pretty(&schema)? + "\n")
}

/// Every value that has a comment; what is below one without keys of its own is its default.
fn describe(values: &str) -> Result<Vec<Described>> {
    let mut all = Vec::new();
    let mut path: Vec<&str> = Vec::new();
    let mut meaning = String::new();
    let mut lines = values.lines().peekable();
    while let Some(line) = lines.next() {
        let text = line.trim_start();
        let depth = (line.len() - text.len()) / 2;
        if let Some(comment) = text.strip_prefix('#') {
            meaning = [meaning.trim_end(), comment.trim()].join(" ");
            continue;
        }
        let Some((key, value)) = text.split_once(':') else {
            ensure!(text.is_empty(), "values.yaml: not understood: {line}");
            meaning.clear();
            continue;
        };
        path.truncate(depth);
        path.push(key);
        let mut default = value.trim().to_owned();
        if default.is_empty() {
            // A list, or labels by any name; what has comments of its own has rows of its own.
            let deeper = |line: &&str| line.starts_with(&"  ".repeat(depth + 1));
            let is_comment = |line: &&str| line.trim_start().starts_with('#');
            let mut below = Vec::new();
            if !meaning.is_empty() && lines.peek().is_some_and(|line| !is_comment(line)) {
                while let Some(line) = lines.next_if(deeper) {
                    below.push(line.trim());
                }
            }
            default = below.join(" ");
        }
        let name = path.join(".");
        if !meaning.is_empty() {
            all.push(Described {
                name,
                default,
                meaning: meaning.trim().to_owned(),
            });
        } else if !default.is_empty() {
            bail!("values.yaml: {name} has no comment");
        }
        meaning.clear();
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_and_the_definitions_are_as_their_sources() {
        assert!(
            read(README).unwrap() == readme(&read(VALUES).unwrap()).unwrap(),
            "{README} is stale; run: cargo xtask chart"
        );
        assert!(
            read(SCHEMA).unwrap()
                == described(&read(SCHEMA).unwrap(), &read(VALUES).unwrap()).unwrap(),
            "{SCHEMA} is stale; run: cargo xtask chart"
        );
        assert!(
            read(TEMPLATE).unwrap() == crds_template(&definitions().unwrap()).unwrap(),
            "{TEMPLATE} is stale; run: cargo xtask crds"
        );
    }

    #[test]
    fn every_value_has_a_row() {
        let table = readme("# One.\none: 1\n\ntwo:\n  # Three,\n  # and more.\n  three: [a]\n  # Four.\n  four:\n    - five\n").unwrap();
        let rows = table.strip_prefix(README_HEAD).unwrap();
        assert_eq!(
            rows,
            "| `one` | `1` | One. |\n| `two.three` | `[a]` | Three, and more. |\n| `two.four` | `- five` | Four. |\n"
        );
        assert!(readme("one: 1\n").is_err());
    }
}
