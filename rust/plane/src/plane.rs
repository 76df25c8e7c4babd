//! Start, swap, drain, stop: the life of the plane, for the one that owns it (`native`, or a test).

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::sync::mpsc;
use turnout_wire::refusal::Kind;

use crate::clock::{self, Moment, unix_ms};
use crate::edge::tls;
use crate::explain::rehearsal;
use crate::health;
use crate::journal::{self, Journal, UnknownToken};
use crate::limits::Limits;
use crate::lock::lock;
use crate::metrics::Metrics;
use crate::snapshot::{BadSnapshot, Snapshot, written};
use crate::statistics::Registry;
use crate::thread::{self, Command, FRESH_TIME, INBOX_MAX, Phase, Shared, Thread};
use crate::upstream::origin::Origins;

/// Connections that the kernel keeps for us while we are busy or being replaced.
const BACKLOG: i32 = 4096;
/// How often the background looks after the journal.
const TEND_EVERY: Duration = Duration::from_millis(50);
/// How often percentiles and shares are worked out anew. Routing reacts within this time; failures it sees at once.
const SUM_UP_EVERY: Duration = Duration::from_secs(1);
/// How often statistics are stored. What a crash loses is no older than this.
const SAVE_EVERY: Duration = Duration::from_secs(10);
/// How often names of providers are looked up again. Providers' records live a minute or less; an old address is used
/// for at most this long.
const LOOK_UP_EVERY: Duration = Duration::from_secs(30);
/// How often the certificate's files are looked at: two system calls each time. A renewal replaces two files, and what
/// does not fit together in between is shown in health for no longer than this.
const CERTIFICATE_EVERY: Duration = Duration::from_secs(1);
/// How long the last bytes have to leave: ends of streams and of connections.
const FLUSH_TIME: Duration = Duration::from_millis(100);
/// How long streams that were told to end have for saying so.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Why a plane could not be made or changed.
#[derive(Debug)]
pub enum Problem {
    /// The snapshot is not one.
    Snapshot(BadSnapshot),
    /// An address, a directory or a certificate cannot be used.
    Io(io::Error),
    /// It runs already, or no more.
    State(&'static str),
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Problem::Snapshot(bad) => bad.fmt(f),
            Problem::Io(error) => error.fmt(f),
            Problem::State(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for Problem {}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        Problem::Io(error)
    }
}

/// The data plane of a process.
pub struct Plane {
    shared: Arc<Shared>,
    listeners: Mutex<Vec<TcpListener>>,
    addresses: Vec<SocketAddr>,
    state_dir: PathBuf,
    /// Present while the threads run. Held for the length of a start or a stop.
    running: Mutex<Option<Running>>,
    drain_began: Mutex<Option<Instant>>,
}

struct Running {
    inboxes: Vec<mpsc::Sender<Command>>,
    threads: Vec<JoinHandle<()>>,
    background: Vec<JoinHandle<()>>,
}

impl Plane {
    /// Makes a plane that does not serve yet. `listeners` are taken as they are; without any, `server.listen` is bound.
    pub fn new(
        snapshot: &[u8],
        listeners: Vec<TcpListener>,
        control_socket: Option<PathBuf>,
        state_dir: &std::path::Path,
    ) -> Result<Plane, Problem> {
        let written: written::Snapshot = serde_json::from_slice(snapshot)
            .map_err(|error| Problem::Snapshot(BadSnapshot(error.to_string())))?;
        let threads = written.server.threads.clamp(1, 1024);
        let kinds: Vec<&'static str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
        let metrics = Metrics::new(threads, kinds.leak());
        let origins = Origins::default();
        let statistics = Registry::default();
        let limits = Limits::new(unix_ms());
        let (first, server) = Snapshot::read(snapshot, 1, &origins, &metrics, &statistics, &limits)
            .map_err(Problem::Snapshot)?;
        let listeners = if listeners.is_empty() {
            bind_all(&server.listen)?
        } else {
            listeners
        };
        let addresses = listeners
            .iter()
            .map(TcpListener::local_addr)
            .collect::<io::Result<_>>()?;
        let journal = Journal::open(state_dir, threads, journal::Options::default())?;
        if let Err(wrong) = statistics.restore(state_dir, Moment::now()) {
            eprintln!("turnout: statistics of endpoints begin anew: {wrong}");
        }
        let shared = Shared::new(
            Arc::new(ArcSwap::from_pointee(first)),
            journal,
            metrics,
            origins,
            statistics,
            limits,
            threads,
            control_socket,
        );
        if let Some(files) = &server.tls {
            let config =
                tls::server_config(files).map_err(|text| Problem::Io(io::Error::other(text)))?;
            shared.tls.store(Some(config));
        }
        Ok(Plane {
            shared: Arc::new(shared),
            listeners: Mutex::new(listeners),
            addresses,
            state_dir: state_dir.to_owned(),
            running: Mutex::new(None),
            drain_began: Mutex::new(None),
        })
    }

