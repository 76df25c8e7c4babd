//! Signs requests for providers that want AWS Signature Version 4.
//!
//! The signature covers method, path, query, host, date, session token and the SHA-256 of the body. The algorithm is in the AWS General
//! Reference, "Signature Version 4 for API requests" (read 2026-11); the tests compare with what botocore makes of the same input.
//! The path is encoded once more for the canonical form, as all services but S3 want it. A key derived for a day is kept, since it
//! costs four more hashes.

use std::sync::Mutex;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::lock::lock;
use crate::secret::Secret;
use crate::snapshot::written;

/// Signs with one key for one region and service.
pub(crate) struct Signer {
    access_key_id: String,
    secret_access_key: Secret,
    session_token: Option<Secret>,
    region: String,
    service: String,
    /// The day, and the key derived for it. Shared by all threads; held for a copy of 40 bytes.
    derived: Mutex<Option<(String, [u8; 32])>>,
}

impl Signer {
    pub(crate) fn new(written: &written::SigV4) -> Signer {
        Signer {
            access_key_id: written.access_key_id.clone(),
            secret_access_key: written.secret_access_key.clone(),
            session_token: written.session_token.clone(),
            region: written.region.clone(),
            service: written.service.clone(),
            derived: Mutex::new(None),
        }
    }

    /// Appends the header lines that sign a POST of `body` to `path_and_query` (as sent, so percent-encoded) at `host`.
    pub(crate) fn sign<'b>(
        &self,
        path_and_query: &str,
        host: &str,
        body: impl Iterator<Item = &'b [u8]>,
        unix_secs: u64,
        out: &mut Vec<u8>,
    ) {
        let stamp = stamp(unix_secs);
        let day = stamp.get(..8).unwrap_or_default();
        let mut hash = Sha256::new();
        for piece in body {
            hash.update(piece);
        }
        let payload = hex(&hash.finalize());
        let (path, query) = path_and_query
            .split_once('?')
            .unwrap_or((path_and_query, ""));
        let mut pairs: Vec<String> = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| match pair.contains('=') {
                true => pair.to_owned(),
                false => format!("{pair}="),
            })
            .collect();
        pairs.sort_unstable();
        let mut headers =
            format!("host:{host}\nx-amz-content-sha256:{payload}\nx-amz-date:{stamp}\n");
        let mut names = "host;x-amz-content-sha256;x-amz-date".to_owned();
        if let Some(token) = &self.session_token {
            headers.push_str(&format!("x-amz-security-token:{}\n", token.expose()));
            names.push_str(";x-amz-security-token");
        }
        let canonical = format!(
            "POST\n{}\n{}\n{headers}\n{names}\n{payload}",
            encoded_again(path),
            pairs.join("&")
        );
        let scope = format!("{day}/{}/{}/aws4_request", self.region, self.service);
        let to_sign = format!(
            "AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{}",
            hex(&Sha256::digest(canonical.as_bytes()))
        );
        let signature = hex(&mac(&self.key_of(day), to_sign.as_bytes()));
        let mut line = |name: &str, value: &str| {
            for part in [name, ": ", value, "\r\n"] {
                out.extend_from_slice(part.as_bytes());
            }
        };
        line("x-amz-content-sha256", &payload);
        line("x-amz-date", &stamp);
        if let Some(token) = &self.session_token {
            line("x-amz-security-token", token.expose());
        }
        line(
            "authorization",
            &format!(
                "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
                self.access_key_id
            ),
        );
    }

    fn key_of(&self, day: &str) -> [u8; 32] {
        let mut derived = lock(&self.derived);
        if let Some((known, key)) = derived.as_ref()
            && known == day
        {
            return *key;
        }
        let first = format!("AWS4{}", self.secret_access_key.expose());
        let mut key = mac(first.as_bytes(), day.as_bytes());
        for part in [self.region.as_str(), self.service.as_str(), "aws4_request"] {
            key = mac(&key, part.as_bytes());
        }
        *derived = Some((day.to_owned(), key));
        key
    }
}

