//! The API server: objects with uid and resource version, and writes that carry preconditions.

use super::*;
use crate::model::uid::Uid;

#[derive(Clone, Debug)]
pub struct Object {
    pub n: usize,
    pub uid: Uid,
    pub version: u64,
    pub deleting: bool,
    pub requested: Option<String>,
    pub status: OrganizationDomainStatus,
}

impl Object {
    pub fn token(&self) -> Option<Token> {
        Token::parse(&self.status.challenge.as_ref()?.token)
    }

    pub fn identity(&self) -> Identity<'_> {
        Identity {
            namespace: namespace(self.n),
            name: "acme-com",
            uid: &self.uid,
            organization: "acme",
        }
    }
}

pub fn namespace(n: usize) -> &'static str {
    ["tenant-0", "tenant-1"][n]
}

/// The `VerifiedDomain` of the one name.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    pub uid: u64,
    pub version: u64,
    pub since: Timestamp,
    pub spec: VerifiedDomainSpec,
}

impl Held {
    /// In which namespace the holder is.
    pub fn place(&self) -> usize {
        usize::from(self.spec.holder.namespace == namespace(1))
    }
}

/// The write was refused: the object is another, or not there, or there already.
#[derive(Debug)]
pub struct Conflict;

#[derive(Clone, Debug)]
pub struct Api {
    pub objects: [Option<Object>; 2],
    pub held: Option<Held>,
    pub organizations: [bool; 2],
    pub suspended: [bool; 2],
    pub approvals: [Option<Timestamp>; 2],
    /// Of uids and resource versions.
    count: u64,
}

impl Api {
    pub fn new() -> Self {
        let mut api = Self {
            objects: [None, None],
            held: None,
            organizations: [true; 2],
            suspended: [false; 2],
            approvals: [None; 2],
            count: 0,
        };
        for n in BOTH {
            api.create_object(n, OrganizationDomainStatus::default());
        }
        api
    }

    pub fn next(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    pub fn create_object(&mut self, n: usize, status: OrganizationDomainStatus) {
        let version = self.next();
        self.objects[n] = Some(Object {
            n,
            uid: format!("uid-{version}").as_str().into(),
            version,
            deleting: false,
            requested: None,
            status,
        });
    }

    pub fn change_object(&mut self, n: usize, change: impl FnOnce(&mut Object)) {
        let version = self.next();
        if let Some(object) = &mut self.objects[n] {
            change(object);
            object.version = version;
        }
    }

    pub fn write_status(
        &mut self,
        read: &Object,
        status: &OrganizationDomainStatus,
    ) -> Result<(), Conflict> {
        let version = self.next();
        let live = self.objects[read.n].as_mut();
        let same = live.filter(|live| live.version == read.version && live.uid == read.uid);
        let live = same.ok_or(Conflict)?;
        live.status = status.clone();
        live.version = version;
        Ok(())
    }

    pub fn create_held(
        &mut self,
        time: Timestamp,
        spec: &VerifiedDomainSpec,
    ) -> Result<(), Conflict> {
        if self.held.is_some() {
            return Err(Conflict);
        }
        let version = self.next();
        self.held = Some(Held {
            uid: version,
            version,
            since: whole_second(time),
            spec: spec.clone(),
        });
        Ok(())
    }

    pub fn replace_held(&mut self, read: &Held, spec: &VerifiedDomainSpec) -> Result<(), Conflict> {
        let version = self.next();
        let live = self.held.as_mut();
        let same = live.filter(|live| live.version == read.version && live.uid == read.uid);
        let live = same.ok_or(Conflict)?;
        live.spec = spec.clone();
        live.version = version;
        Ok(())
    }

    pub fn delete_held(&mut self, read: &Held) -> Result<(), Conflict> {
        match &self.held {
            Some(live) if live.uid != read.uid || live.version != read.version => Err(Conflict),
            _ => {
                self.held = None;
                Ok(())
            }
        }
    }

    /// The object that has the name, if there is one.
    pub fn holder(&self) -> Option<usize> {
        let held = self.held.as_ref()?;
        let object = self.objects[held.place()].as_ref()?;
        (object.uid == *held.spec.holder.uid).then_some(object.n)
    }
}