    /// The addresses that it listens on.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Starts the threads.
    pub fn start(&self) -> Result<(), Problem> {
        let mut running = lock(&self.running);
        let listeners = std::mem::take(&mut *lock(&self.listeners));
        if running.is_some() || listeners.is_empty() {
            return Err(Problem::State("the plane has been started already"));
        }
        for listener in &listeners {
            listener.set_nonblocking(true)?;
        }
        clock::start_timers()?;
        let count = self.shared.connections.len();
        self.shared.expect_accepting(count * listeners.len());
        let (inboxes, receivers): (Vec<_>, Vec<_>) =
            (0..count).map(|_| mpsc::channel(INBOX_MAX)).unzip();
        let mut threads = Vec::with_capacity(count);
        for (index, inbox) in receivers.into_iter().enumerate() {
            let listeners = listeners
                .iter()
                .map(TcpListener::try_clone)
                .collect::<io::Result<Vec<_>>>()?;
            let (shared, siblings) = (Arc::clone(&self.shared), inboxes.clone());
            let body = move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_io()
                    .build_local(tokio::runtime::LocalOptions::default());
                match runtime {
                    Ok(runtime) => runtime.block_on(async move {
                        let thread = Rc::new(Thread::new(index, shared));
                        thread::run(thread, listeners, inbox, siblings).await;
                    }),
                    Err(error) => {
                        eprintln!("turnout: data-plane thread {index} could not start: {error}")
                    }
                }
            };
            threads.push(
                std::thread::Builder::new()
                    .name(format!("dp-{index}"))
                    .spawn(body)?,
            );
        }
        let background = vec![
            self.spawn_background("dp-bg", TEND_EVERY, tend)?,
            self.look_names_up()?,
            self.sum_up()?,
            self.watch_certificate()?,
        ];
        *running = Some(Running {
            inboxes,
            threads,
            background,
        });
        Ok(())
    }

