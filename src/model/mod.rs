//! Everything Freehold decides, without a client, a socket or a clock: time is an argument.

pub mod agreement;
pub mod approval;
pub mod challenge;
pub mod evidence;
pub mod facts;
pub mod hint;
pub mod history;
pub mod legible;
pub mod lifecycle;
pub mod message;
pub mod name;
pub mod policy;
pub mod provider;
pub mod report;
pub mod schedule;
pub mod servers;
pub mod service;
pub mod settings;
pub mod share;
pub mod spelling;
pub mod terminal;
pub mod text_file;
pub mod token_recovery;
pub mod uid;
pub mod verdict;
