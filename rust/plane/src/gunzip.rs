//! Gzip answers, decompressed as they arrive. Providers are asked for no compression; some compress all the same.

use std::io::Write as _;
use std::task::{Context, Poll};

use flate2::write::GzDecoder;

use crate::failure::Failure;
use crate::send::Trouble;
use crate::upstream::answer::{AnswerHead, Coding};
use crate::upstream::connection::{Connection, Fault};

/// Most that is read of an answer before it is passed on.
const PART_BYTES_MAX: usize = 64 * 1024;
/// The same of a compressed one. Gzip swells a thousand times at most, so this bounds a part at 4 MiB.
const PACKED_BYTES_MAX: usize = 4 * 1024;
/// Input is given in steps of this, so that a bomb swells by at most a thousand times this before it is noticed.
const STEP_BYTES: usize = 1024;

/// An incremental decompressor.
pub(crate) struct Gunzip {
    decoder: GzDecoder<Vec<u8>>,
}

/// The bytes are no gzip, or swell beyond the bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotGzip;

impl Gunzip {
    pub(crate) fn new() -> Self {
        Gunzip {
            decoder: GzDecoder::new(Vec::new()),
        }
    }

    /// Appends what `input` decompresses to, until `out` holds `out_max` bytes; more than that is left to the caller's
    /// own check of the length.
    pub(crate) fn push(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
        out_max: usize,
    ) -> Result<(), NotGzip> {
        for step in input.chunks(STEP_BYTES) {
            let mut rest = step;
            while !rest.is_empty() {
                // Zero: the end of the gzip member was reached; what follows it is padding or another member.
                let used = self.decoder.write(rest).map_err(|_| NotGzip)?;
                if used == 0 {
                    break;
                }
                rest = &rest[used..];
            }
            self.decoder.flush().map_err(|_| NotGzip)?;
            out.append(self.decoder.get_mut());
            if out.len() >= out_max {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Whether the trailer has been read and was right.
    pub(crate) fn into_complete(mut self) -> bool {
        self.decoder.try_finish().is_ok()
    }
}

/// Reads an answer that is passed on in parts, compressed or not.
pub(crate) struct Parts {
    /// `None`: it is not compressed. In a box: hardly any is, and the others would pay for the size.
    gunzip: Option<Box<Gunzip>>,
    /// What was read last of a compressed one.
    packed: Vec<u8>,
}

impl Parts {
    /// Of the answer with this head. It fails when it is compressed in another way.
    pub(crate) fn of(head: &AnswerHead) -> Result<Parts, Trouble> {
        let gunzip = match head.coding {
            Coding::Identity => None,
            Coding::Gzip => Some(Box::new(Gunzip::new())),
            Coding::Other => {
                return Err(Failure::malformed(
                    head.status,
                    "its answer is compressed in a way that was not asked for",
                )
                .into());
            }
        };
        Ok(Parts {
            gunzip,
            packed: Vec::new(),
        })
    }

    /// Reads some more of it, as [`Connection::poll_body`] does: into `part`, or, compressed, to where [`Parts::unpack`] takes it from.
    pub(crate) fn poll_read(
        &mut self,
        connection: &mut Connection,
        part: &mut Vec<u8>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<bool, Fault>> {
        match self.gunzip {
            None => connection.poll_body(part, PART_BYTES_MAX, cx),
            Some(_) => connection.poll_body(&mut self.packed, PACKED_BYTES_MAX, cx),
        }
    }

    /// Appends to `part` what was read last, if it is compressed.
    pub(crate) fn unpack(&mut self, part: &mut Vec<u8>) -> Result<(), NotGzip> {
        let Some(gunzip) = &mut self.gunzip else {
            return Ok(());
        };
        let unpacked = gunzip.push(&self.packed, part, usize::MAX);
        self.packed.clear();
        unpacked
    }

    /// At the end of the answer: whether it was compressed and its trailer is missing or wrong.
    pub(crate) fn is_cut(&mut self) -> bool {
        (self.gunzip.take()).is_some_and(|gunzip| !gunzip.into_complete())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(data).expect("memory");
        encoder.finish().expect("memory")
    }

    #[test]
    fn any_split_gives_the_same() {
        let data = b"hello hello hello, a model speaks".repeat(20);
        let packed = gzip(&data);
        for cut in 0..packed.len() {
            let (mut gunzip, mut out) = (Gunzip::new(), Vec::new());
            gunzip
                .push(&packed[..cut], &mut out, usize::MAX)
                .expect("gzip");
            gunzip
                .push(&packed[cut..], &mut out, usize::MAX)
                .expect("gzip");
            assert_eq!(out, data);
            assert!(gunzip.into_complete());
        }
    }

    #[test]
    fn a_bomb_stops_at_the_bound() {
        let packed = gzip(&vec![0; 64 << 20]);
        let (mut gunzip, mut out) = (Gunzip::new(), Vec::new());
        gunzip.push(&packed, &mut out, 1 << 20).expect("gzip");
        assert!(out.len() >= 1 << 20 && out.len() < 4 << 20, "{}", out.len());
    }

    #[test]
    fn a_cut_or_wrong_one_is_noticed() {
        let packed = gzip(b"hello");
        let (mut gunzip, mut out) = (Gunzip::new(), Vec::new());
        gunzip
            .push(&packed[..packed.len() - 4], &mut out, 100)
            .expect("so far");
        assert!(!gunzip.into_complete());
        assert_eq!(
            Gunzip::new().push(b"not gzip at all", &mut out, 100),
            Err(NotGzip)
        );
    }
}
