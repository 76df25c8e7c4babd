//! Gzip answers, decompressed as they arrive. Providers are asked for no compression; some compress all the same.

use std::io::Write as _;

use flate2::write::GzDecoder;

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