    /// Looking names up blocks for as long as the resolver likes, so it has a thread to itself. Nobody waits for its end, so it
    /// holds nothing whose end somebody may wait for, as the journal's lock.
    fn look_names_up(&self) -> io::Result<JoinHandle<()>> {
        let (origins, stop) = (
            Arc::clone(&self.shared.origins),
            Arc::clone(&self.shared.background_stop),
        );
        std::thread::Builder::new()
            .name("dp-dns".to_owned())
            .spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    for origin in origins.in_use() {
                        origin.refresh();
                    }
                    std::thread::park_timeout(LOOK_UP_EVERY);
                }
            })
    }

    fn spawn_background(
        &self,
        name: &str,
        every: Duration,
        work: fn(&Shared),
    ) -> io::Result<JoinHandle<()>> {
        let shared = Arc::clone(&self.shared);
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                while !shared.background_stop.load(Ordering::Relaxed) {
                    work(&shared);
                    std::thread::park_timeout(every);
                }
            })
    }

    /// Works statistics out anew every second and stores them now and then.
    fn sum_up(&self) -> io::Result<JoinHandle<()>> {
        let shared = Arc::clone(&self.shared);
        let folder = self.state_dir.clone();
        let (mut saved, mut failing) = (Instant::now(), false);
        std::thread::Builder::new()
            .name("dp-stats".to_owned())
            .spawn(move || {
                while !shared.background_stop.load(Ordering::Relaxed) {
                    shared.statistics.tick(Moment::now());
                    if saved.elapsed() >= SAVE_EVERY {
                        saved = Instant::now();
                        save(&shared, &folder, &mut failing);
                    }
                    std::thread::park_timeout(SUM_UP_EVERY);
                }
                // What the last requests showed.
                shared.statistics.tick(Moment::now());
                save(&shared, &folder, &mut failing);
            })
    }

    fn watch_certificate(&self) -> io::Result<JoinHandle<()>> {
        let shared = Arc::clone(&self.shared);
        let looked_at = |files: &written::Tls| {
            (
                tls::modified(files),
                files.certificate_path.clone(),
                files.private_key_path.clone(),
            )
        };
        // Before the first connection, so that no later change is missed.
        let mut seen = self
            .shared
            .snapshot
            .load()
            .server
            .tls
            .as_ref()
            .map(looked_at);
        std::thread::Builder::new()
            .name("dp-tls".to_owned())
            .spawn(move || {
                while !shared.background_stop.load(Ordering::Relaxed) {
                    if let Some(files) = &shared.snapshot.load().server.tls {
                        let now = looked_at(files);
                        if seen.as_ref().is_some_and(|before| *before != now) {
                            reload_certificate(&shared, files);
                        }
                        seen = Some(now);
                    }
                    std::thread::park_timeout(CERTIFICATE_EVERY);
                }
            })
    }

    /// Plans a request without sending it, and tells why it would go where it would, as JSON. `Err`: what is wrong with the bytes.
    pub fn explain(&self, rehearsal: &[u8]) -> Result<Vec<u8>, String> {
        let shared = &self.shared;
        rehearsal::rehearse(
            &shared.snapshot.load(),
            &shared.sticky,
            &shared.judgements,
            rehearsal,
        )
    }

    /// Puts another snapshot in place; its generation number.
    pub fn swap(&self, snapshot: &[u8]) -> Result<u64, Problem> {
        let shared = &self.shared;
        let _one_at_a_time = lock(&shared.swapping);
        let generation = shared.generation.load(Ordering::Relaxed) + 1;
        // On a thread that yields to everything else: reading 100,000 keys takes a fraction of a second of a core that
        // requests may need.
        let (next, server) = std::thread::scope(|scope| {
            let reading = std::thread::Builder::new()
                .name("dp-swap".to_owned())
                .spawn_scoped(scope, || {
                    priority::lower();
                    Snapshot::read(
                        snapshot,
                        generation,
                        &shared.origins,
                        &shared.metrics,
                        &shared.statistics,
                        &shared.limits,
                    )
                })?;
            match reading.join() {
                Ok(read) => read.map_err(Problem::Snapshot),
                Err(_) => Err(Problem::State(
                    "reading the snapshot panicked; this is a bug",
                )),
            }
        })?;
        // A listener with TLS keeps it: whether there is TLS is decided at start, like the address.
        if let (Some(files), true) = (&server.tls, shared.tls.load().is_some()) {
            let config =
                tls::server_config(files).map_err(|text| Problem::Io(io::Error::other(text)))?;
            shared.tls.store(Some(config));
            *lock(&shared.tls_error) = None;
        }
        shared.generation.store(generation, Ordering::Relaxed);
        let old = shared.snapshot.swap(Arc::new(next));
        lock(&shared.retired).push(old);
        *lock(&shared.reload_error) = None;
        Ok(generation)
    }

    /// Notes that a reload failed.
    pub fn reload_failed(&self, message: String) {
        *lock(&self.shared.reload_error) = Some(message);
    }

    /// Notes that the ledger lags, or no more.
    pub fn ledger_behind(&self, message: Option<String>) {
        *lock(&self.shared.ledger_error) = message;
    }

    /// Adds what the ledger knows of earlier processes to what was charged.
    pub fn spent(&self, json: &[u8]) -> Result<(), serde_json::Error> {
        self.shared.limits.add(json)
    }

    /// What was charged to a key, as JSON; `None`: to the whole gateway.
    pub fn usage(&self, sha256: Option<&str>) -> String {
        self.shared.limits.usage(sha256)
    }

    /// Booked generations and the token that forgets them; see [`Journal::drain`].
    pub fn drain_journal(&self, records_max: usize, wait: Duration) -> (Vec<u8>, u64) {
        self.shared.journal.drain(records_max, wait)
    }

    /// Forgets what the ledger has.
    pub fn commit_journal(&self, token: u64) -> Result<(), UnknownToken> {
        self.shared.journal.commit(token)
    }

    /// What `/health/ready` says.
    pub fn health(&self) -> String {
        health::state(&self.shared).to_string()
    }

    /// What is known of endpoints and keys, as JSON. What is asked afterwards is routed by what it says.
    pub fn statistics(&self) -> Vec<u8> {
        let report = self.shared.statistics.report(Moment::now());
        serde_json::to_vec(&report).unwrap_or_default()
    }

    /// What `/metrics` says.
    pub fn metrics(&self) -> String {
        health::render(&self.shared)
    }

    /// Turns unready and lets answers close their connections.
    pub fn begin_drain(&self) {
        lock(&self.drain_began).get_or_insert_with(Instant::now);
        self.shared.advance(Phase::Draining);
    }

    /// Drains and joins. True when everything in flight could finish.
    pub fn stop(&self) -> bool {
        self.begin_drain();
        let mut running = lock(&self.running);
        let Some(Running {
            inboxes,
            threads,
            background,
        }) = running.take()
        else {
            return true;
        };
        let began = lock(&self.drain_began).unwrap_or_else(Instant::now);
        let (min, max) = {
            let snapshot = self.shared.snapshot.load();
            (snapshot.server.drain_min, snapshot.server.drain_max)
        };
        let in_flight = || self.shared.requests_in_flight.load(Ordering::Relaxed);
        let wait_until = |deadline: Instant, is_over: &dyn Fn() -> bool| {
            while Instant::now() < deadline && !is_over() {
                std::thread::sleep(
                    Duration::from_millis(5).min(deadline.duration_since(Instant::now())),
                );
            }
        };
        let tell = |command: fn() -> Command| {
            for inbox in &inboxes {
                // A full inbox is being emptied: connections are handed over a thousand at a time at most.
                let _ = inbox.blocking_send(command());
            }
        };
        wait_until(began + min, &|| false);
        self.shared.advance(Phase::Closing);
        tell(|| Command::StopAccepting);
        tell(|| Command::CloseIdle);
        // Connections that were accepted a moment ago, or are still in the kernel's queue, may send their first request.
        let welcomed_by = (Instant::now() + FRESH_TIME).min(began + max.max(min));
        wait_until(welcomed_by, &|| self.shared.has_welcomed_all());
        wait_until(began + max, &|| in_flight() == 0);
        let finished = in_flight() == 0;
        // Whatever connection became idle since, and every stream that would not end.
        tell(|| Command::EndAll);
        wait_until(Instant::now() + LAST_WORDS, &|| in_flight() == 0);
        wait_until(Instant::now() + FLUSH_TIME, &|| {
            self.shared.connections_open() == 0
        });
        tell(|| Command::Quit);
        for thread in threads {
            let _ = thread.join();
        }
        self.shared.background_stop.store(true, Ordering::Relaxed);
        for thread in background {
            thread.thread().unpark();
            // A look-up that hangs must not hang the shutdown.
            if thread.thread().name() != Some("dp-dns") {
                let _ = thread.join();
            }
        }
        self.shared.journal.tend();
        finished
    }
}

