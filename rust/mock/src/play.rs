//! Sends an answer: in the pace, the pieces and up to the end that its script asks for.
//!
//! While it waits, for time to pass or for room in the socket, it also listens: a gateway that cancels its upstream at
//! once can only be told from one that does not if the mock notices at once.

use std::io;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};

use crate::answer::Answer;
use crate::record::End;
use crate::script::How;

/// Most bytes taken ahead while an answer is being sent; a client that pipelines more waits.
const AHEAD_BYTES_MAX: usize = 1 << 20;
/// Room made for one read.
pub(crate) const READ_BYTES: usize = 16 << 10;
/// Between the bytes of a slow head. Without a wait the kernel would glue them back together.
const SLOW_HEAD_WAIT: Duration = Duration::from_millis(1);

/// What becomes of the connection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum After {
    /// The next request may come.
    Open,
    /// It is closed in order.
    Close,
    /// It is reset.
    Reset,
}

/// A socket and what has been read from it and not been used.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) stream: TcpStream,
    pub(crate) inbox: Vec<u8>,
}

/// The client has left.
#[derive(Debug)]
pub(crate) struct Gone;

/// Sends `answer` and says how that ended.
pub(crate) async fn play(line: &mut Line, answer: &Answer) -> (After, End) {
    let mut sent = 0;
    let after = perform(line, answer, &mut sent).await;
    let events = answer.event_ends.partition_point(|end| *end <= sent);
    let end = End {
        gone: after.is_err(),
        events,
        bytes: sent,
    };
    (after.unwrap_or(After::Close), end)
}

async fn perform(line: &mut Line, answer: &Answer, sent: &mut usize) -> Result<After, Gone> {
    let script = &answer.script;
    if !script.latency.is_zero() {
        line.pause(Some(Instant::now() + script.latency)).await?;
    }
    if script.drop {
        return Ok(match script.stop {
            Some(stop) if stop.how == How::Reset => After::Reset,
            _ => After::Close,
        });
    }
    let first = (!script.ttft.is_zero()).then_some(script.ttft);
    if let Some(wait) = first.filter(|_| !answer.stream) {
        line.pause(Some(Instant::now() + wait)).await?;
    }
    let stop = answer.stop.map_or(answer.bytes.len(), |stop| {
        stop.after.min(answer.bytes.len())
    });
    if script.slowhead {
        for end in 1..=answer.head_end {
            line.write(&answer.bytes[..end], sent).await?;
            line.pause(Some(Instant::now() + SLOW_HEAD_WAIT)).await?;
        }
    }
    if let Some(wait) = first.filter(|_| answer.stream) {
        line.write(&answer.bytes[..answer.head_end], sent).await?;
        line.pause(Some(Instant::now() + wait)).await?;
    }
    let mut due = Instant::now();
    for step in &answer.steps {
        if *sent >= stop {
            break;
        }
        if let Some(pace) = script.pace.filter(|pace| step.paced && !pace.is_zero()) {
            // From when the last one was due, so that late timers do not add up; a client that was slow to take the
            // last one does not get a burst for it.
            due = (due + pace).max(Instant::now());
            line.pause(Some(due)).await?;
        } else if !answer.steps.is_empty() && *sent > 0 {
            // Gives the reader a chance to see what is there before more follows.
            tokio::task::yield_now().await;
        }
        line.write(&answer.bytes[..step.end.min(stop)], sent)
            .await?;
    }
    line.write(&answer.bytes[..stop], sent).await?;
    match answer.stop.map(|stop| stop.how) {
        Some(How::Cut) => Ok(After::Close),
        Some(How::Reset) => Ok(After::Reset),
        Some(How::Stall) => {
            line.pause(None).await?;
            Err(Gone)
        }
        None if answer.close => Ok(After::Close),
        None => Ok(After::Open),
    }
}

impl Line {
    /// Reads more into the inbox. Zero: the client has closed.
    pub(crate) async fn read(&mut self, room: usize) -> io::Result<usize> {
        self.inbox.reserve(room);
        self.stream.read_buf(&mut self.inbox).await
    }

    /// Waits until then, or without an end, as long as the client is there.
    async fn pause(&mut self, until: Option<Instant>) -> Result<(), Gone> {
        let timer = async {
            match until {
                Some(until) => sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(timer);
        loop {
            let listen = self.inbox.len() < AHEAD_BYTES_MAX;
            tokio::select! {
                () = &mut timer => return Ok(()),
                read = self.read(READ_BYTES), if listen => match read {
                    Ok(0) | Err(_) => return Err(Gone),
                    Ok(_) => {}
                },
            }
        }
    }

    /// Writes `bytes` from where `sent` stands to their end.
    pub(crate) async fn write(&mut self, bytes: &[u8], sent: &mut usize) -> Result<(), Gone> {
        let Line { stream, inbox } = self;
        while *sent < bytes.len() {
            match stream.try_write(&bytes[*sent..]) {
                Ok(0) => return Err(Gone),
                Ok(count) => *sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let (mut reader, writer) = stream.split();
                    inbox.reserve(READ_BYTES);
                    let listen = inbox.len() < AHEAD_BYTES_MAX;
                    tokio::select! {
                        ready = writer.writable() => ready.map_err(|_| Gone)?,
                        read = reader.read_buf(inbox), if listen => match read {
                            Ok(0) | Err(_) => return Err(Gone),
                            Ok(_) => {}
                        },
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Err(Gone),
            }
        }
        Ok(())
    }
}
