//! What a look-up of a name server's addresses goes through.

use hickory_resolver::net::proto::rr::Name;

/// The name servers whose addresses are being looked up, the last one first.
#[derive(Clone, Copy, Debug, Default)]
pub struct Path<'a>(Option<&'a Link<'a>>);

#[derive(Debug)]
pub struct Link<'a> {
    pub host: &'a Name,
    /// Whether others wait for it.
    pub awaited: bool,
    pub above: Path<'a>,
}

/// Which servers of a zone are needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needed {
    /// Every one, for an answer that all must agree on.
    All,
    /// A few, for the address of a name server.
    Some,
}

impl<'a> Path<'a> {
    /// One look-up further.
    #[must_use]
    pub fn to(link: &'a Link<'a>) -> Self {
        Self(Some(link))
    }

    pub fn is_empty(self) -> bool {
        self.0.is_none()
    }

    pub fn depth(self) -> usize {
        self.0.map_or(0, |link| link.above.depth() + 1)
    }

    /// The last one that others wait for.
    pub fn awaited(self) -> Option<&'a Name> {
        let link = self.0?;
        if link.awaited {
            Some(link.host)
        } else {
            link.above.awaited()
        }
    }

    pub fn has(self, host: &Name) -> bool {
        self.0
            .is_some_and(|link| link.host == host || link.above.has(host))
    }
}
