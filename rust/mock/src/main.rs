//! `turnout-mock`: the scripted provider as a process of its own, so that a bench can pin it to a core and count its time.

// A test that cannot go on should stop where it stands.
#![cfg_attr(test, allow(clippy::unwrap_used))]

use std::io::{self, Write as _};
use std::process::ExitCode;

use turnout_mock::{HELP, Mock};

/// What the command line asks for.
#[derive(Debug, PartialEq)]
enum Asked {
    Help,
    Serve {
        listen: String,
        threads: usize,
        record: bool,
        stdin: bool,
    },
}

fn main() -> ExitCode {
    match parse(std::env::args().skip(1)).map(run) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => failed(&error.to_string()),
        Err(mistake) => failed(&mistake),
    }
}

fn failed(reason: &str) -> ExitCode {
    eprintln!("turnout-mock: {reason}");
    ExitCode::FAILURE
}

fn run(asked: Asked) -> io::Result<()> {
    let mut out = io::stdout();
    let (listen, threads, record, stdin) = match asked {
        Asked::Help => return out.write_all(HELP.as_bytes()),
        Asked::Serve {
            listen,
            threads,
            record,
            stdin,
        } => (listen, threads, record, stdin),
    };
    let mock = Mock::start(&listen, threads, record)?;
    writeln!(out, "listening on {}", mock.address())?;
    out.flush()?;
    if stdin {
        io::copy(&mut io::stdin(), &mut io::sink())?;
        mock.stop();
        writeln!(out, "{}", mock.received_json())?;
        return out.flush();
    }
    // Signals keep their default: SIGTERM and SIGINT end the process, and nothing here needs to be put away first.
    loop {
        std::thread::park();
    }
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Asked, String> {
    let (mut listen, mut threads) = ("127.0.0.1:0".to_owned(), 1);
    let (mut record, mut stdin) = (false, false);
    while let Some(word) = words.next() {
        let mut value = || {
            words
                .next()
                .ok_or_else(|| format!("a value is missing after {word}"))
        };
        match word.as_str() {
            "-h" | "--help" => return Ok(Asked::Help),
            "--listen" => listen = value()?,
            "--threads" => {
                let text = value()?;
                threads = text
                    .parse()
                    .ok()
                    .filter(|count| (1..=256).contains(count))
                    .ok_or_else(|| format!("--threads must be a number from 1 to 256: {text}"))?;
            }
            "--record" => record = true,
            "--stdin" => stdin = true,
            _ => return Err(format!("unknown argument, see --help: {word}")),
        }
    }
    Ok(Asked::Serve {
        listen,
        threads,
        record,
        stdin,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Asked, String> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn the_command_line_says_where_and_how() {
        let expected = Asked::Serve {
            listen: "0.0.0.0:1".to_owned(),
            threads: 2,
            record: true,
            stdin: true,
        };
        assert_eq!(
            parsed("--listen 0.0.0.0:1 --threads 2 --record --stdin"),
            Ok(expected)
        );
        assert_eq!(parsed("--record --help"), Ok(Asked::Help));
    }

    #[test]
    fn mistakes_are_named() {
        assert!(parsed("--thread 2").unwrap_err().contains("--thread"));
        assert!(parsed("--threads 0").unwrap_err().contains("0"));
        assert!(parsed("--listen").unwrap_err().contains("--listen"));
    }
}
