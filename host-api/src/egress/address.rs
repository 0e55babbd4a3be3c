//! Which addresses are anybody's on the internet. Only deciding: nothing here reaches a network.
//!
//! The blocks are those of IANA's registries of special-purpose addresses for IPv4 and IPv6 (RFC 6890 and its
//! followers), where they are not globally reachable, and a few that clouds use for what only a machine of theirs may
//! see. Of IPv6 only what is assigned for unicast is public, and nothing of it that stands for an IPv4 address: the
//! address behind would be checked by nobody.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// First address and length of the prefix.
type Block4 = ([u8; 4], u32);
type Block6 = ([u16; 8], u32);

const NOT_PUBLIC_4: &[Block4] = &[
    ([0, 0, 0, 0], 8),        // this network
    ([10, 0, 0, 0], 8),       // private
    ([100, 64, 0, 0], 10),    // shared between a carrier and its customers; Alibaba's metadata
    ([127, 0, 0, 0], 8),      // loopback
    ([168, 63, 129, 16], 32), // Azure's platform services
    ([169, 254, 0, 0], 16),   // link-local; metadata of most clouds
    ([172, 16, 0, 0], 12),    // private
    ([192, 0, 0, 0], 24),     // protocol assignments; Oracle's metadata
    ([192, 0, 2, 0], 24),     // documentation
    ([192, 88, 99, 0], 24),   // relays of 6to4
    ([192, 168, 0, 0], 16),   // private
    ([198, 18, 0, 0], 15),    // benchmarks
    ([198, 51, 100, 0], 24),  // documentation
    ([203, 0, 113, 0], 24),   // documentation
    ([224, 0, 0, 0], 4),      // multicast
    ([240, 0, 0, 0], 4),      // reserved, and broadcast
];

/// Assigned for unicast. Loopback, link-local, private, multicast, mapped, translated and discarded addresses are all
/// outside.
const UNICAST_6: Block6 = ([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);

const NOT_PUBLIC_6: &[Block6] = &[
    ([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), // protocol assignments: Teredo, benchmarks, ORCHID
    ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), // documentation
    ([0x2002, 0, 0, 0, 0, 0, 0, 0], 16), // 6to4
    ([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), // documentation
];

/// Whether a tool may be connected to an address without an exception.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !NOT_PUBLIC_4.iter().any(|block| is_in_4(address, *block)),
        IpAddr::V6(address) => {
            is_in_6(address, UNICAST_6)
                && !NOT_PUBLIC_6.iter().any(|block| is_in_6(address, *block))
        }
    }
}

fn is_in_4(address: Ipv4Addr, (first, length): Block4) -> bool {
    let differing = address.to_bits() ^ Ipv4Addr::from(first).to_bits();
    differing.leading_zeros() >= length
}

