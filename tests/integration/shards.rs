//! Several processes share the organization domains by a label; a default one sees to those that no
//! other takes.

use futures::future::join_all;
use kube::api::DeleteParams;

use freehold::api::conditions::RECORD_PRESENT;
use freehold::api::{Organization, OrganizationDomain, State, Strategy};

use crate::support::{
    Approval, History, OperatorProcess, OperatorSettings, SHARD_KEY, Stated, Tenant, World,
    all_but, condition, eventually, only, place, publish, ready_reason, status, uid,
};

const ONE: Option<&str> = Some("one");
const TWO: Option<&str> = Some("two");

/// Shards one and two, and the default one.
async fn three(settings: &OperatorSettings) -> [OperatorProcess; 3] {
    let selectors = [
        only("one"),
        format!("{SHARD_KEY} in (two)"),
        all_but(&["one", "two"]),
    ];
    let starts = selectors.map(|selector| {
        let settings = settings.clone().shard(&selector);
        async move { settings.start().await }
    });
    join_all(starts).await.try_into().ok().unwrap()
}

/// States a domain for a shard.
async fn state_in(tenant: &Tenant, shard: Option<&str>, object: &str, domain: &str) -> Stated {
    let stated = tenant.state(object, domain).await;
    place(&stated.api, object, shard).await.unwrap();
    stated
}

async fn verified_in(world: &World, tenant: &Tenant, shard: Option<&str>, object: &str) -> Stated {
    let domain = state_in(tenant, shard, object, &world.name(object)).await;
    publish(&world.dns, &domain.challenge().await.records[0]);
    domain.request("verify").await;
    domain.until_verified().await;
    domain
}

/// Waits until an operator looks after so many domains in this state.
async fn until_it_has(operator: &OperatorProcess, state: &str, wanted: u64) {
    let what = format!("an operator has {wanted} {state}");
    eventually(&what, async || {
        match operator
            .metric("freehold_organization_domains", state)
            .await
        {
            found if found == wanted => Ok(()),
            found => Err(found),
        }
    })
    .await;
}

