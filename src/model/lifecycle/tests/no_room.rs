//! What is told of an object that has no room for its status.

use super::*;

#[test]
fn one_outcome_is_one_event_however_often_it_is_decided() {
    let mut subject = Subject::in_grace();
    let missing = no_room(&subject.status);
    assert!(missing.warning);
    assert_eq!(missing.reason, Reason::ObjectTooLarge);
    assert_eq!(missing.about, About::OrganizationDomain);
    for _ in 0..2 {
        subject.after(hours(1)).step(Some(Verdict::Absent));
        assert_eq!(no_room(&subject.status).fact, missing.fact);
    }
    let lost = no_room(&Subject::lost().status);
    assert_ne!(lost.fact, missing.fact);
    assert!(lost.message.contains("RecordLost"), "{}", lost.message);
    assert!(lost.message.contains("Remove labels"), "{}", lost.message);
    // Another token is another challenge to tell of.
    let mut again = Subject::pending();
    let first = no_room(&again.status);
    again.status.challenge.as_mut().unwrap().token = token(9).to_string();
    assert_ne!(no_room(&again.status).fact, first.fact);
}
