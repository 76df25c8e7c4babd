//! Networks in CIDR notation: the proxies whose word about a client's address is taken.

use std::net::IpAddr;

/// A CIDR network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Network {
    base: u128,
    mask: u128,
    v4: bool,
}

impl Network {
    pub(super) fn read(text: &str) -> Option<Network> {
        let (address, bits) = text
            .split_once('/')
            .map_or((text, None), |(a, b)| (a, Some(b)));
        let address: IpAddr = address.parse().ok()?;
        let (value, width, v4) = widen(address);
        let bits: u32 = bits.map_or(Some(width), |b| b.parse().ok())?;
        if bits > width {
            return None;
        }
        let mask = if bits == 0 {
            0
        } else {
            (u128::MAX << (width - bits)) & (u128::MAX >> (128 - width))
        };
        Some(Network {
            base: value & mask,
            mask,
            v4,
        })
    }

    pub(crate) fn holds(&self, address: IpAddr) -> bool {
        let (value, _, v4) = widen(address.to_canonical());
        v4 == self.v4 && value & self.mask == self.base
    }
}

fn widen(address: IpAddr) -> (u128, u32, bool) {
    match address {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()), 32, true),
        IpAddr::V6(v6) => (v6.to_bits(), 128, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_what_they_should() {
        let holds = |network: &str, address: &str| {
            Network::read(network)
                .expect("a network")
                .holds(address.parse().expect("an address"))
        };
        assert!(holds("10.0.0.0/8", "10.255.0.1"));
        assert!(!holds("10.0.0.0/8", "11.0.0.1"));
        assert!(holds("127.0.0.1", "127.0.0.1"));
        assert!(holds("127.0.0.0/8", "::ffff:127.0.0.1"));
        assert!(holds("0.0.0.0/0", "1.2.3.4"));
        assert!(!holds("0.0.0.0/0", "::1"));
        assert!(holds("fd00::/8", "fd12::1"));
        assert!(!holds("fd00::/8", "fe80::1"));
        assert!(Network::read("10.0.0.0/33").is_none());
        assert!(Network::read("x").is_none());
    }
}
