//! One data-plane thread: a single-threaded runtime that accepts, serves and forwards, and shares nothing it can keep.
//!
//! Every connection lives and dies on the thread that took it, with that thread's pools, counters and journal. Threads
//! meet in [`Shared`] only, in atomics and in the snapshot pointer.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption, Cache};
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::authenticate::Remembered;
use crate::caller::Seat;
use crate::clock::Instant;
use crate::edge;
use crate::journal::{Journal, Writer};
use crate::metrics::{Counter, Metrics, Shard};
use crate::snapshot::Snapshot;
use crate::socket::Socket;
use crate::upstream::connection::Connection;
use crate::upstream::origin::Origins;
use crate::upstream::pool::Pool;

/// Life of the plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Phase {
    Running = 0,
    /// Not ready any more, still accepting; answers close their connections.
    Draining = 1,
    /// Not accepting.
    Closing = 2,
}

/// What all threads share.
pub(crate) struct Shared {
    pub(crate) snapshot: Arc<ArcSwap<Snapshot>>,
    pub(crate) journal: Arc<Journal>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) origins: Origins,
    /// Held while a snapshot is read and swapped, so that generations are in order.
    pub(crate) swapping: Mutex<()>,
    pub(crate) generation: AtomicU64,
    /// Swapped-out snapshots. The background frees each when its last request has ended: freeing 100,000 keys takes
    /// milliseconds, which no request shall wait for.
    pub(crate) retired: Mutex<Vec<Arc<Snapshot>>>,
    phase: AtomicU8,
    pub(crate) requests_in_flight: AtomicUsize,
    /// Per thread, for hand-over and metrics.
    pub(crate) connections: Vec<AtomicUsize>,
    pub(crate) upstream_idle: Vec<AtomicUsize>,
    pub(crate) control_socket: Option<PathBuf>,
    pub(crate) tls: ArcSwapOption<ServerConfig>,
    /// Texts for health; each is short and held for a copy.
    pub(crate) reload_error: Mutex<Option<String>>,
    pub(crate) ledger_error: Mutex<Option<String>>,
    pub(crate) tls_error: Mutex<Option<String>>,
    pub(crate) started: Instant,
    pub(crate) background_stop: AtomicBool,
}

impl Shared {
    pub(crate) fn new(
        snapshot: Arc<ArcSwap<Snapshot>>,
        journal: Arc<Journal>,
        metrics: Arc<Metrics>,
        origins: Origins,
        threads: usize,
        control_socket: Option<PathBuf>,
    ) -> Shared {
        Shared {
            snapshot,
            journal,
            metrics,
            origins,
            swapping: Mutex::new(()),
            generation: AtomicU64::new(1),
            retired: Mutex::new(Vec::new()),
            phase: AtomicU8::new(Phase::Running as u8),
            requests_in_flight: AtomicUsize::new(0),
            connections: (0..threads).map(|_| AtomicUsize::new(0)).collect(),
            upstream_idle: (0..threads).map(|_| AtomicUsize::new(0)).collect(),
            control_socket,
            tls: ArcSwapOption::empty(),
            reload_error: Mutex::new(None),
            ledger_error: Mutex::new(None),
            tls_error: Mutex::new(None),
            started: Instant::now(),
            background_stop: AtomicBool::new(false),
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Relaxed) {
            0 => Phase::Running,
            1 => Phase::Draining,
            _ => Phase::Closing,
        }
    }

    /// Moves on; never back.
    pub(crate) fn advance(&self, phase: Phase) {
        self.phase.fetch_max(phase as u8, Ordering::Relaxed);
    }

    pub(crate) fn connections_open(&self) -> usize {
        self.connections
            .iter()
            .map(|count| count.load(Ordering::Relaxed))
            .sum()
    }
}

/// What a thread is told.
#[derive(Debug)]
pub(crate) enum Command {
    /// A connection that another thread accepted.
    Serve(std::net::TcpStream, SocketAddr),
    StopAccepting,
    /// Close connections between two requests.
    EndIdle,
    /// End every request, too.
    EndAll,
    Quit,
}

/// Commands that may wait for a thread; a connection that finds no room is served where it was accepted.
pub(crate) const INBOX_MAX: usize = 1024;
/// A connection moves to another thread when that one has this many fewer. Two, so that two clients with one
/// connection each never share a thread while the other idles, and none moves for nothing.
const HAND_OVER_DIFFERENCE: usize = 2;

