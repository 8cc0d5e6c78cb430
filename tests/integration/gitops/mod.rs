//! What `GitOps` tools make of Freehold's objects, and Freehold of theirs.

mod argocd;
mod drift;
mod examples;
mod readers;
mod rows;
