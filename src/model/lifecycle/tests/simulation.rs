//! Four hundred days of a small world, whatever happens in it.

use proptest::prelude::*;
use proptest::strategy::Strategy;

use super::world::{Edit, Event, Health, Kind, World};
use super::*;

const LENGTH: i64 = 400 * 24 * 3600;

fn any_event() -> impl Strategy<Value = Event> {
    let n = || 0..2_usize;
    let kind = prop::sample::select(vec![
        Kind::Objects,
        Kind::Holding,
        Kind::Organizations,
        Kind::Namespaces,
        Kind::Approvals,
    ]);
    let edit = prop_oneof![
        Just(Edit::Strategy),
        Just(Edit::TokenHash),
        n().prop_map(Edit::Holder)
    ];
    let from_dns = prop_oneof![
        12 => n().prop_map(Event::Publish),
        2 => n().prop_map(Event::PublishOld),
        4 => n().prop_map(Event::Withdraw),
        2 => n().prop_map(Event::Unpublish),
        5 => Just(Event::Dns(Health::Fine)),
        2 => Just(Event::Dns(Health::Partial)),
        2 => Just(Event::Dns(Health::Outage)),
    ];
    let from_platform = prop_oneof![
        3 => (n(), prop::bool::weighted(0.6)).prop_map(|(n, exists)| Event::Organization(n, exists)),
        2 => (n(), any::<bool>()).prop_map(|(n, suspended)| Event::Suspend(n, suspended)),
        2 => (n(), prop::option::of(1_i64..2000)).prop_map(|(n, end)| Event::Approve(n, end)),
        3 => n().prop_map(Event::Disapprove),
        6 => n().prop_map(Event::Request),
        2 => n().prop_map(Event::Create),
        1 => n().prop_map(Event::Delete),
        1 => n().prop_map(Event::Terminate),
    ];
    let from_accidents = prop_oneof![
        1 => n().prop_map(Event::LoseStatus),
        2 => n().prop_map(Event::BackUp),
        1 => n().prop_map(Event::RestoreStatus),
        1 => n().prop_map(Event::RestoreObject),
        1 => Just(Event::RemoveHolding),
        1 => edit.prop_map(Event::EditHolding),
        2 => (-1_i64..=1).prop_map(Event::Clock),
        2 => Just(Event::Restart),
        2 => (0_u32..3).prop_map(Event::Crash),
        2 => kind.prop_map(Event::Hear),
        3 => n().prop_map(Event::Act),
    ];
    prop_oneof![3 => from_dns, 2 => from_platform, 2 => from_accidents]
}

/// Events, and the seconds that pass before each.
type History = Vec<(i64, Event)>;

fn any_history() -> impl Strategy<Value = History> {
    let pause = prop_oneof![
        2 => 0..120_i64,
        2 => 0..4 * 3600_i64,
        3 => 0..3 * 24 * 3600_i64,
        2 => 0..40 * 24 * 3600_i64,
    ];
    prop::collection::vec((pause, any_event()), 0..60)
}

/// Lives for four hundred days and, where the last one has it that way, to a good end.
fn live(history: &[(i64, Event)], winner: usize) -> World {
    let mut world = World::new();
    let mut left = LENGTH;
    for &(pause, event) in history {
        let pause = pause.min(left);
        left -= pause;
        world.run_for(seconds(pause));
        world.happen(event);
        world.settle();
    }
    world.run_for(seconds(left));
    world.recover(winner);
    world
}

/// A few, or as many as `PROPTEST_CASES` says.
fn few() -> ProptestConfig {
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => ProptestConfig::default(),
        None => ProptestConfig::with_cases(8),
    }
}

proptest! {
    #![proptest_config(few())]

    #[test]
    fn two_organizations_live_with_one_name(history in any_history(), winner in 0..2_usize) {
        live(&history, winner);
    }
}

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

#[test]
fn a_faithful_holder_keeps_its_name_through_outages_and_restarts() {
    let mut history = vec![(60, Event::Publish(0)), (60, Event::Publish(1))];
    for n in 1..100 {
        let health = [Health::Fine, Health::Outage, Health::Partial][n % 3];
        history.push((DAY, Event::Dns(health)));
        history.push((HOUR, Event::Restart));
        history.push((HOUR, Event::Request(n % 2)));
        history.push((HOUR, Event::Act(1 - n % 2)));
    }
    let mut world = World::new();
    for (pause, event) in history {
        world.run_for(seconds(pause));
        world.happen(event);
        world.settle();
        assert_eq!(world.api.holder().unwrap_or(0), 0);
    }
    assert!(world.watcher.keeps);
}

#[test]
fn neither_contention_nor_weeks_of_outage_take_a_name() {
    let mut world = World::new();
    for (pause, event) in [
        (60, Event::Publish(0)),
        (DAY, Event::Publish(1)),
        (10 * DAY, Event::Dns(Health::Outage)),
        (25 * DAY, Event::Restart),
    ] {
        world.run_for(seconds(pause));
        world.happen(event);
    }
    world.settle();
    assert_eq!(world.api.holder(), Some(0));
    assert!(world.watcher.keeps);
}