fn is_in_6(address: Ipv6Addr, (first, length): Block6) -> bool {
    let differing = address.to_bits() ^ Ipv6Addr::from(first).to_bits();
    differing.leading_zeros() >= length
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// First and last address of each block, and whether they are public.
    const TABLE: &[(&str, &str, bool)] = &[
        ("0.0.0.0", "0.255.255.255", false),
        ("1.0.0.0", "1.1.1.1", true),
        ("9.255.255.255", "9.255.255.255", true),
        ("10.0.0.0", "10.255.255.255", false),
        ("11.0.0.0", "100.63.255.255", true),
        ("100.64.0.0", "100.127.255.255", false),
        ("100.100.100.200", "100.100.100.200", false),
        ("100.128.0.0", "126.255.255.255", true),
        ("127.0.0.0", "127.255.255.255", false),
        ("168.63.129.16", "168.63.129.16", false),
        ("168.63.129.15", "168.63.129.17", true),
        ("169.253.255.255", "169.255.0.0", true),
        ("169.254.0.0", "169.254.255.255", false),
        ("169.254.169.254", "169.254.170.2", false),
        ("172.15.255.255", "172.32.0.0", true),
        ("172.16.0.0", "172.31.255.255", false),
        ("192.0.0.0", "192.0.0.255", false),
        ("192.0.1.0", "192.0.1.255", true),
        ("192.0.2.0", "192.0.2.255", false),
        ("192.88.99.0", "192.88.99.255", false),
        ("192.167.255.255", "192.169.0.0", true),
        ("192.168.0.0", "192.168.255.255", false),
        ("198.17.255.255", "198.20.0.0", true),
        ("198.18.0.0", "198.19.255.255", false),
        ("198.51.100.0", "198.51.100.255", false),
        ("203.0.113.0", "203.0.113.255", false),
        ("223.255.255.255", "223.255.255.255", true),
        ("224.0.0.0", "239.255.255.255", false),
        ("240.0.0.0", "255.255.255.255", false),
        ("::", "::1", false),
        ("::7f00:1", "::8.8.8.8", false),
        ("::ffff:0:0", "::ffff:127.0.0.1", false),
        ("::ffff:8.8.8.8", "::ffff:0:8.8.8.8", false),
        ("64:ff9b::", "64:ff9b::8.8.8.8", false),
        ("64:ff9b:1::", "64:ff9b:1:ffff::", false),
        ("100::", "100::ffff:ffff:ffff:ffff", false),
        ("100:0:0:1::", "100:0:0:1::1", false),
        ("2001::", "2001:0:7f00:1::", false),
        ("2001:2::", "2001:1ff:ffff::", false),
        ("2001:200::", "2001:4860:4860::8888", true),
        ("2001:db8::", "2001:db8:ffff::", false),
        ("2002::", "2002:7f00:1::", false),
        ("2400:cb00::", "2620:4f:8000::1", true),
        ("3fff::", "3fff:fff::", false),
        ("3fff:1000::", "3fff:ffff::", true),
        ("4000::", "5f00::1", false),
        ("fc00::", "fdff::", false),
        ("fd00:ec2::254", "fd20:ce::254", false),
        ("fe80::", "febf::", false),
        ("fec0::", "feff::", false),
        ("ff00::", "ff02::1", false),
    ];

    #[test]
    fn both_ends_of_every_special_block_are_refused_and_their_neighbours_are_not() {
        for (first, last, public) in TABLE {
            for text in [first, last] {
                let address: IpAddr = text.parse().expect(text);
                assert_eq!(is_public(address), *public, "{text}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        // Another way to read the same registries: the standard library's classes, where they are stable.
        #[test]
        fn agrees_with_the_standard_library_on_ipv4(bits: u32) {
            let address = Ipv4Addr::from_bits(bits);
            let [a, b, c, _] = address.octets();
            let special = address.is_private()
                || address.is_loopback()
                || address.is_link_local()
                || address.is_broadcast()
                || address.is_documentation()
                || address.is_multicast()
                || a == 0
                || a >= 240
                || (a == 100 && (64..128).contains(&b))
                || (a == 198 && (b == 18 || b == 19))
                || (a, b, c) == (192, 0, 0)
                || (a, b, c) == (192, 88, 99)
                || bits == 0xa83f_8110;
            prop_assert_eq!(is_public(IpAddr::V4(address)), !special);
        }

        #[test]
        fn agrees_with_the_standard_library_on_ipv6(bits: u128, is_near in 0..16_usize) {
            // One of a thousand random addresses is in no block: most are put near one.
            let near: [u128; 8] = [0, 0xffff << 32, 0x64_ff9b << 96, 0x2001 << 112, 0x2002 << 112, 0x3fff << 112, 0x2001_0db8 << 96, 0xfe80 << 112];
            let bits = near.get(is_near).map_or(bits, |first| first | bits >> 40);
            let address = Ipv6Addr::from_bits(bits);
            let [a, b, ..] = address.segments();
            let special = address.is_unspecified()
                || address.is_loopback()
                || address.is_multicast()
                || address.is_unique_local()
                || address.is_unicast_link_local()
                || address.to_ipv4().is_some()
                || !(0x2000..0x4000).contains(&a)
                || (a == 0x2001 && b < 0x200)
                || (a == 0x2001 && b == 0xdb8)
                || a == 0x2002
                || (a == 0x3fff && b < 0x1000);
            prop_assert_eq!(is_public(IpAddr::V6(address)), !special);
        }
    }
}
