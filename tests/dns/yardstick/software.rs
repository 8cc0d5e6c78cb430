//! A layout's servers as BIND, NSD, Knot DNS and `PowerDNS`.

use freehold_testbed::nameservers::{Software, substitute};
use freehold_testbed::tree::Style;
use freehold_testbed::{Packages, Process, Tree};
use futures::future::join_all;
use tempfile::TempDir;

use super::dice::Dice;
use super::layout::{Layout, Life};

/// Gives each living server of the layout a program.
pub fn assign(layout: &mut Layout) {
    let mut dice = Dice::new(layout.seed);
    for host in layout.hosts.values_mut() {
        // No current program has the other oddities.
        host.style = Style {
            sections: host.style.sections,
            ..Style::default()
        };
        let program = *dice.pick(&Software::ALL);
        host.program = (host.life == Life::Alive).then_some(program);
    }
}

/// Programs, which end before their files do.
pub struct Serving {
    _programs: Vec<Process>,
    _folder: TempDir,
}

/// Starts the layout's programs, with their zones as they are now. The servers of the tree give them their questions.
pub async fn serve(packages: &Packages, tree: &Tree, layout: &Layout) -> Serving {
    let folder = tempfile::tempdir().unwrap();
    let programs = layout.hosts.iter().filter_map(|(name, host)| {
        let program = host.program?;
        Some(substitute(packages, program, tree, name, folder.path()))
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
