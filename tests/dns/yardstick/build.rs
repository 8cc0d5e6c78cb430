//! Layouts as part of a running tree.

use freehold_testbed::Tree;
use freehold_testbed::tree::{Behaviour, Builder, Ds};

use super::layout::{Layout, Life, Signing};
use super::tops;

/// A tree with all the layouts, without their records.
pub async fn tree(layouts: &[Layout], more: impl FnOnce(Builder) -> Builder) -> Tree {
    let builder = layouts.iter().fold(tops::builder(), add);
    let tree = more(builder).start().await.unwrap();
    tops::set_styles(&tree);
    for layout in layouts {
        for (name, host) in &layout.hosts {
            let server = tree.server(name);
            server.set_style(host.style);
            if host.life == Life::Silent {
                server.set_behaviour(Behaviour::Silent);
            }
        }
        if let Some((zone, owner)) = &layout.wildcard {
            tree.zone(zone).set_txt(owner, &["v=spf1 -all"]);
        }
        for alias in &layout.aliases {
            let zone = tree.zone(&alias.zone);
            if alias.dname {
                zone.set_dname(&alias.owner, &alias.target);
            } else {
                zone.set_cname(&alias.owner, &alias.target);
            }
        }
    }
    tree
}

fn add(mut builder: Builder, layout: &Layout) -> Builder {
    for zone in &layout.zones {
        let hosts: Vec<&str> = zone.hosts.iter().map(String::as_str).collect();
        builder = builder.zone(&zone.origin).served_by(&hosts);
        builder = match zone.signing {
            Signing::Unsigned => builder,
            Signing::Nsec => builder.signed(),
            Signing::Nsec3 => builder.signed_with_nsec3(0),
            Signing::OptOut => builder.signed_with_opt_out(),
            Signing::Island => builder.signed().ds(Ds::Missing),
        };
    }
    let closed = layout
        .hosts
        .iter()
        .filter(|(_, host)| host.life == Life::Closed);
    closed.fold(builder, |builder, (name, _)| builder.external(name))
}