fn mac(key: &[u8], text: &[u8]) -> [u8; 32] {
    // HMAC takes keys of any length, so this cannot fail; without a key nothing would be signed, and the provider would say so.
    match Hmac::<Sha256>::new_from_slice(key) {
        Ok(mut mac) => {
            mac.update(text);
            mac.finalize().into_bytes().into()
        }
        Err(_) => [0; 32],
    }
}

fn hex(bytes: &[u8]) -> String {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(HEX[usize::from(byte >> 4)]));
        text.push(char::from(HEX[usize::from(byte & 15)]));
    }
    text
}

/// A path that is percent-encoded already, encoded once more, its slashes kept.
fn encoded_again(path: &str) -> String {
    let mut text = String::with_capacity(path.len() + 16);
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

/// `YYYYMMDDTHHMMSSZ`. Days to a date by the proleptic Gregorian calendar (Howard Hinnant's `civil_from_days`).
fn stamp(unix_secs: u64) -> String {
    let (days, secs) = (unix_secs / 86_400, unix_secs % 86_400);
    let z = days + 719_468;
    let era = z / 146_097;
    let day_of_era = z % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!(
        "{year:04}{month:02}{day:02}T{:02}{:02}{:02}Z",
        secs / 3600,
        secs / 60 % 60,
        secs % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer(token: Option<&str>) -> Signer {
        Signer {
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret_access_key: Secret::from("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
            session_token: token.map(Secret::from),
            region: "us-east-1".to_owned(),
            service: "bedrock".to_owned(),
            derived: Mutex::new(None),
        }
    }

    #[test]
    fn dates_are_civil() {
        assert_eq!(stamp(0), "19700101T000000Z");
        assert_eq!(stamp(951_827_696), "20000229T123456Z");
        assert_eq!(stamp(1_440_938_160), "20150830T123600Z");
        assert_eq!(stamp(4_102_444_799), "20991231T235959Z");
    }

    #[test]
    fn paths_are_encoded_twice() {
        assert_eq!(
            encoded_again("/model/a.b-v1%3A0/converse"),
            "/model/a.b-v1%253A0/converse"
        );
    }

    /// Made by botocore 1.42 from the same input, at 2015-08-30 12:36:00 UTC.
    #[test]
    fn signatures_are_those_of_botocore() {
        const COLON: &str = "/model/anthropic.claude-3%3A0/converse";
        const QUERY: &str = "/model/a/converse-stream?b=2&a=1";
        for (token, path, signature) in [
            (
                None,
                COLON,
                "f328ec452633b99748664aa5621a80122357c3283f7731ccb36f5ece43b14876",
            ),
            (
                None,
                QUERY,
                "1b266483009f4e96d98080575a9d2f651f4501db76b2830db37a330e63be39c1",
            ),
            (
                Some("TOKEN"),
                COLON,
                "b7fcd3fa95749e04d995e14423e22a648b03b01fdf8952e35a835f3fff6ce815",
            ),
            (
                Some("TOKEN"),
                QUERY,
                "5f1f83d60ebd4e86a9715e106ee1434f471ba52948c027e1e8cddfbfd59efb81",
            ),
        ] {
            let body: [&[u8]; 2] = [b"{\"a\"", b":1}"];
            let mut out = Vec::new();
            signer(token).sign(
                path,
                "bedrock-runtime.us-east-1.amazonaws.com",
                body.into_iter(),
                1_440_938_160,
                &mut out,
            );
            let text = String::from_utf8(out).expect("text");
            assert!(
                text.contains(&format!("Signature={signature}\r\n")),
                "{text}"
            );
            assert_eq!(
                text.contains("x-amz-security-token: TOKEN"),
                token.is_some()
            );
        }
    }

    #[test]
    fn a_new_day_derives_a_new_key() {
        let signer = signer(None);
        let first = signer.key_of("20150830");
        assert_eq!(signer.key_of("20150830"), first);
        assert_ne!(signer.key_of("20150831"), first);
    }
}
