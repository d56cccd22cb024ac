//! DNS messages (RFC 1035), as far as a liar needs them. Pure.

use std::net::IpAddr;

/// The length of a message's head.
const HEAD: usize = 12;
const A: u16 = 1;
const AAAA: u16 = 28;

/// What a message asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The name, in lower case, without a dot at its end.
    pub name: String,
    /// What is wanted: 1 an IPv4 address, 28 an IPv6 address, and so on.
    pub wanted: u16,
    /// Where the question ends in the message.
    end: usize,
}

/// Reads the one question of a query.
pub fn question(message: &[u8]) -> Option<Question> {
    // An answer is no query, and nobody asks two questions at once.
    if message.get(2)? & 0x80 != 0 || message.get(4..6)? != [0, 1] {
        return None;
    }
    let mut labels = Vec::new();
    let mut at = HEAD;
    loop {
        let length = usize::from(*message.get(at)?);
        at += 1;
        match length {
            0 => break,
            1..=63 => labels.push(message.get(at..at + length)?),
            _ => return None,
        }
        at += length;
        if at > HEAD + 255 {
            return None;
        }
    }
    let wanted = u16::from_be_bytes(message.get(at..at + 2)?.try_into().ok()?);
    message.get(at + 2..at + 4)?;
    let name = labels.into_iter().map(|it| String::from_utf8_lossy(it).to_lowercase());
    Some(Question { name: name.collect::<Vec<_>>().join("."), wanted, end: at + 4 })
}

/// Whether a name is one of these: `a.example`, `*.example` for all below, `*` for all.
pub fn fits(name: &str, patterns: &[String]) -> bool {
    patterns.iter().any(|it| match it.strip_prefix('*') {
        Some("") => true,
        Some(ending) => name.ends_with(ending),
        None => name == it,
    })
}

/// An answer with nothing in it but a code: 2 SERVFAIL, 3 NXDOMAIN.
pub fn failed(query: &[u8], asked: &Question, code: u8) -> Vec<u8> {
    answer(query, asked, code, &[])
}

/// An answer that nobody keeps, with an address in it, if such an address was asked for.
pub fn address(query: &[u8], asked: &Question, address: IpAddr) -> Vec<u8> {
    let octets = match (address, asked.wanted) {
        (IpAddr::V4(it), A) => it.octets().to_vec(),
        (IpAddr::V6(it), AAAA) => it.octets().to_vec(),
        _ => Vec::new(),
    };
    answer(query, asked, 0, &octets)
}

fn answer(query: &[u8], asked: &Question, code: u8, octets: &[u8]) -> Vec<u8> {
    let mut out = query.get(..asked.end).unwrap_or_default().to_vec();
    let flags = query.get(2).copied().unwrap_or(0);
    let count = u8::from(!octets.is_empty());
    // It is an answer; recursion was wanted or not, and is available.
    let head = [flags & 0x79 | 0x80, 0x80 | code, 0, 1, 0, count, 0, 0, 0, 0];
    for (byte, with) in out.iter_mut().skip(2).zip(head) {
        *byte = with;
    }
    if count > 0 {
        out.extend([0xc0, 12]);
        out.extend(asked.wanted.to_be_bytes());
        out.extend([0, 1, 0, 0, 0, 0]);
        out.extend(u16::try_from(octets.len()).unwrap_or(0).to_be_bytes());
        out.extend(octets);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks for `Kyc.Bank`, as a resolver that mixes its letters does.
    fn query(wanted: u8) -> Vec<u8> {
        let mut all = vec![7, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1];
        all.extend(b"\x03Kyc\x04Bank\0");
        all.extend([0, wanted, 0, 1]);
        // What follows (EDNS) is not copied.
        all.extend([0, 0, 41, 4, 0, 0, 0, 0, 0, 0, 0]);
        all
    }

    #[test]
    fn a_question_is_read_and_answered() {
        let query = query(1);
        let asked = question(&query).unwrap();
        assert_eq!((asked.name.as_str(), asked.wanted), ("kyc.bank", 1));
        let said = failed(&query, &asked, 3);
        assert_eq!(said[..12], [7, 9, 0x81, 0x83, 0, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(said[12..], *b"\x03Kyc\x04Bank\0\0\x01\0\x01");
        let said = address(&query, &asked, IpAddr::from([192, 0, 2, 1]));
        assert!(said.ends_with(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 192, 0, 2, 1]));
        let none = address(&query, &asked, "::1".parse().unwrap());
        assert_eq!(none[..12], [7, 9, 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn names_fit_as_people_write_them() {
        let fits = |name: &str, it: &str| fits(name, &[it.to_owned()]);
        assert!(fits("kyc.bank", "kyc.bank") && fits("kyc.bank", "*.bank") && fits("x", "*"));
        assert!(!fits("bank", "*.bank") && !fits("kyc.bank", "bank") && !fits("xbank", "*.bank"));
    }

    #[test]
    fn whatever_comes_is_read_or_not_and_never_worse() {
        let whole = query(28);
        for length in 0..whole.len() {
            drop(question(&whole[..length]));
        }
        let mut pointer = whole.clone();
        pointer[12] = 0xc0;
        assert_eq!(question(&pointer), None);
        let mut answer = whole;
        answer[2] |= 0x80;
        assert_eq!(question(&answer), None);
    }
}