#[test]
fn a_suspended_holder_can_be_approved_or_lose_its_status() {
    for event in [Event::Approve(0, None), Event::LoseStatus(0)] {
        let history = [
            (60, Event::Publish(0)),
            (HOUR, Event::Suspend(0, true)),
            (DAY, event),
        ];
        live(&history, 0);
    }
}

#[test]
fn a_request_as_the_window_ends_is_handled() {
    let history = [
        (985_845, Event::Request(0)),
        (0, Event::Organization(0, true)),
        (1_606_155, Event::Request(0)),
    ];
    live(&history, 0);
}

/// A way to a state and reason of the first organization domain.
type Way = (History, State, Reason);

fn verified() -> History {
    vec![(60, Event::Publish(0)), (HOUR, Event::Restart)]
}

fn held_by_the_other() -> History {
    vec![
        (60, Event::Publish(1)),
        (HOUR, Event::Publish(0)),
        (HOUR, Event::Restart),
    ]
}

fn then(mut before: History, more: &[(i64, Event)]) -> History {
    before.extend(more);
    before
}

fn ways_to_pending() -> Vec<Way> {
    use Event::{
        Approve, Disapprove, Dns, Organization, Publish, PublishOld, RemoveHolding, Request,
        Restart, Suspend, Terminate, Unpublish,
    };
    let outage = Dns(Health::Outage);
    let old = [
        (DAY, Unpublish(0)),
        (10 * DAY, Request(0)),
        (9, PublishOld(0)),
        (HOUR, Restart),
    ];
    let partial = vec![
        (0, Dns(Health::Partial)),
        (60, Publish(0)),
        (60, Request(0)),
    ];
    let approved = vec![(0, outage), (0, Approve(0, None)), (DAY, Disapprove(0))];
    let removed = then(verified(), &[(0, outage), (0, RemoveHolding)]);
    [
        (vec![], Reason::ChallengeIssued),
        (vec![(HOUR, Restart)], Reason::RecordAbsent),
        (then(verified(), &old), Reason::RecordMismatch),
        (
            vec![(0, outage), (HOUR, Request(0))],
            Reason::CheckInconclusive,
        ),
        (partial, Reason::EvidenceIncomplete),
        (held_by_the_other(), Reason::HeldByAnother),
        (
            vec![(0, Organization(0, false))],
            Reason::OrganizationMissing,
        ),
        (vec![(0, Suspend(0, true))], Reason::NamespaceSuspended),
        (vec![(0, Terminate(0))], Reason::Deleting),
        (removed, Reason::CheckInconclusive),
        (approved, Reason::CheckInconclusive),
    ]
    .map(|(way, reason)| (way, State::Pending, reason))
    .into()
}

fn ways_to_verified() -> Vec<Way> {
    use Event::{Approve, Dns, Organization, Request};
    let stale = [(0, Dns(Health::Outage)), (40 * DAY, Request(0))];
    let alone = [(0, Organization(0, false))];
    [
        (verified(), Reason::Verified),
        (vec![(DAY, Approve(0, None))], Reason::Approved),
        (then(verified(), &stale), Reason::ProofStale),
        (then(verified(), &alone), Reason::OrganizationMissing),
    ]
    .map(|(way, reason)| (way, State::Verified, reason))
    .into()
}

fn ways_to_failed() -> Vec<Way> {
    use Event::{Publish, Restart, Unpublish, Withdraw};
    let month = [(31 * DAY, Restart)];
    let lost = [(DAY, Unpublish(0)), (10 * DAY, Restart)];
    let passed = [(DAY, Publish(1)), (HOUR, Withdraw(0)), (4 * DAY, Restart)];
    [
        (month.to_vec(), Reason::WindowExpired),
        (then(held_by_the_other(), &month), Reason::HeldByAnother),
        (then(verified(), &lost), Reason::RecordLost),
        (then(verified(), &passed), Reason::HandedOver),
    ]
    .map(|(way, reason)| (way, State::Failed, reason))
    .into()
}

#[test]
fn every_state_is_left() {
    let ways = [ways_to_pending(), ways_to_verified(), ways_to_failed()];
    for (way, state, reason) in ways.concat() {
        for winner in 0..2 {
            let mut world = World::new();
            for &(pause, event) in &way {
                world.run_for(seconds(pause));
                world.happen(event);
            }
            world.settle();
            let reached = (world.state(0), world.reason(0));
            assert_eq!(reached, (Some(state), Some(reason)), "{way:?}");
            world.recover(winner);
        }
    }
}

#[test]
fn a_window_that_stood_still_ends_later_by_as_much() {
    let mut world = World::new();
    for (pause, exists) in [(5, false), (20, true)] {
        world.run_for(days(pause));
        world.happen(Event::Organization(0, exists));
    }
    world.run_for(days(24));
    assert_eq!(world.state(0), Some(State::Pending));
    world.run_for(days(2));
    assert_eq!(world.state(0), Some(State::Failed));
}

#[test]
fn a_quiet_year_writes_once_a_day() {
    let mut world = World::new();
    world.happen(Event::Delete(1));
    world.run_for(seconds(60));
    world.happen(Event::Publish(0));
    world.run_for(days(2));
    world.happen(Event::Restart);
    world.run_for(days(365));
    let stretch = &world.watcher.stretch;
    assert!((365..=366).contains(&stretch.long_checks), "{stretch:?}");
    assert_eq!(stretch.writes, stretch.long_checks);
}
