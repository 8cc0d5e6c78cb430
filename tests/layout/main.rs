//! The layout of `src`: a folder imports only folders above it, and no two files import each other in a
//! circle. `mod` lines, re-exports and tests do not count.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemMod, ItemUse, UseTree, Visibility};

/// Folders of `src`, and what each may import.
const LAYERS: &[(&str, &[&str])] = &[
    ("api", &[]),
    ("model", &["api"]),
    ("dns", &["model"]),
    ("usage", &["model"]),
    ("telemetry", &["api", "model"]),
    ("cluster", &["api", "model", "telemetry"]),
    ("workqueue", &["model", "telemetry", "cluster"]),
    (
        "controller",
        &["api", "model", "dns", "telemetry", "cluster", "workqueue"],
    ),
    ("backup", &["api", "model", "cluster"]),
    ("plugin", &["api", "model", "cluster", "usage"]),
    (
        "cli",
        &[
            "api",
            "model",
            "dns",
            "telemetry",
            "cluster",
            "controller",
            "backup",
            "usage",
        ],
    ),
];

/// A module by its path below the crate; the crate itself is the empty one.
type Module = Vec<String>;

/// Paths that a file names: by `use`, and from the crate's root.
#[derive(Clone, Default)]
struct Imports {
    used: Vec<Module>,
    named: Vec<Module>,
}

impl Imports {
    fn of(source: &str) -> Self {
        let mut imports = Self::default();
        imports.visit_file(&syn::parse_file(source).unwrap());
        imports
    }
}

/// What each file imports, by module.
type Tree = BTreeMap<Module, Imports>;

impl<'ast> Visit<'ast> for Imports {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_of_tests(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        if matches!(item.vis, Visibility::Inherited) {
            spread(&item.tree, Vec::new(), &mut self.used);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments = path.segments.iter();
        let segments: Module = segments.map(|part| part.ident.to_string()).collect();
        if segments[0] == "crate" {
            self.named.push(segments);
        }
        visit::visit_path(self, path);
    }
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Mod(ItemMod { attrs, .. }) | Item::Use(ItemUse { attrs, .. }) => attrs,
        _ => &[],
    }
}

fn is_of_tests(attributes: &[Attribute]) -> bool {
    let mut attributes = attributes.iter();
    attributes.any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute
                .parse_args::<syn::Ident>()
                .is_ok_and(|what| what == "test")
    })
}

/// All paths of one `use`.
fn spread(tree: &UseTree, before: Module, paths: &mut Vec<Module>) {
    let with = |ident: &syn::Ident| {
        let mut path = before.clone();
        path.push(ident.to_string());
        path
    };
    match tree {
        UseTree::Path(path) => spread(&path.tree, with(&path.ident), paths),
        UseTree::Name(name) => paths.push(with(&name.ident)),
        UseTree::Rename(rename) => paths.push(with(&rename.ident)),
        UseTree::Glob(_) => paths.push(before),
        UseTree::Group(group) => {
            for tree in &group.items {
                spread(tree, before.clone(), paths);
            }
        }
    }
}

/// The files of `src`, by module.
fn files(folder: &Path) -> BTreeMap<Module, PathBuf> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap();
            if name == "tests" {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                files.insert(module(path.strip_prefix(folder).unwrap()), path);
            }
        }
    }
    files
}

fn module(file: &Path) -> Module {
    let stem = file.with_extension("");
    let parts = stem.iter().map(|part| part.to_str().unwrap().to_owned());
    let mut module: Module = parts.collect();
    if matches!(&*module[module.len() - 1], "mod" | "lib") {
        module.pop();
    }
    module
}

/// The module that a path leads to, seen from the module that names it; none outside the crate.
fn resolve(path: &[String], from: &[String], known: &BTreeSet<Module>) -> Option<Module> {
    let mut whole = match &*path[0] {
        "crate" => path[1..].to_vec(),
        "self" => [from, &path[1..]].concat(),
        "super" => {
            let up = path.iter().take_while(|part| *part == "super").count();
            [&from[..from.len() - up], &path[up..]].concat()
        }
        // A module of this file by its own name.
        _ => [from, path].concat(),
    };
    while !known.contains(&whole) {
        whole.pop()?;
    }
    Some(whole).filter(|module| module != from)
}

