//! The README's first command.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};
use std::thread;

use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::{Duration, Instant, timeout};

use crate::documentation::run_by;
use crate::support::{PrivatePlane, eventually, eventually_within, page_at};

/// The demo's own deadline, and its start and end.
const DEADLINE: Duration = Duration::from_mins(4);
const POLL: Duration = Duration::from_millis(100);

/// A command that begins with `cargo xtask`, and the folder of the files that it makes. The demo keeps
/// these in the target folder; one that a person runs there goes on.
fn typed(command: &str) -> (Command, TempDir) {
    let freehold = Path::new(env!("CARGO_BIN_EXE_freehold"));
    let xtask = freehold.with_file_name("xtask");
    assert!(xtask.is_file(), "xtask is not built: run cargo xtask test");
    let target = tempfile::tempdir().unwrap();
    // Cargo is not called: this very test may run under its lock.
    let cargo = target.path().join("cargo");
    let script = format!("#!/bin/sh\nshift\nexec '{}' \"$@\"\n", xtask.display());
    fs::write(&cargo, script).unwrap();
    fs::set_permissions(&cargo, fs::Permissions::from_mode(0o755)).unwrap();
    let path = std::env::var("PATH").unwrap();
    let mut shell = Command::new("sh");
    shell
        .args(["-euc", &format!("exec {command}")])
        .env("PATH", format!("{}:{path}", target.path().display()))
        .env("FREEHOLD_BINARY", freehold)
        .env("CARGO_TARGET_DIR", target.path())
        .env("CARGO", "/cargo/is/not/called")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    (shell, target)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_ends_by_itself_with_every_domain_verified() {
    let [command] = run_by("the_demo_ends_by_itself_with_every_domain_verified") else {
        panic!("one command")
    };
    let _turn = PrivatePlane::turn().await;
    let (mut demo, _target) = typed(command);
    let output = timeout(DEADLINE, demo.output()).await.unwrap().unwrap();
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
        "All 3 domains are Verified.",
        "==> Stopping",
    ] {
        assert!(said.contains(words), "{words} in:\n{said}");
    }
    is_pictured(command, &said);
}

/// What the README's picture shows is what the demo says, in this order; tokens are new every time, and
/// a domain that waits may have been checked already.
fn is_pictured(command: &str, said: &str) {
    let plain = |line: &str| {
        let words = line.split_whitespace().map(|word| match word {
            "RecordAbsent" => "ChallengeIssued",
            _ if word.starts_with("\"token=") => "\"token=...\"",
            _ => word,
        });
        words.collect::<Vec<_>>().join(" ")
    };
    let picture = page_at("docs/demo.svg");
    let texts = picture.lines().filter(|line| line.starts_with("<text"));
    let mut shown = texts.map(|line| {
        let between = line
            .split('<')
            .filter_map(|tag| Some(tag.split_once('>')?.1));
        plain(&between.collect::<String>().replace("&gt;", ">"))
    });
    assert_eq!(shown.next(), Some(format!("$ {command}")));
    let mut lines = said.lines().map(plain);
    let mut found = 0;
    for text in shown {
        assert!(lines.any(|line| line == text), "{text} in:\n{said}");
        found += 1;
    }
    assert!(found > 15, "{found} lines");
}

/// A demo that stays up; one whose test fails ends its own processes too.
struct Demo {
    process: Child,
}

impl Demo {
    /// Ctrl-C, and how it ended, if it did.
    fn interrupt(&mut self) -> Option<ExitStatus> {
        let id = self.process.id().to_string();
        let interrupt = std::process::Command::new("kill")
            .args(["-INT", &id])
            .status();
        assert!(interrupt.unwrap().success());
        let end = Instant::now() + DEADLINE;
        while Instant::now() < end {
            if let Some(status) = self.process.try_wait().unwrap() {
                return Some(status);
            }
            thread::sleep(POLL);
        }
        None
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        if matches!(self.process.try_wait(), Ok(None)) {
            self.interrupt();
        }
    }
}

/// Does what it says is the visitor's turn.
#[tokio::test(flavor = "multi_thread")]
async fn the_demo_stays_up_for_its_visitor_until_ctrl_c() {
    let [command] = run_by("the_demo_stays_up_for_its_visitor_until_ctrl_c") else {
        panic!("one command")
    };
    let _turn = PrivatePlane::turn().await;
    let (mut demo, target) = typed(command);
    let log = target.path().join("said");
    demo.stdout(fs::File::create(&log).unwrap());
    let process = demo.into_std().spawn().unwrap();
    let mut demo = Demo { process };
    let said = || fs::read_to_string(&log).unwrap();
    eventually_within(DEADLINE, "the visitor is asked", async || {
        let said = said();
        said.contains("End with Ctrl-C").then_some(()).ok_or(said)
    })
    .await;
    let turn = said();
    let (_, turn) = turn.split_once("In a second terminal").unwrap();
    let typed = turn.lines().filter_map(|line| line.strip_prefix("    "));
    let script = typed.collect::<Vec<_>>().join("\n");
    assert!(script.contains("kubectl freehold status"), "{script}");
    let output = Command::new("sh").args(["-euc", &script]).output();
    let output = output.await.unwrap();
    assert!(output.status.success(), "{script}\n{output:?}");
    eventually("the visitor's domain is verified", async || {
        let said = said();
        let (_, turn) = said.split_once("==> Your turn").unwrap();
        let own = |line: &str| line.contains(" your-turn.example ") && line.contains(" Verified ");
        turn.lines().any(own).then_some(()).ok_or(said)
    })
    .await;
    let ended = demo.interrupt().unwrap();
    assert_eq!(ended.code(), Some(0), "{}", said());
}
