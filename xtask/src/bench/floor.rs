//! The floor: a plain client that makes the same writes, with no thought in between.

use anyhow::{Context, Result, ensure};
use futures::{StreamExt, TryStreamExt, future, stream};
use jiff::Timestamp;
use kube::Client;
use tokio::sync::mpsc;

use super::calls::{post, put};
use super::fleet::{CONCURRENCY, Domain, IN_AN_ORGANIZATION};
use super::kinds;
use super::same_watches::SameWatches;
use super::sample::{Sample, Target};

const EVENTS_AT_ONCE: usize = 8;

/// Takes each domain from new to verified, beside so many writes of organizations' statuses.
/// Returns when the last write is answered.
pub async fn run(client: &Client, like: &Sample, all: &[Domain], summaries: usize) -> Result<()> {
    let watches = SameWatches::open(client).await?;
    let (events, mut queue) = mpsc::unbounded_channel::<(String, String)>();
    let publishing = stream::poll_fn(move |context| queue.poll_recv(context))
        .map(Ok)
        .try_for_each_concurrent(EVENTS_AT_ONCE, async |(namespace, text)| {
            post(client, &kinds::events(), Some(&namespace), text).await
        });
    let work = stream::iter(all.iter().enumerate().map(Ok));
    let known = &watches.listed;
    let verifying = work.try_for_each_concurrent(CONCURRENCY, move |(number, domain)| {
        let events = events.clone();
        async move {
            let seen = known.get(&domain.key()).context("a domain is missing")?;
            let fill = |text: &str, version: &str| {
                let target = Target {
                    domain,
                    number,
                    uid: seen.uid.as_deref(),
                    version,
                    next_check: Timestamp::now(),
                };
                like.fill(text, &target)
            };
            let kind = kinds::organization_domains();
            let path = (&kind, &*domain.namespace, &*domain.name);
            let version = seen.resource_version.as_deref().unwrap_or_default();
            let version = put(client, path, fill(&like.pending, version)).await?;
            let holding = fill(&like.holding, "");
            post(client, &kinds::verified_domains(), None, holding).await?;
            put(client, path, fill(&like.verified, &version)).await?;
            events.send((domain.namespace.clone(), fill(&like.event, "")))?;
            anyhow::Ok(())
        }
    });
    let summing = async {
        let kind = kinds::organizations();
        let mut known = watches.listed.clone();
        for number in 0..summaries {
            let place = ((number + 1) * all.len()).div_ceil(summaries) - 1;
            let domain = &all[place];
            let key = format!("{}/{}", domain.namespace, domain.organization);
            let seen = known.get_mut(&key).context("an organization is missing")?;
            let target = Target {
                domain,
                number,
                uid: seen.uid.as_deref(),
                version: seen.resource_version.as_deref().unwrap_or_default(),
                next_check: Timestamp::now(),
            };
            // An unchanged status would not be written.
            let counted = format!("\"verified\":{number}");
            let text = like.fill(&like.organization, &target);
            let text = text.replace("\"verified\":1", &counted);
            // As many names as the organization has by then: those of one lie together.
            let own = |one: &&Domain| one.organization == domain.organization;
            let before = &all[place.saturating_sub(IN_AN_ORGANIZATION - 1)..=place];
            let names: Vec<&str> = before.iter().filter(own).map(|one| &*one.stated).collect();
            let one = serde_json::to_string(&[&domain.stated])?;
            ensure!(
                text.contains(&one),
                "the sample's organization has no list of names"
            );
            let text = text.replace(&one, &serde_json::to_string(&names)?);
            let path = (&kind, &*domain.namespace, &*domain.organization);
            seen.resource_version = Some(put(client, path, text).await?);
        }
        anyhow::Ok(())
    };
    future::try_join3(verifying, summing, publishing).await?;
    Ok(())
}
