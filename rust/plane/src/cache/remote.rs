//! Kept answers in a Valkey or Redis server, which several gateways share.
//!
//! Three commands are used, `GET`, `SET … EX` and `DEL`, over connections that each thread keeps for itself; one connection carries
//! one command at a time. The server is an aid and never an obstacle: a look waits no longer than `cache.wait`, keeping waits for nobody,
//! and after a failure the server is left alone for [`REST`], in which every request is a miss. A connection that takes longer to
//! make is waited for in the background, and is there for the next request.
//!
//! Keys are `<prefix>1:<hex of the digest>`, so that nothing of a question or of a client's key can be read from them. Values hold
//! the answer as it is: who can read the server can read answers.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use turnout_wire::replay::Replay;

use super::key::Digest;
use super::store::Entry;
use crate::clock::{self, Instant};
use crate::metrics::Counter;
use crate::snapshot::written;
use crate::socket::Socket;
use crate::thread::Thread;
use crate::upstream::tls;

/// How long a server that failed is left alone.
const REST: Duration = Duration::from_secs(1);
/// How long making a connection may take. Nobody waits that long.
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// How long keeping an answer may take. Nobody waits for it.
const KEEP_TIME: Duration = Duration::from_secs(5);
/// Commands of one thread that may run at once; a request beyond that is a miss, an answer beyond that is not kept.
const LINKS_MAX: usize = 64;
/// What a kept answer may have besides its bytes: its texts, and where its ids stand.
const VALUE_EXTRA_BYTES: usize = 256 * 1024;
/// The form of the values. Another one never meets this one's keys.
const VERSION: &str = "1:";

/// Where the server is, and how it is talked to.
pub(crate) struct Server {
    host: String,
    port: u16,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    /// What is said first on each connection, and how many answers it has.
    greeting: (Vec<u8>, usize),
    prefix: String,
    wait: Duration,
    value_bytes_max: usize,
    /// What distinguishes it from another configuration's.
    generation: u64,
}

impl Server {
    /// Reads the configuration of the snapshot with this number.
    pub(crate) fn complete(
        written: &written::CacheServer,
        entry_bytes: usize,
        generation: u64,
    ) -> Result<Server, String> {
        let tls = match written.tls {
            false => None,
            true => {
                let name = ServerName::try_from(written.host.clone())
                    .map_err(|_| format!("cache: {:?} is no name for TLS", written.host))?;
                Some((tls::client_config(None)?, name))
            }
        };
        let mut greeting = (Vec::new(), 0);
        let password = written.password.expose();
        if !password.is_empty() {
            let mut parts: Vec<&[u8]> = vec![b"AUTH"];
            if !written.username.is_empty() {
                parts.push(written.username.as_bytes());
            }
            parts.push(password.as_bytes());
            command(&parts, &mut greeting.0);
            greeting.1 += 1;
        }
        if written.database != 0 {
            let database = written.database.to_string();
            command(&[b"SELECT", database.as_bytes()], &mut greeting.0);
            greeting.1 += 1;
        }
        Ok(Server {
            host: written.host.clone(),
            port: written.port,
            tls,
            greeting,
            prefix: written.prefix.clone(),
            wait: Duration::from_millis(written.wait_ms),
            value_bytes_max: entry_bytes + VALUE_EXTRA_BYTES,
            generation,
        })
    }

    fn key(&self, digest: &Digest) -> String {
        format!("{}{VERSION}{}", self.prefix, digest.hex())
    }
}

/// One thread's connections to the server.
#[derive(Default)]
pub(crate) struct Links {
    idle: RefCell<Vec<Link>>,
    /// Commands that are running.
    busy: Cell<usize>,
    /// The server failed and is left alone until then.
    resting_until: Cell<Option<Instant>>,
}

/// A connection without a command on it.
struct Link {
    socket: Socket,
    generation: u64,
}

/// Counts a command while it runs.
struct Busy<'a>(&'a Cell<usize>);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

/// Looks for an answer.
pub(crate) async fn look(
    thread: &Rc<Thread>,
    server: &Arc<Server>,
    digest: &Digest,
    now_ms: u64,
) -> Option<Entry> {
    let key = server.key(digest);
    let said = run(thread, server, &[b"GET", key.as_bytes()], server.wait).await?;
    let Said::Value(value) = said else {
        return None;
    };
    unpack(&value).filter(|entry| entry.is_fresh(now_ms))
}

/// Forgets an answer.
pub(crate) async fn forget(thread: &Rc<Thread>, server: &Arc<Server>, digest: &Digest) {
    let key = server.key(digest);
    run(thread, server, &[b"DEL", key.as_bytes()], server.wait).await;
}

/// Keeps an answer, in the background.
pub(crate) fn keep(thread: &Rc<Thread>, server: &Arc<Server>, digest: &Digest, entry: &Entry) {
    if thread.links.busy.get() >= LINKS_MAX {
        return;
    }
    let (thread, server, key) = (Rc::clone(thread), Arc::clone(server), server.key(digest));
    let (value, ttl) = (pack(entry), entry.ttl_seconds.to_string());
    tokio::task::spawn_local(async move {
        let parts: [&[u8]; 5] = [b"SET", key.as_bytes(), &value, b"EX", ttl.as_bytes()];
        run(&thread, &server, &parts, KEEP_TIME).await;
    });
}