/// One thread's own.
pub(crate) struct Thread {
    pub(crate) index: usize,
    pub(crate) shared: Arc<Shared>,
    pub(crate) metrics: Arc<Shard>,
    pub(crate) journal: RefCell<Writer>,
    pub(crate) pool: RefCell<Pool>,
    /// Kept connections to the control side.
    pub(crate) control_pool: RefCell<Vec<Connection>>,
    /// Request heads and small bodies are put together here before they are sent; empty between uses.
    pub(crate) scratch: RefCell<Vec<u8>>,
    pub(crate) remembered: RefCell<Remembered>,
    cache: RefCell<Cache<Arc<ArcSwap<Snapshot>>, Arc<Snapshot>>>,
    seats: RefCell<HashMap<u64, Rc<Seat>>>,
    next_seat: Cell<u64>,
}

impl Thread {
    pub(crate) fn new(index: usize, shared: Arc<Shared>) -> Thread {
        Thread {
            index,
            metrics: shared.metrics.shard(index),
            journal: RefCell::new(shared.journal.writer(index)),
            pool: RefCell::default(),
            control_pool: RefCell::default(),
            scratch: RefCell::default(),
            remembered: RefCell::default(),
            cache: RefCell::new(Cache::new(Arc::clone(&shared.snapshot))),
            seats: RefCell::default(),
            next_seat: Cell::new(0),
            shared,
        }
    }

    /// The running configuration, to be kept for the length of one request.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(self.cache.borrow_mut().load())
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.shared.phase() > Phase::Running
    }

    /// A seat for the running task, and what gives it up.
    pub(crate) async fn take_seat(self: &Rc<Self>) -> (Rc<Seat>, Registered) {
        let seat = Seat::of_this_task().await;
        let id = self.next_seat.get();
        self.next_seat.set(id + 1);
        self.seats.borrow_mut().insert(id, Rc::clone(&seat));
        (
            seat,
            Registered {
                thread: Rc::clone(self),
                id,
            },
        )
    }

    fn end_seats(&self, idle_only: bool) {
        for seat in self.seats.borrow().values() {
            if !idle_only || seat.idle.get() {
                seat.end();
            }
        }
    }
}

/// Gives a seat up when the task ends, however it ends.
pub(crate) struct Registered {
    thread: Rc<Thread>,
    id: u64,
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.thread.seats.borrow_mut().remove(&self.id);
        // The runtime ends the task and its connection; the rest of the thread goes on.
        if std::thread::panicking() {
            self.thread.metrics.count(Counter::Panicked);
        }
    }
}

/// Runs until told to quit.
pub(crate) async fn run(
    thread: Rc<Thread>,
    listeners: Vec<std::net::TcpListener>,
    mut inbox: mpsc::Receiver<Command>,
    siblings: Vec<mpsc::Sender<Command>>,
) {
    let accepting = Rc::new(Cell::new(true));
    let stop = Rc::new(tokio::sync::Notify::new());
    let siblings = Rc::new(siblings);
    for listener in listeners {
        match TcpListener::from_std(listener) {
            Ok(listener) => {
                let (thread, stop, accepting, siblings) = (
                    Rc::clone(&thread),
                    Rc::clone(&stop),
                    Rc::clone(&accepting),
                    Rc::clone(&siblings),
                );
                tokio::task::spawn_local(accept(thread, listener, stop, accepting, siblings));
            }
            Err(_) => thread.metrics.count(Counter::ConnectionRefused),
        }
    }
    let housekeeping = tokio::task::spawn_local(keep_house(Rc::clone(&thread)));
    while let Some(command) = inbox.recv().await {
        match command {
            Command::Serve(stream, peer) => {
                let adopted = TcpStream::from_std(stream);
                thread.shared.connections[thread.index].fetch_sub(1, Ordering::Relaxed);
                match adopted {
                    Ok(stream) => serve(&thread, stream, peer),
                    Err(_) => thread.metrics.count(Counter::ConnectionRefused),
                }
            }
            Command::StopAccepting => {
                accepting.set(false);
                stop.notify_waiters();
            }
            Command::EndIdle => thread.end_seats(true),
            Command::EndAll => thread.end_seats(false),
            Command::Quit => break,
        }
    }
    housekeeping.abort();
}

