//! The commands of the documentation, as a shell runs them.

use std::env;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Output;

use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::timeout;

use super::chart::{IMAGE, helm_folders};
use super::cluster::variable;
use super::wait::DEADLINE;

/// What a command begins with; other code in a sentence is no command.
const PROGRAMS: [&str; 6] = ["cargo", "freehold", "gh", "helm", "kubectl", "skopeo"];

/// The blocks of shell commands of a page in docs/, in their order.
pub fn commands_of(page: &str) -> Vec<String> {
    blocks(&page_at(&format!("docs/{page}")), "sh")
}

/// The text of a page by its path in the repository.
pub fn page_at(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The paths of all pages.
pub fn pages() -> Vec<String> {
    let mut pages = Vec::new();
    for folder in ["", "docs", "docs/development", "charts/freehold"] {
        let entries = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let of_pages = names.filter(|name| Path::new(name).extension().is_some_and(|e| e == "md"));
        pages.extend(of_pages.map(|name| match folder {
            "" => name,
            folder => format!("{folder}/{name}"),
        }));
    }
    pages
}

/// What a page says is to be typed.
#[derive(Default)]
pub struct Typed {
    /// In blocks of their own.
    pub blocks: Vec<String>,
    /// In a sentence or a table.
    pub sentences: Vec<String>,
}

impl Typed {
    /// # Panics
    /// At a block of a language that nobody has said is no shell's.
    pub fn of(text: &str) -> Self {
        let mut typed = Self::default();
        for (number, part) in text.split("\n```").enumerate() {
            let (first, rest) = part.split_once('\n').unwrap_or((part, ""));
            match first {
                // What follows the end of a block.
                _ if number % 2 == 0 => typed.sentences.extend(in_sentences(part)),
                "sh" => typed.blocks.extend(in_block(rest)),
                "console" => typed.blocks.extend(in_session(rest)),
                "yaml" | "mermaid" => {}
                language => panic!("is a block of `{language}` a shell's?"),
            }
        }
        typed
    }
}

/// A command a line, but for lines that end with a backslash; without remarks.
fn in_block(block: &str) -> Vec<String> {
    let block = block.replace("\\\n", " ");
    let lines = block.lines().map(|line| {
        let command = line.split("  # ").next().unwrap();
        command.split_whitespace().collect::<Vec<_>>().join(" ")
    });
    lines.filter(|line| !line.is_empty()).collect()
}

fn in_session(block: &str) -> Vec<String> {
    let typed = block.lines().filter_map(|line| line.strip_prefix("$ "));
    typed.map(str::to_owned).collect()
}

fn in_sentences(text: &str) -> Vec<String> {
    let code = text.split('`').skip(1).step_by(2);
    code.map(|code| code.replace('\n', " "))
        .filter(|code| {
            let program = code.split_once(' ').map(|(program, _)| program);
            program.is_some_and(|program| PROGRAMS.contains(&program))
        })
        .collect()
}

/// The blocks of a language.
pub fn blocks(text: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    text.split(&fence)
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap().to_owned())
        .collect()
}

/// The programs as an installation has them on the PATH.
pub struct Installed {
    folder: TempDir,
}

impl Installed {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, program) in [
            ("freehold", env!("CARGO_BIN_EXE_freehold").to_owned()),
            (
                "kubectl-freehold",
                env!("CARGO_BIN_EXE_kubectl-freehold").to_owned(),
            ),
            ("kubectl", variable("FREEHOLD_TEST_KUBECTL")),
            ("helm", variable("FREEHOLD_TEST_HELM")),
        ] {
            symlink(program, folder.path().join(name)).unwrap();
        }
        Self { folder }
    }

    pub fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// The PATH with them before all others.
    pub fn path(&self) -> String {
        let own = self.folder.path().display();
        format!("{own}:{}", env::var("PATH").unwrap())
    }

    /// A command that finds them.
    pub fn command(&self, program: &str, kubeconfig: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env("PATH", self.path())
            .env("KUBECONFIG", kubeconfig)
            .env("KUBECACHEDIR", self.folder.path().join("cache"))
            .envs(helm_folders())
            .kill_on_drop(true);
        command
    }

    pub fn kubectl(&self, kubeconfig: &Path) -> Command {
        let kubectl = self.folder.path().join("kubectl");
        self.command(kubectl.to_str().unwrap(), kubeconfig)
    }

    /// A block of commands of which each must succeed.
    pub fn shell(&self, script: &str, kubeconfig: &Path) -> Command {
        let mut command = self.command("sh", kubeconfig);
        command.args(["-eu", "-c", &script.replace("YOUR/IMAGE", IMAGE)]);
        command
    }

    /// Runs a script in the repository's folder; what it says, which must be a success.
    pub async fn told(&self, script: &str, kubeconfig: &Path) -> String {
        let output = self.done(script, kubeconfig, &[]).await;
        assert!(output.status.success(), "{script}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// How a script ended that finds these in its environment.
    pub async fn done(
        &self,
        script: &str,
        kubeconfig: &Path,
        environment: &[(&str, &str)],
    ) -> Output {
        let mut command = self.shell(script, kubeconfig);
        command
            .envs(environment.iter().copied())
            .current_dir(env!("CARGO_MANIFEST_DIR"));
        let output = timeout(DEADLINE * 2, command.output());
        output.await.expect(script).unwrap()
    }
}
