//! How an endpoint would be asked, for each API: worked out once for a configuration, because every request asks it of every endpoint.

use turnout_wire::api::Api;
use turnout_wire::dialect::Op;

/// One answer for each API, without and with a stream.
const COUNT: usize = 2 * Api::ALL.len();

/// For each API, which of the provider's protocols is used and what it is asked to do there.
#[derive(Debug, Clone)]
pub(crate) struct Ways([Option<(u8, Op)>; COUNT]);

/// An API, with a stream or without.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked(usize);

impl Asked {
    /// By the order of [`Api::ALL`].
    pub(crate) const fn new(api: Api, stream: bool) -> Asked {
        Asked(2 * api as usize + stream as usize)
    }
}

impl Ways {
    /// Of an endpoint that `find` finds the way to: which of its provider's protocols, and the operation.
    pub(crate) fn new(find: impl Fn(Api, bool) -> Option<(usize, Op)>) -> Ways {
        let mut ways = [None; COUNT];
        for api in Api::ALL {
            for stream in [false, true] {
                let way = find(api, stream);
                if let Some(place) = ways.get_mut(Asked::new(api, stream).0) {
                    *place = way.and_then(|(wire, op)| Some((u8::try_from(wire).ok()?, op)));
                }
            }
        }
        Ways(ways)
    }

    /// `None`: it cannot be asked for this.
    pub(crate) fn get(&self, asked: Asked) -> Option<(u8, Op)> {
        self.0.get(asked.0).copied().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_api_has_two_places_of_its_own() {
        let mut places: Vec<usize> = Api::ALL
            .into_iter()
            .flat_map(|api| [false, true].map(|stream| Asked::new(api, stream).0))
            .collect();
        places.sort_unstable();
        assert!(places.into_iter().eq(0..COUNT));
    }

    #[test]
    fn what_was_found_is_given_back() {
        let ways = Ways::new(|api, stream| {
            (api == Api::Messages && stream).then_some((3, Op::MessagesStream))
        });
        assert_eq!(
            ways.get(Asked::new(Api::Messages, true)),
            Some((3, Op::MessagesStream))
        );
        assert_eq!(ways.get(Asked::new(Api::Messages, false)), None);
        assert_eq!(ways.get(Asked::new(Api::Chat, true)), None);
    }
}