/// Once a second: old connections are closed, and an old snapshot is let go.
async fn keep_house(thread: Rc<Thread>) {
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    loop {
        tick.tick().await;
        let mut pool = thread.pool.borrow_mut();
        pool.sweep();
        thread.shared.upstream_idle[thread.index].store(pool.idle(), Ordering::Relaxed);
        drop(pool);
        thread
            .control_pool
            .borrow_mut()
            .retain(|connection| !connection.is_stale());
        thread.cache.borrow_mut().load();
    }
}

async fn accept(
    thread: Rc<Thread>,
    listener: TcpListener,
    stop: Rc<tokio::sync::Notify>,
    accepting: Rc<Cell<bool>>,
    siblings: Rc<Vec<mpsc::Sender<Command>>>,
) {
    loop {
        // At the bound, connections wait in the kernel's backlog instead of being refused.
        while thread.shared.connections_open() >= thread.snapshot().server.limits.connections_max
            && accepting.get()
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let accepted = tokio::select! {
            biased;
            accepted = listener.accept() => accepted,
            () = stop.notified() => break,
        };
        match accepted {
            Ok((stream, peer)) => place(&thread, stream, peer, &siblings),
            Err(error) => {
                thread.metrics.count(Counter::ConnectionRefused);
                // Out of file descriptors: the connection stays in the backlog, and trying again at once would spin.
                if matches!(
                    error.raw_os_error(),
                    Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM)
                ) {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
        if !accepting.get() {
            break;
        }
    }
    // What is in the queue has been greeted by the kernel: it is served before the socket is let go.
    while let Ok(Ok((stream, peer))) = tokio::time::timeout(Duration::ZERO, listener.accept()).await
    {
        serve(&thread, stream, peer);
    }
}

/// Serves a connection here, or hands it to a thread that has clearly fewer.
fn place(
    thread: &Rc<Thread>,
    stream: TcpStream,
    peer: SocketAddr,
    siblings: &[mpsc::Sender<Command>],
) {
    let _ = stream.set_nodelay(true);
    let counts = &thread.shared.connections;
    let mine = counts[thread.index].load(Ordering::Relaxed);
    let least = counts
        .iter()
        .enumerate()
        .min_by_key(|(_, count)| count.load(Ordering::Relaxed));
    if let Some((index, count)) = least
        && index != thread.index
        && mine + 1 >= count.load(Ordering::Relaxed) + HAND_OVER_DIFFERENCE
        && let Some(sibling) = siblings.get(index)
        && let Ok(permit) = sibling.try_reserve()
    {
        match stream.into_std() {
            Ok(stream) => {
                // Counted at once, so that a burst is not sent to one thread whole.
                count.fetch_add(1, Ordering::Relaxed);
                permit.send(Command::Serve(stream, peer));
            }
            Err(_) => thread.metrics.count(Counter::ConnectionRefused),
        }
        return;
    }
    serve(thread, stream, peer);
}

fn serve(thread: &Rc<Thread>, stream: TcpStream, peer: SocketAddr) {
    let thread = Rc::clone(thread);
    thread.shared.connections[thread.index].fetch_add(1, Ordering::Relaxed);
    let open = Open(Rc::clone(&thread));
    thread.metrics.count(Counter::ConnectionAccepted);
    tokio::task::spawn_local(async move {
        let _open = open;
        let (seat, _registered) = thread.take_seat().await;
        let Some(tls) = thread.shared.tls.load_full() else {
            return edge::h1::serve(thread, Socket::Tcp(stream), peer, seat).await;
        };
        seat.idle.set(true);
        let time = thread.snapshot().server.header_time;
        match tokio::time::timeout(time, tokio_rustls::TlsAcceptor::from(tls).accept(stream)).await
        {
            Ok(Ok(stream)) => {
                edge::h1::serve(thread, Socket::Tls(Box::new(stream.into())), peer, seat).await;
            }
            Ok(Err(_)) | Err(_) => thread.metrics.count(Counter::TlsHandshakeFailed),
        }
    });
}

/// Counts a connection for as long as it is open.
struct Open(Rc<Thread>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.shared.connections[self.0.index].fetch_sub(1, Ordering::Relaxed);
    }
}