impl Drop for Plane {
    fn drop(&mut self) {
        self.stop();
    }
}

fn save(shared: &Shared, folder: &std::path::Path, failing: &mut bool) {
    let said = (shared.statistics).save_telling(folder, Moment::now(), failing);
    if let Some(said) = said {
        eprintln!("turnout: {said}");
    }
}

fn tend(shared: &Shared) {
    shared.journal.tend();
    let freed: Vec<Arc<Snapshot>> = {
        let mut retired = lock(&shared.retired);
        let (free, busy) = retired
            .drain(..)
            .partition(|snapshot| Arc::strong_count(snapshot) == 1);
        *retired = busy;
        free
    };
    drop(freed);
}

fn reload_certificate(shared: &Shared, files: &written::Tls) {
    if shared.tls.load().is_none() {
        return;
    }
    match tls::server_config(files) {
        Ok(config) => {
            shared.tls.store(Some(config));
            *lock(&shared.tls_error) = None;
        }
        // The old certificate serves on; health says why.
        Err(text) => *lock(&shared.tls_error) = Some(text),
    }
}

fn bind_all(listen: &[String]) -> Result<Vec<TcpListener>, Problem> {
    let mut listeners = Vec::new();
    for text in listen {
        let address = text
            .to_socket_addrs()
            .and_then(|mut found| found.next().ok_or_else(|| io::ErrorKind::NotFound.into()))
            .map_err(|error| {
                io::Error::new(error.kind(), format!("server.listen {text}: {error}"))
            })?;
        listeners.push(bind(address).map_err(|error| {
            io::Error::new(error.kind(), format!("server.listen {text}: {error}"))
        })?);
    }
    if listeners.is_empty() {
        return Err(Problem::Io(io::Error::new(
            io::ErrorKind::InvalidInput,
            "server.listen is empty",
        )));
    }
    Ok(listeners)
}

mod priority {
    //! The two system calls that have no safe wrapper in the libraries at hand.
    #![allow(unsafe_code)]

    /// Added to the thread's niceness. Low enough that requests hardly notice, and high enough that a snapshot is read on a machine
    /// without a free moment, too: beside an ordinary thread Linux gives such a one a tenth, and one of the lowest priority (19) a
    /// seventieth.
    #[cfg(target_os = "linux")]
    const NICE: i32 = 10;

    /// Gives the calling thread a low priority. On Linux a thread has its own; elsewhere nothing is changed.
    pub(super) fn lower() {
        #[cfg(target_os = "linux")]
        // SAFETY: both take integers and touch no memory of ours; zero means the calling thread. That they may fail is of no
        // consequence.
        unsafe {
            let nice = libc::getpriority(libc::PRIO_PROCESS, 0).saturating_add(NICE);
            libc::setpriority(libc::PRIO_PROCESS, 0, nice.min(19));
        }
    }
}

/// Binds with `SO_REUSEPORT`, so that a worker that replaces this one can bind before this one has gone.
fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}
