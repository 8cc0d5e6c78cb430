//! The commands of a documentation page, as a shell runs them.

use std::env;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tokio::process::Command;

use super::cluster::variable;

/// The blocks of shell commands of a page in docs/, in their order.
pub fn commands_of(page: &str) -> Vec<String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("docs")
        .join(page);
    let text = fs::read_to_string(file).unwrap();
    blocks(&text, "sh")
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
        ] {
            symlink(program, folder.path().join(name)).unwrap();
        }
        Self { folder }
    }

    pub fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// A command that finds them.
    pub fn command(&self, program: &str, kubeconfig: &Path) -> Command {
        let own = self.folder.path().display();
        let mut command = Command::new(program);
        command
            .env("PATH", format!("{own}:{}", env::var("PATH").unwrap()))
            .env("KUBECONFIG", kubeconfig)
            .env("KUBECACHEDIR", self.folder.path().join("cache"))
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
        command.args(["-eu", "-c", script]);
        command
    }
}
