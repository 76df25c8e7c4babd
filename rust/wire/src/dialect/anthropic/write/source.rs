//! Images and files: where they are, and of what kind they are.

use crate::exchange::Source;
use crate::member::write::{key, string_member};

pub(super) fn image_source(source: &Source<'_>, out: &mut Vec<u8>) {
    key("source", out);
    match source {
        Source::Data { media_type, base64 } => {
            out.extend_from_slice(b"{\"type\":\"base64\"");
            string_member("media_type", media_type_of(media_type, base64, None), out);
            string_member("data", base64, out);
            out.push(b'}');
        }
        other => url_or_id(other, out),
    }
}

pub(super) fn url_or_id(source: &Source<'_>, out: &mut Vec<u8>) {
    match source {
        Source::Url(url) => {
            out.extend_from_slice(b"{\"type\":\"url\"");
            string_member("url", url, out);
        }
        Source::Id(id) => {
            out.extend_from_slice(b"{\"type\":\"file\"");
            string_member("file_id", id, out);
        }
        Source::Data { .. } => out.push(b'{'),
    }
    out.push(b'}');
}

/// The media type as this protocol calls it. Where the client says none, the first bytes tell, and then the name of the file.
pub(super) fn media_type_of<'m>(said: &'m str, base64: &str, name: Option<&str>) -> &'m str {
    match said {
        "image/jpg" => "image/jpeg",
        "" | "application/octet-stream" => {
            let begins = [
                ("JVBERi", "application/pdf"),
                ("/9j/", "image/jpeg"),
                ("iVBORw", "image/png"),
                ("R0lGOD", "image/gif"),
                ("UklGR", "image/webp"),
            ];
            let ends = [
                (".pdf", "application/pdf"),
                (".txt", "text/plain"),
                (".md", "text/markdown"),
                (".csv", "text/csv"),
                (".json", "application/json"),
            ];
            begins
                .iter()
                .find(|(bytes, _)| base64.starts_with(bytes))
                .or_else(|| {
                    let name = name?;
                    ends.iter().find(|(end, _)| name.ends_with(end))
                })
                .map_or("", |(_, kind)| kind)
        }
        said => said,
    }
}

pub(super) fn is_text(media_type: &str) -> bool {
    let kind = media_type.split(';').next().unwrap_or_default().trim();
    kind.starts_with("text/")
        || matches!(
            kind,
            "application/json" | "application/xml" | "application/yaml" | "application/x-yaml"
        )
}

/// Decodes base64, of the usual or the URL-safe alphabet, with or without padding; `None` when it is none.
pub(super) fn decode(base64: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(base64.len() / 4 * 3 + 3);
    let (mut bits, mut count) = (0u32, 0u32);
    for digit in base64.trim_end_matches('=').bytes() {
        let six = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            b'\n' | b'\r' => continue,
            _ => return None,
        };
        bits = bits << 6 | u32::from(six);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count & 0xff) as u8);
        }
    }
    Some(bytes)
}
