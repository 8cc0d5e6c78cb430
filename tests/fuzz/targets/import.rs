//! A file that is imported is believed in nothing that it does not show, and told of in one line.

#![no_main]

use freehold::api::organization_domain::State;
use freehold::backup::Backup;
use freehold::model::name::DomainName;
use freehold::model::terminal::line;
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|file: &[u8]| {
    let mut backup = match Backup::read(file) {
        Ok(backup) => backup,
        Err(error) => {
            let error = error.to_string();
            assert_eq!(line(&error), error);
            return;
        }
    };
    backup.drop_unbelieved_statuses(Timestamp::UNIX_EPOCH);
    for domain in &backup.domains {
        let state = domain.status.as_ref().and_then(|status| status.state);
        if state != Some(State::Verified) {
            continue;
        }
        let name = DomainName::parse(&domain.spec.domain).expect("what is verified is a name");
        assert!(backup.holdings.iter().any(|holding| {
            let holder = &holding.spec.holder;
            holding.metadata.name.as_deref() == Some(name.as_str())
                && Some(&holder.namespace) == domain.metadata.namespace.as_ref()
                && Some(&holder.name) == domain.metadata.name.as_ref()
                && holder.organization == domain.spec.organization_ref.name
        }));
    }
});