/// Runs a command; `None`: there is no answer, and why does not matter.
async fn run(
    thread: &Rc<Thread>,
    server: &Arc<Server>,
    parts: &[&[u8]],
    time: Duration,
) -> Option<Said> {
    let links = &thread.links;
    let is_resting = (links.resting_until.get()).is_some_and(|until| Instant::now() < until);
    if is_resting || links.busy.get() >= LINKS_MAX {
        return None;
    }
    links.busy.set(links.busy.get() + 1);
    let _busy = Busy(&links.busy);
    let mut request = Vec::new();
    command(parts, &mut request);
    let running = async {
        // One that was kept may have been closed meanwhile: then there is another.
        while let Some(mut link) = kept(links, server) {
            if let Ok(said) = link.ask(&request, server.value_bytes_max).await {
                return Ok((link, said));
            }
        }
        let mut link = connect(thread, server).await?;
        let said = link.ask(&request, server.value_bytes_max).await?;
        Ok::<_, io::Error>((link, said))
    };
    match clock::timeout(time, running).await {
        Ok(Ok((link, said))) => {
            links.give(link);
            (said != Said::Refused).then_some(said)
        }
        Ok(Err(_)) | Err(_) => {
            links.failed(thread);
            None
        }
    }
}

/// A kept connection to this server, if there is one that nothing has happened to.
fn kept(links: &Links, server: &Server) -> Option<Link> {
    let mut idle = links.idle.borrow_mut();
    loop {
        let link = idle.pop()?;
        if link.generation == server.generation && !link.socket.has_news() {
            return Some(link);
        }
    }
}

impl Links {
    fn give(&self, link: Link) {
        let mut idle = self.idle.borrow_mut();
        if idle.len() < LINKS_MAX {
            idle.push(link);
        }
    }

    fn failed(&self, thread: &Thread) {
        self.resting_until.set(Some(Instant::now() + REST));
        thread.metrics.count(Counter::CacheServerFailed);
    }
}

/// Makes a connection. It is made to the end even when nobody waits any more.
async fn connect(thread: &Rc<Thread>, server: &Arc<Server>) -> io::Result<Link> {
    let (give, take) = oneshot::channel();
    let (thread, server) = (Rc::clone(thread), Arc::clone(server));
    tokio::task::spawn_local(async move {
        let made = clock::timeout(CONNECT_TIME, dial(&server)).await;
        let made = made.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        if let Err(Ok(link)) = give.send(made) {
            thread.links.give(link);
        }
    });
    take.await
        .unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into()))
}

