//! A layout's servers as BIND, NSD, Knot DNS and PowerDNS.

use freehold_testbed::nameservers::{Software, substitute};
use freehold_testbed::{Packages, Process, Tree};
use futures::future::join_all;
use tempfile::TempDir;

use super::dice::Dice;
use super::layout::{Layout, Life};

/// Programs, which end before their files do.
pub struct Serving {
    _programs: Vec<Process>,
    _folder: TempDir,
}

/// Starts a program for each living server of the layout, with its zones as they are now. The
/// servers of the tree give them their questions.
pub async fn serve(packages: &Packages, tree: &Tree, layout: &Layout) -> Serving {
    let folder = tempfile::tempdir().unwrap();
    let mut dice = Dice::new(layout.seed);
    let alive = layout
        .hosts
        .iter()
        .filter(|(_, host)| host.life == Life::Alive);
    let programs = alive.map(|(host, _)| {
        let software = *dice.pick(&Software::ALL);
        substitute(packages, software, tree, host, folder.path())
    });
    let started = join_all(programs).await;
    Serving {
        _programs: started
            .into_iter()
            .map(|program| program.unwrap())
            .collect(),
        _folder: folder,
    }
}
