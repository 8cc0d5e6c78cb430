//! What the tests stand on: a cluster, tenants in it, operators, waits.

mod approval;
mod chart;
mod cluster;
mod definitions;
mod docs;
mod gitops;
mod history;
mod http_proxy;
mod operator;
mod shard;
mod stated;
mod tenant;
mod wait;
mod world;

pub use approval::Approval;
pub use chart::{Account, Chart, IMAGE, Right, chart_folder, helm};
pub use cluster::{Cluster, PrivatePlane, client_of, variable};
pub use definitions::{define, kubectl_takes};
pub use docs::{Installed, Typed, blocks, commands_of, page_at, pages};
pub use gitops::{customization, gitops, health, helm_waits, kstatus, kubectl_finds};
pub use history::History;
pub use http_proxy::{At, HttpProxy};
pub use operator::{OperatorProcess, OperatorSettings, freehold};
pub use shard::{SHARD_KEY, all_but, only, place};
pub use stated::{Stated, condition, holder_of, publish, ready_message, ready_reason, status, uid};
pub use tenant::Tenant;
pub use wait::{DEADLINE, eventually, eventually_within};
pub use world::{World, random_label, round_trip, times};
