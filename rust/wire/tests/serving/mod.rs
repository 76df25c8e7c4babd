//! What these tests answer with.

use turnout_wire::answer::Serving;
use turnout_wire::api::Api;
use turnout_wire::dialect::Dialect;

/// From a provider of this protocol, at no known price. A test names what it changes.
pub(crate) const fn example(api: Api, dialect: Dialect) -> Serving<'static> {
    Serving {
        api,
        dialect,
        asked: "{}",
        id: "gen-1-a",
        created: 5,
        now: || 9,
        model: "a/b",
        provider: "P",
        prices: None,
    }
}
