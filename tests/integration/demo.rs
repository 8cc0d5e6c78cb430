//! The README's first command.

use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;
use tokio::time::{Duration, timeout};

use crate::support::PrivatePlane;

/// The demo's own deadline, and its start and end.
const DEADLINE: Duration = Duration::from_mins(4);

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_ends_by_itself_with_every_domain_verified() {
    let _turn = PrivatePlane::turn().await;
    let freehold = Path::new(env!("CARGO_BIN_EXE_freehold"));
    let xtask = freehold.with_file_name("xtask");
    assert!(xtask.is_file(), "xtask is not built: run cargo xtask test");
    // The demo keeps its files in the target folder; one that a person runs there goes on. Cargo
    // is not called: this very test may run under its lock.
    let target = tempfile::tempdir().unwrap();
    let mut command = Command::new(xtask);
    command
        .args(["demo", "--once"])
        .env("FREEHOLD_BINARY", freehold)
        .env("CARGO_TARGET_DIR", target.path())
        .env("CARGO", "/cargo/is/not/called")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = timeout(DEADLINE, command.output()).await.unwrap().unwrap();
    let (said, error) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert_eq!(output.status.code(), Some(0), "{said}\n{error}");
    for words in [
        "to publish: _freehold-challenge.acme.example TXT \"token=",
        "to publish: _freehold-challenge.xn--mnchen-3ya.example TXT",
        "Pending",
        "Verified",
        "==> Stopping",
    ] {
        assert!(said.contains(words), "{words} in:\n{said}");
    }
}
