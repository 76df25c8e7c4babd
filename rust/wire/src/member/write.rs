//! Writing the members of objects, one after the other, with commas between them.

use crate::json::{write_number, write_string};

/// Appends a member's key, with the comma before it where one is needed: after anything but an opening brace.
pub(crate) fn key(name: &str, out: &mut Vec<u8>) {
    comma(out);
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

/// Appends the comma before an element or a member, unless it is the first. No value ends in an opening bracket.
pub(crate) fn comma(out: &mut Vec<u8>) {
    if !matches!(out.last(), None | Some(b'{' | b'[')) {
        out.push(b',');
    }
}

/// Appends a member that is a string.
pub(crate) fn string_member(name: &str, value: &str, out: &mut Vec<u8>) {
    key(name, out);
    write_string(value, out);
}

/// Appends a member that is a number.
pub(crate) fn number_member(name: &str, value: u64, out: &mut Vec<u8>) {
    key(name, out);
    write_number(value, out);
}

/// Appends a member whose value is JSON already.
pub(crate) fn raw_member(name: &str, value: &str, out: &mut Vec<u8>) {
    key(name, out);
    out.extend_from_slice(value.as_bytes());
}

/// Writes the members of one object. The caller writes a value after [`Members::key`], and closes the object with [`Members::end`].
#[derive(Debug)]
pub(crate) struct Members<'o> {
    out: &'o mut Vec<u8>,
}

impl<'o> Members<'o> {
    /// Opens an object.
    pub(crate) fn new(out: &'o mut Vec<u8>) -> Members<'o> {
        out.push(b'{');
        Members { out }
    }

    /// Writes a name, which needs no escapes, and gives the output for its value.
    pub(crate) fn key(&mut self, name: &str) -> &mut Vec<u8> {
        key(name, self.out);
        self.out
    }

    /// The output, for more of the value that was written last.
    pub(crate) fn inside(&mut self) -> &mut Vec<u8> {
        self.out
    }

    /// A member that is a string.
    pub(crate) fn string(&mut self, name: &str, text: &str) {
        string_member(name, text, self.out);
    }

    /// A member that is a string, if there is one.
    pub(crate) fn string_if(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.string(name, text);
        }
    }

    /// A member that is a whole number.
    pub(crate) fn number(&mut self, name: &str, number: u64) {
        number_member(name, number, self.out);
    }

    /// A member that is a boolean.
    pub(crate) fn boolean(&mut self, name: &str, value: bool) {
        self.raw(name, if value { "true" } else { "false" });
    }

    /// A member that is JSON already.
    pub(crate) fn raw(&mut self, name: &str, json: &str) {
        raw_member(name, json, self.out);
    }

    /// Closes the object.
    pub(crate) fn end(self) {
        self.out.push(b'}');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_stand_between_members_only() {
        let mut out = b"{".to_vec();
        string_member("a", "{", &mut out);
        number_member("b", 1, &mut out);
        raw_member("c", "[]", &mut out);
        out.push(b'}');
        assert_eq!(out, br#"{"a":"{","b":1,"c":[]}"#);
    }

    #[test]
    fn members_are_divided_by_commas() {
        let mut out = Vec::new();
        let mut members = Members::new(&mut out);
        members.string("a", "\"");
        members.string_if("no", None);
        members.number("b", 1);
        members.boolean("c", false);
        members.raw("d", "[]");
        members.end();
        assert_eq!(out, br#"{"a":"\"","b":1,"c":false,"d":[]}"#);
    }
}
