//! Honest ways to answer: what the standards leave open, and what servers do that are older than
//! they are or never read them.

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::RecordType;

use super::zone::Zone;

/// How an honest server answers. [`Style::default`] is a current server with short answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they have nothing to do with each other"
)]
pub struct Style {
    pub sections: Sections,
    /// Referrals lack the addresses of hosts that are not at or below the cut itself.
    pub without_optional_glue: bool,
    pub without_edns: Option<WithoutEdns>,
    /// The question comes back in lower case.
    pub lower_case_echo: bool,
    /// A name with a capital letter does not exist.
    pub compares_octets: bool,
    pub aaaa: AddressAnswer,
    /// Errors are the header alone, without the question.
    pub bare_errors: bool,
}

/// What an answer has beyond what is required.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sections {
    #[default]
    Minimal,
    /// Beside positive answers the zone's name servers and their addresses.
    Full,
}

/// What a server that does not know EDNS does with a question that has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WithoutEdns {
    FormErr,
    NotImp,
    /// Answers, without EDNS.
    Ignores,
}

/// How AAAA questions are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AddressAnswer {
    #[default]
    Right,
    ServFail,
    NotImp,
    /// An empty answer that nothing proves.
    WithoutSoa,
    Nothing,
}

impl Style {
    /// Whether the question gets no answer at all.
    pub(super) fn is_silent_about(self, request: &Message) -> bool {
        self.aaaa == AddressAnswer::Nothing && asks_aaaa(request)
    }

    /// The error that the question gets before anything is looked up.
    pub(super) fn refusal(self, request: &Message) -> Option<ResponseCode> {
        if request.edns.is_some() {
            match self.without_edns {
                Some(WithoutEdns::FormErr) => return Some(ResponseCode::FormErr),
                Some(WithoutEdns::NotImp) => return Some(ResponseCode::NotImp),
                Some(WithoutEdns::Ignores) | None => {}
            }
        }
        match self.aaaa {
            AddressAnswer::ServFail if asks_aaaa(request) => Some(ResponseCode::ServFail),
            AddressAnswer::NotImp if asks_aaaa(request) => Some(ResponseCode::NotImp),
            _ => None,
        }
    }

    /// Whether the server takes the name for one that does not exist.
    pub(super) fn misses(self, request: &Message, zone: &Zone) -> bool {
        let capital = |octet: &u8| octet.is_ascii_uppercase();
        self.compares_octets
            && request.queries.first().is_some_and(|query| {
                let below = query.name().num_labels() - zone.origin.num_labels();
                let own = query.name().iter().take(below.into());
                own.flatten().any(capital)
            })
    }

    /// What is the same for every answer of this server.
    pub(super) fn dress(self, response: &mut Message, request: &Message) {
        if self.aaaa == AddressAnswer::WithoutSoa && asks_aaaa(request) {
            response
                .authorities
                .retain(|record| record.record_type() != RecordType::SOA);
        }
        if self.without_edns.is_some() {
            response.edns = None;
        }
        if self.lower_case_echo {
            for query in &mut response.queries {
                query.name = query.name.to_lowercase();
            }
        }
        let code = response.metadata.response_code;
        let error = !matches!(code, ResponseCode::NoError | ResponseCode::NXDomain);
        if self.bare_errors && error {
            response.queries.clear();
            response.edns = None;
        }
    }
}

fn asks_aaaa(request: &Message) -> bool {
    let mut queries = request.queries.iter();
    queries.any(|query| query.query_type() == RecordType::AAAA)
}