async fn dial(server: &Server) -> io::Result<Link> {
    let tcp = TcpStream::connect((server.host.as_str(), server.port)).await?;
    let _ = tcp.set_nodelay(true);
    let socket = match &server.tls {
        None => Socket::Tcp(tcp),
        Some((config, name)) => {
            let connector = tokio_rustls::TlsConnector::from(Arc::clone(config));
            let stream = connector.connect(name.clone(), tcp).await?;
            Socket::Tls(Box::new(stream.into()))
        }
    };
    let mut link = Link {
        socket,
        generation: server.generation,
    };
    let (greeting, answers) = &server.greeting;
    link.socket.write_all(greeting).await?;
    link.socket.flush().await?;
    let mut read = Vec::new();
    for _ in 0..*answers {
        if link.hear(&mut read, VALUE_EXTRA_BYTES).await? == Said::Refused {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
    }
    Ok(link)
}

impl Link {
    /// Sends a command and reads its answer.
    async fn ask(&mut self, request: &[u8], bytes_max: usize) -> io::Result<Said> {
        self.socket.write_all(request).await?;
        self.socket.flush().await?;
        let mut read = Vec::new();
        let said = self.hear(&mut read, bytes_max).await?;
        match read.is_empty() {
            true => Ok(said),
            false => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    /// Reads one answer; what was read beyond it stays in `read`.
    async fn hear(&mut self, read: &mut Vec<u8>, bytes_max: usize) -> io::Result<Said> {
        loop {
            if let Some((said, used)) = parse(read, bytes_max)? {
                read.drain(..used);
                return Ok(said);
            }
            if self.socket.read_buf(read).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

/// What the server said.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    /// It did what it was told.
    Done,
    Value(Vec<u8>),
    /// There is no such key.
    Nothing,
    /// An error.
    Refused,
}

/// Writes a command as the protocol has it: an array of strings (RESP2).
fn command(parts: &[&[u8]], out: &mut Vec<u8>) {
    let number = |sign: u8, number: usize, out: &mut Vec<u8>| {
        out.push(sign);
        out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
        out.extend_from_slice(b"\r\n");
    };
    number(b'*', parts.len(), out);
    for part in parts {
        number(b'$', part.len(), out);
        out.extend_from_slice(part);
        out.extend_from_slice(b"\r\n");
    }
}

/// Reads one answer and how many bytes it has; `None`: more has to be read.
fn parse(read: &[u8], bytes_max: usize) -> io::Result<Option<(Said, usize)>> {
    let wrong = || io::Error::from(io::ErrorKind::InvalidData);
    let Some(line_end) = memchr::memchr(b'\n', read) else {
        return match read.len() > LINE_BYTES_MAX {
            true => Err(wrong()),
            false => Ok(None),
        };
    };
    let line = read.get(..line_end).unwrap_or_default();
    let line = line.strip_suffix(b"\r").ok_or_else(wrong)?;
    let after = line_end + 1;
    let (sign, rest) = line.split_first().ok_or_else(wrong)?;
    let said = match sign {
        b'+' | b':' => Said::Done,
        b'-' => Said::Refused,
        b'_' => Said::Nothing,
        b'$' if rest == b"-1" => Said::Nothing,
        b'$' => {
            let len: usize = std::str::from_utf8(rest)
                .ok()
                .and_then(|len| len.parse().ok())
                .filter(|len| *len <= bytes_max)
                .ok_or_else(wrong)?;
            let Some(value) = read.get(after..after + len + 2) else {
                return Ok(None);
            };
            let value = value.strip_suffix(b"\r\n").ok_or_else(wrong)?;
            return Ok(Some((Said::Value(value.to_vec()), after + len + 2)));
        }
        _ => return Err(wrong()),
    };
    Ok(Some((said, after)))
}

/// A line of the protocol may be this long; only errors have texts.
const LINE_BYTES_MAX: usize = 4096;

/// The texts of the entry as JSON with their length before them, then the answer.
fn pack(entry: &Entry) -> Vec<u8> {
    let texts = serde_json::to_vec(entry).unwrap_or_default();
    let mut out = (texts.len() as u32).to_le_bytes().to_vec();
    out.extend_from_slice(&texts);
    entry.replay.pack(&mut out);
    out
}

fn unpack(value: &[u8]) -> Option<Entry> {
    let (len, rest) = value.split_first_chunk::<4>()?;
    let (texts, answer) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
    let entry: Entry = serde_json::from_slice(texts).ok()?;
    // It becomes a header: whoever can write to the server shall not write headers.
    let is_id = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if !entry.source_id.bytes().all(is_id) {
        return None;
    }
    Some(Entry {
        replay: Replay::unpack(answer)?,
        ..entry
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(text: &[u8]) -> io::Result<Option<(Said, usize)>> {
        parse(text, 100)
    }

    #[test]
    fn answers_are_read_whole_or_not_at_all() {
        let value = b"$5\r\na\r\nbc\r\n+OK\r\n";
        assert_eq!(
            heard(value).expect("it is good"),
            Some((Said::Value(b"a\r\nbc".to_vec()), 11))
        );
        for end in 0..11 {
            assert_eq!(
                heard(&value[..end]).expect("it is a beginning"),
                None,
                "{end}"
            );
        }
        for (text, said) in [
            (&b"+OK\r\n"[..], Said::Done),
            (b":1\r\n", Said::Done),
            (b"$-1\r\n", Said::Nothing),
            (b"_\r\n", Said::Nothing),
            (b"-ERR what\r\n", Said::Refused),
            (b"$0\r\n\r\n", Said::Value(Vec::new())),
        ] {
            assert_eq!(heard(text).expect("it is good"), Some((said, text.len())));
        }
        for text in [
            &b"$101\r\n"[..],
            b"$-2\r\n",
            b"$x\r\n",
            b"HTTP/1.1 400\r\n",
            b"\r\n",
            b"+OK\n",
            b"$1\r\nabc",
            &[b'+'; 5000],
        ] {
            assert!(heard(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn commands_are_arrays_of_strings() {
        let mut out = Vec::new();
        command(&[b"GET", b"", b"a\r\n"], &mut out);
        assert_eq!(out, b"*3\r\n$3\r\nGET\r\n$0\r\n\r\n$3\r\na\r\n\r\n");
    }

    #[test]
    fn an_entry_survives_the_way_and_nothing_else_is_one() {
        let entry = Entry {
            replay: Replay::of(b"{\"id\":\"gen-1-a\"}", false, "gen-1-a", 1).expect("JSON"),
            stored_ms: 5,
            ttl_seconds: 6,
            source_id: "gen-1-a".to_owned(),
            streamed: true,
            model: "a/b".to_owned(),
            provider: "P \"q\"".to_owned(),
            provider_slug: "p".to_owned(),
            finish: "stop".to_owned(),
            native_finish: String::new(),
        };
        let packed = pack(&entry);
        assert_eq!(unpack(&packed), Some(entry.clone()));
        for end in 0..packed.len().min(40) {
            assert_eq!(unpack(&packed[..end]), None);
        }
        let evil = Entry {
            source_id: "a\r\nset-cookie: x".to_owned(),
            ..entry
        };
        assert_eq!(unpack(&pack(&evil)), None);
    }
}
