//! What kubectl offers on the Tab key.

use std::os::unix::fs::symlink;

use super::{Caller, Ran, ran};
use crate::support::World;

impl Caller {
    async fn completed(&self, words: &[&str]) -> Ran {
        let mut command = self.installed.kubectl(&self.kubeconfig);
        command.args(["__complete", "freehold"]).args(words);
        ran(command).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_completes_commands_flags_and_objects() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    tenant.state("first", &world.name("first")).await;
    tenant.state("second", &world.name("second")).await;
    let caller = Caller::administrator(&tenant);
    symlink(
        env!("CARGO_BIN_EXE_kubectl-freehold"),
        caller.installed.folder().join("kubectl_complete-freehold"),
    )
    .unwrap();
    let namespace = tenant.namespace.as_str();
    for (words, candidates) in [
        (vec!["re"], vec!["records", "revoke"]),
        (vec!["check"], vec!["check-now"]),
        (
            vec!["explain", "-n", namespace, ""],
            vec!["first", "second"],
        ),
        (vec!["-n", namespace, "explain", "s"], vec!["second"]),
        (vec!["approve", "--dur"], vec!["--duration"]),
        (
            vec!["records", "--output", ""],
            vec!["table", "zone", "message", "json", "yaml"],
        ),
        (vec!["status", "-o", "j"], vec!["json"]),
        (vec!["completion", "fi"], vec!["fish"]),
        (vec!["explain", "--kubeconfig", "/no/such/file", ""], vec![]),
    ] {
        let ran = caller.completed(&words).await;
        assert_eq!(ran.code, Some(0), "{words:?}: {ran:?}");
        let mut lines: Vec<&str> = ran.out.lines().collect();
        assert_eq!(lines.pop(), Some(":4"), "{words:?}: {ran:?}");
        assert_eq!(lines, candidates, "{words:?}");
    }
    for shell in ["bash", "zsh", "fish"] {
        let script = caller
            .installed
            .command("kubectl-freehold", &caller.kubeconfig);
        let mut command = script;
        command.args(["completion", shell]);
        let ran = ran(command).await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(ran.out.contains("check-now"), "{shell}");
    }
}
