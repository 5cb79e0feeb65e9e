//! What the webhook does, done to manifests: `inject` and `uninject` change them, `explain` judges them.
//!
//! People keep manifests as text, with comments and an order of their own. So the change is made to values, by the very
//! functions that the webhook uses ([`change`]), and then carried over into the text ([`edit`]); what then reads otherwise than
//! the values say is never written ([`document`]).

pub mod change;
pub mod command;
pub mod document;
pub mod edit;
pub mod place;
pub mod report;
pub mod yaml;