/// What each module imports.
fn graph(tree: &Tree) -> BTreeMap<Module, (BTreeSet<Module>, BTreeSet<String>)> {
    let known: BTreeSet<Module> = tree.keys().cloned().collect();
    let imports = |(module, imports): (&Module, &Imports)| {
        let outside = |path: &&Module| !matches!(&*path[0], "crate" | "self" | "super");
        let is_own = |path: &Module| known.contains(&[module.as_slice(), &path[..1]].concat());
        let used = imports.used.iter();
        let modules = used
            .filter(|path| !outside(path) || is_own(path))
            .filter_map(|path| resolve(path, module, &known))
            .collect();
        let all = imports.used.iter().chain(&imports.named);
        let folders = all
            .filter(|path| path[0] == "crate" && path.len() > 1)
            .map(|path| path[1].clone())
            .collect();
        (module.clone(), (modules, folders))
    };
    tree.iter().map(imports).collect()
}

/// What the layers do not allow.
fn violations(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for (module, (_, folders)) in graph(tree) {
        let Some(own) = module.first() else { continue };
        let layer = LAYERS.iter().find(|(folder, _)| folder == own);
        let Some((_, allowed)) = layer else {
            found.push(format!("{own} is in no layer"));
            continue;
        };
        for folder in folders {
            if folder != *own && !allowed.contains(&&*folder) {
                found.push(format!("{} imports {folder}", module.join("::")));
            }
        }
    }
    found
}

/// Modules that lead back to themselves.
fn circles(tree: &Tree) -> Vec<String> {
    let graph = graph(tree);
    let reached = |from: &Module| {
        let mut reached = BTreeSet::new();
        let mut next = vec![from];
        while let Some(module) = next.pop() {
            for import in &graph[module].0 {
                if reached.insert(import.clone()) {
                    next.push(import);
                }
            }
        }
        reached
    };
    let mut found = Vec::new();
    for module in graph.keys() {
        if reached(module).contains(module) {
            found.push(module.join("::"));
        }
    }
    found
}

fn tree() -> Tree {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = files(&folder).into_iter();
    files
        .filter(|(_, path)| !path.starts_with(folder.join("bin")) && !path.ends_with("main.rs"))
        .map(|(module, path)| (module, Imports::of(&std::fs::read_to_string(path).unwrap())))
        .collect()
}

#[test]
fn a_folder_imports_only_folders_above_it() {
    assert_eq!(violations(&tree()), Vec::<String>::new());
}

#[test]
fn no_two_files_import_each_other_in_a_circle() {
    assert_eq!(circles(&tree()), Vec::<String>::new());
}

/// The real tree with one more line in one file.
fn with(tree: &Tree, module: &[&str], line: &str) -> Tree {
    let mut tree = tree.clone();
    let module: Module = module.iter().map(|part| (*part).to_owned()).collect();
    let Imports { used, named } = Imports::of(line);
    let imports = tree.get_mut(&module).unwrap();
    imports.used.extend(used);
    imports.named.extend(named);
    tree
}

#[test]
fn one_line_against_the_layers_is_found() {
    let real = tree();
    for (module, line) in [
        (["model", "verdict"], "\nuse crate::dns::Gatherer;\n"),
        (
            ["cluster", "client"],
            "\nuse crate::{controller::Config, api};\n",
        ),
        (["plugin", "approve"], "\nfn f() { crate::cli::main(); }\n"),
    ] {
        assert_eq!(violations(&with(&real, &module, line)).len(), 1, "{line}");
    }
    for (module, line) in [
        (["cluster", "error"], "\nuse super::client::Client;\n"),
        (
            ["workqueue", "fair"],
            "\nuse crate::workqueue::queue::Queue as Q;\n",
        ),
    ] {
        assert!(circles(&with(&real, &module, line)).len() > 1, "{line}");
    }
    // Tests and re-exports do not count.
    let line = "\npub use super::client::Client;\n#[cfg(test)]\nmod tests { use crate::cli; }\n";
    let tree = with(&real, &["cluster", "error"], line);
    assert_eq!((violations(&tree), circles(&tree)), (vec![], vec![]));
}
