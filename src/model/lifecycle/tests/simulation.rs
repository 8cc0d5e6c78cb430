//! Sixty days of a small world.

use proptest::prelude::*;
use proptest::strategy::Strategy;

use super::world::{Event, World};
use super::*;

const LENGTH: SignedDuration = SignedDuration::from_hours(24 * 60);

fn any_event(objects: usize) -> impl Strategy<Value = Event> {
    let n = move || 0..objects;
    prop_oneof![
        6 => n().prop_map(Event::Publish),
        3 => n().prop_map(Event::Unpublish),
        2 => Just(Event::Outage(true)),
        3 => Just(Event::Outage(false)),
        1 => n().prop_map(|n| Event::Organization(n, false)),
        2 => n().prop_map(|n| Event::Organization(n, true)),
        4 => n().prop_map(Event::Request),
        1 => n().prop_map(Event::Recreate),
        1 => Just(Event::RemoveHolding),
        2 => Just(Event::Restart),
    ]
}

/// Events by the millisecond at which they happen; the first ones soon after the start.
fn any_history(objects: usize) -> impl Strategy<Value = Vec<(i64, Event)>> {
    let at = |longest: i64| (0..longest, any_event(objects));
    let soon = prop::collection::vec(at(2 * 3_600_000), 0..6);
    let later = prop::collection::vec(at(60 * 86_400_000), 0..20);
    (soon, later).prop_map(|(mut soon, later)| {
        soon.extend(later);
        soon.sort_by_key(|&(at, _)| at);
        soon
    })
}

fn live(objects: usize, history: &[(i64, Event)]) {
    let mut world = World::new(objects);
    for &(at, event) in history {
        world.run_until(schedule::add(start(), SignedDuration::from_millis(at)));
        let failed = match event {
            Event::Request(n) if world.objects[n].status.state == Some(State::Failed) => Some(n),
            _ => None,
        };
        world.happen(event);
        world.run_until(world.now);
        if let Some(n) = failed {
            let status = &world.objects[n].status;
            assert_ne!(status.state, Some(State::Failed), "a request leaves Failed");
        }
        for object in world.objects.iter().filter(|object| object.faithful) {
            assert_eq!(object.status.state, Some(State::Verified));
        }
    }
    world.run_until(schedule::add(start(), LENGTH));
    for object in &world.objects {
        let tally = object.tally;
        let events = u32::try_from(history.len()).unwrap();
        let most = tally.long_checks + 6 * (events + tally.changes + 2);
        assert!(tally.writes <= most, "{} writes > {most}", tally.writes);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn one_object_lives(history in any_history(1)) {
        live(1, &history);
    }

    #[test]
    fn two_objects_share_a_name(history in any_history(2)) {
        live(2, &history);
    }
}

#[test]
fn a_faithful_holder_keeps_its_name_through_outages_and_restarts() {
    let day = 86_400_000;
    let mut history = vec![(60_000, Event::Publish(0)), (120_000, Event::Publish(1))];
    for n in 1..58 {
        history.push((n * day, Event::Outage(n % 3 != 0)));
        history.push((n * day + 7, Event::Restart));
        history.push((n * day + 3_600_000, Event::Request(usize::from(n % 2 == 0))));
    }
    live(2, &history);
}

#[test]
fn a_name_passes_on_when_its_holder_loses_it() {
    let day = 86_400_000;
    let mut world = World::new(2);
    let history = [
        (60_000, Event::Publish(0)),
        (day, Event::Publish(1)),
        (2 * day, Event::Unpublish(0)),
    ];
    for (at, event) in history {
        world.run_until(schedule::add(start(), SignedDuration::from_millis(at)));
        world.happen(event);
    }
    let state = |world: &World, n: usize| world.objects[n].status.state.unwrap();
    world.run_until(schedule::add(start(), days(9)));
    assert_eq!(state(&world, 0), State::Verified);
    assert_eq!(state(&world, 1), State::Pending);
    world.run_until(schedule::add(start(), days(11)));
    assert_eq!(state(&world, 0), State::Failed);
    assert_eq!(state(&world, 1), State::Verified);
}

#[test]
fn a_window_that_stood_still_ends_later_by_as_much() {
    let mut world = World::new(1);
    for (day, exists) in [(5, false), (25, true)] {
        world.run_until(schedule::add(start(), days(day)));
        world.happen(Event::Organization(0, exists));
    }
    world.run_until(schedule::add(start(), days(49)));
    assert_eq!(world.objects[0].status.state, Some(State::Pending));
    world.run_until(schedule::add(start(), days(51)));
    assert_eq!(world.objects[0].status.state, Some(State::Failed));
}