async fn reasons_told(domain: &Stated) -> Vec<String> {
    let events = domain.events().await.into_iter();
    let mut reasons: Vec<String> = events.filter_map(|event| event.reason).collect();
    reasons.sort();
    reasons
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_stated_in_several_shards_has_one_holder() {
    let world = World::new().await;
    let tenants = [
        world.tenant().await,
        world.tenant().await,
        world.tenant().await,
    ];
    let [first, second, third] = &tenants;
    let settings = world.operator(&[first, second, third]).every("1s");
    let _operators = three(&settings).await;
    let name = world.name("contested");
    let contenders = [
        state_in(first, ONE, "a", &name).await,
        state_in(second, TWO, "b", &name).await,
        state_in(third, None, "c", &name).await,
    ];
    for contender in &contenders {
        publish(&world.dns, &contender.challenge().await.records[0]);
    }
    let mut left: Vec<&Stated> = contenders.iter().collect();
    // Each time the holder goes, one of the others has the name.
    while !left.is_empty() {
        for contender in &left {
            contender
                .until("is decided", |object| {
                    ["Verified", "HeldByAnother"].contains(&ready_reason(object).as_str())
                })
                .await;
        }
        let holder = eventually("one of them holds the name", async || {
            let holding = world.holding(&name).await.ok_or("nobody")?;
            let holder = holding.spec.holder.uid;
            left.iter().position(|c| c.uid == holder).ok_or("another")
        })
        .await;
        let holder = left.swap_remove(holder);
        holder.until_verified().await;
        for contender in &left {
            contender.until_reason("HeldByAnother").await;
        }
        holder.delete().await;
    }
    world.until_released(&name).await;
    for contender in &contenders {
        let told = reasons_told(contender).await;
        assert!(!told.contains(&"HoldingLost".to_owned()), "{told:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_labelled_for_another_shard_goes_on_where_it_was() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let settings = world
        .operator(&[&tenant])
        .every("1s")
        .with("--orphan-delay", "1s");
    let operators = three(&settings).await;
    let verified = verified_in(&world, &tenant, ONE, "verified").await;
    let pending = state_in(&tenant, ONE, "pending", &world.name("pending")).await;
    let token = pending.challenge().await.token;
    let before = status(&verified.get().await);
    let holding = verified.holding().await.unwrap();
    let history = History::of(tenant.domains()).await;

    let journey = [(TWO, 1), (None, 2), (ONE, 0), (TWO, 1)];
    for (n, (shard, taken_by)) in journey.into_iter().enumerate() {
        for domain in [&verified, &pending] {
            place(&domain.api, &domain.object, shard).await.unwrap();
        }
        // The new shard has both and works on them; the others have none.
        for (at, operator) in operators.iter().enumerate() {
            let here = u64::from(at == taken_by);
            until_it_has(operator, "Verified", here).await;
            until_it_has(operator, "Pending", here).await;
        }
        verified.checked(&format!("v{n}")).await;
        let found = pending.checked(&format!("p{n}")).await;
        assert_eq!(ready_reason(&found), "RecordAbsent");
    }
    publish(&world.dns, &pending.challenge().await.records[0]);
    let proven = pending.until_verified().await;
    assert_eq!(status(&proven).challenge.unwrap().token, token);

    for (_, object) in history.all() {
        let state = status(&object);
        if uid(&object) == verified.uid {
            assert_eq!(state.state, Some(State::Verified));
            assert_eq!(state.challenge, before.challenge);
            assert_eq!(state.verified_time, before.verified_time);
        } else {
            assert_eq!(state.challenge.unwrap().token, token);
        }
    }
    let now = verified.holding().await.unwrap();
    assert_eq!(now.metadata, holding.metadata);
    for domain in [&verified, &pending] {
        domain.until_event("Verified").await;
        let told = reasons_told(domain).await;
        assert_eq!(told, ["Verified"]);
    }
    for operator in operators {
        assert!(operator.terminate().await.success());
    }
}

/// Checks so close that a holder's loss takes seconds.
fn compressed(world: &World, tenant: &Tenant) -> OperatorSettings {
    world
        .operator(&[tenant])
        .every("1s")
        .with("--recheck-period", "2s")
        .with("--max-proof-age", "20s")
        .with("--grace-check-period", "2s")
        .with("--grace", "12s")
        .with("--orphan-delay", "1s")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_that_no_shard_takes_is_checked_by_the_default_one() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let settings = compressed(&world, &tenant);
    let default = settings.clone().shard(&format!("!{SHARD_KEY}"));
    let default = default.start().await;
    let one = settings.shard(&only("one")).start().await;

    // Of a shard that ends, and of one that never was.
    let lost = verified_in(&world, &tenant, ONE, "lost").await;
    let kept = verified_in(&world, &tenant, ONE, "kept").await;
    let hidden = verified_in(&world, &tenant, None, "hidden").await;
    let approved = tenant.state("approved", &world.name("approved")).await;
    let approval = Approval::of(&tenant, "by-hand", "approved", &approved.domain, None).await;
    let by_hand = approved.until_verified().await;
    assert_eq!(status(&by_hand).strategy, Some(Strategy::Manual));
    for domain in [&hidden, &approved] {
        place(&domain.api, &domain.object, Some("nowhere"))
            .await
            .unwrap();
    }
    until_it_has(&default, "Verified", 0).await;
    assert!(one.terminate().await.success());
    let holding = kept.holding().await.unwrap();
    let record = kept.challenge().await.records.remove(0).name;
    for domain in [&lost, &hidden] {
        let record = domain.challenge().await.records.remove(0);
        world.dns.remove(&record.name);
    }
    approval.remove().await;

    for domain in [&lost, &hidden] {
        domain.until_event("RecordAbsent").await;
        domain.until_reason("RecordLost").await;
        world.until_released(&domain.domain).await;
        domain.until_event("RecordLost").await;
        let told = reasons_told(domain).await;
        assert_eq!(told, ["RecordAbsent", "RecordLost", "Verified"]);
    }
    approved.until_reason("ApprovalEnded").await;
    world.until_released(&approved.domain).await;
    // One whose record is there is proved again and again, and counts for nothing here.
    let asked = world.dns.queries_for(&record);
    eventually("it is proved anew", async || {
        if world.dns.queries_for(&record) > asked {
            Ok(())
        } else {
            Err("not yet")
        }
    })
    .await;
    assert_eq!(kept.holding().await.unwrap().metadata, holding.metadata);
    until_it_has(&default, "Verified", 0).await;
    // Deleted, it lets the name go.
    kept.delete().await;
    world.until_released(&kept.domain).await;
    assert!(default.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_shard_than_the_default_one_leaves_the_holders_of_others_alone() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let settings = compressed(&world, &tenant);
    let one = settings.clone().shard(&only("one")).start().await;
    let two = settings.shard(&only("two")).start().await;
    let left = verified_in(&world, &tenant, ONE, "left").await;
    assert!(one.terminate().await.success());
    let record = left.challenge().await.records.remove(0);
    let before = left.get().await.metadata.resource_version;
    world.dns.remove(&record.name);
    let asked = world.dns.queries_for(&record.name);
    // Its own goes through a whole loss meanwhile.
    let own = verified_in(&world, &tenant, TWO, "own").await;
    world
        .dns
        .remove(&own.challenge().await.records.remove(0).name);
    own.until_reason("RecordLost").await;
    assert_eq!(world.dns.queries_for(&record.name), asked);
    assert_eq!(left.get().await.metadata.resource_version, before);
    assert!(left.holding().await.is_some());
    assert!(two.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_in_another_shard_hears_at_once_that_its_record_is_missing() {
    let world = World::new().await;
    let (first, second) = (world.tenant().await, world.tenant().await);
    let settings = world
        .operator(&[&first, &second])
        .every("1s")
        .with("--hand-over-period", "12s")
        .with("--grace-check-period", "2s")
        .with("--grace", "600s");
    // The holder's next check of its own is a day away, and the default shard's duty minutes.
    let _operators = three(&settings).await;
    let seller = verified_in(&world, &first, ONE, "sold").await;
    let buyer = state_in(&second, TWO, "buyer", &seller.domain).await;
    let record = buyer.challenge().await.records[0].clone();
    world.dns.set_txt(&record.name, vec![record.value.clone()]);
    let warned = seller.until_event("RecordMismatch").await;
    assert_eq!(warned.type_.as_deref(), Some("Warning"));
    let in_grace = seller.get().await;
    assert_eq!(status(&in_grace).state, Some(State::Verified));
    let present = condition(&in_grace, RECORD_PRESENT).unwrap();
    assert_eq!(present.status, "False");
    // Its own shard looks closer since.
    publish(&world.dns, &seller.challenge().await.records[0]);
    seller.until_event("RecordFound").await;
    buyer.until_event("HandOverCancelled").await;
    world.dns.set_txt(&record.name, vec![record.value.clone()]);
    buyer.until_verified().await;
    seller.until_reason("HandedOver").await;
    let holding = buyer.holding().await.unwrap();
    assert_eq!(holding.spec.holder.uid, buyer.uid);
}

/// Its versions since the last look.
fn versions<K: kube::Resource>(history: &[(std::time::Instant, K)], name: &str) -> usize {
    let named = |object: &K| object.meta().name.as_deref() == Some(name);
    history.iter().filter(|(_, object)| named(object)).count()
}

async fn until_counted(tenant: &Tenant, organization: &str, names: &[&str]) {
    let what = format!("{organization} lists {names:?}");
    eventually(&what, async || {
        let found = tenant.organizations().get(organization).await.unwrap();
        let summary = found.status.unwrap_or_default();
        let total = summary.counts.unwrap_or_default().total;
        if summary.verified_domains == names && usize::try_from(total) == Ok(names.len()) {
            Ok(())
        } else {
            Err(format!("{total} {:?}", summary.verified_domains))
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_several_shards_see_is_written_by_one() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    tenant.organization("other").await;
    place(&tenant.organizations(), "other", ONE).await.unwrap();
    let settings = world.operator(&[&tenant]).every("1s");
    let _operators = three(&settings).await;
    let (mut acme, mut other) = (Vec::new(), Vec::new());
    for (shard, name) in [(ONE, "in-one"), (TWO, "in-two"), (None, "in-default")] {
        acme.push(verified_in(&world, &tenant, shard, name).await);
        let object = format!("other-{name}");
        let stated = tenant
            .state_for("other", &object, &world.name(&object))
            .await;
        place(&stated.api, &object, shard).await.unwrap();
        publish(&world.dns, &stated.challenge().await.records[0]);
        stated.until_verified().await;
        other.push(stated);
    }
    // Approvals of objects in each shard, and of none.
    let mut approvals = Vec::new();
    for name in ["in-one", "in-two", "in-default", "missing"] {
        approvals.push(Approval::of(&tenant, name, name, &world.name(name), None).await);
    }
    for (approval, reason) in
        approvals
            .iter()
            .zip(["Approved", "Approved", "Approved", "TargetMissing"])
    {
        approval.until_reason(reason).await;
    }
    // Each is summed up by the shard of its own label, from that shard's domains.
    until_counted(&tenant, "acme", &[&acme[2].domain]).await;
    until_counted(&tenant, "other", &[&other[0].domain]).await;

    let organizations = History::<Organization>::of(tenant.organizations()).await;
    let approvals = History::of(approvals_of(&tenant)).await;
    let domains = History::<OrganizationDomain>::of(tenant.domains()).await;
    let count = || {
        [
            versions(&organizations.all(), "acme"),
            versions(&organizations.all(), "other"),
            approvals.all().len(),
        ]
    };
    assert_eq!(count(), [1, 1, 4]);
    // Changes in every shard, over longer than a summary rests between two writes.
    let start = std::time::Instant::now();
    let mut rounds = 0;
    while rounds < 5 || start.elapsed().as_secs() < 4 {
        rounds += 1;
        for domain in acme.iter().chain(&other) {
            domain.checked(&format!("round-{rounds}")).await;
        }
    }
    assert!(domains.all().len() >= 6 * rounds);
    assert_eq!(count(), [1, 1, 4], "after {rounds} rounds");

    // What comes to the shard that sums up is counted there.
    place(&acme[0].api, "in-one", None).await.unwrap();
    place(&acme[1].api, "in-two", None).await.unwrap();
    let mut names: Vec<&str> = acme.iter().map(|domain| domain.domain.as_str()).collect();
    names.sort_unstable();
    until_counted(&tenant, "acme", &names).await;
    // And with its label the whole summary moves.
    place(&tenant.organizations(), "other", TWO).await.unwrap();
    until_counted(&tenant, "other", &[&other[1].domain]).await;
    tenant
        .domains()
        .delete("in-two", &DeleteParams::default())
        .await
        .unwrap();
    names.retain(|name| *name != acme[1].domain);
    until_counted(&tenant, "acme", &names).await;
}

fn approvals_of(tenant: &Tenant) -> kube::Api<freehold::api::DomainApproval> {
    kube::Api::namespaced(tenant.client.clone(), &tenant.namespace)
}
